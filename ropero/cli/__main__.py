from ropero.cli import main

main()
