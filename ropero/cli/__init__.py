"""The command line: a file a verb, each of which parses, calls the workbench and prints."""

from __future__ import annotations

import sys


def main() -> None:
    """The program `ropero`."""
    from ropero.cli.app import run

    sys.exit(run(sys.argv[1:]))
