"""`python -m ropero` is the command line."""

from ropero.cli import main

main()
