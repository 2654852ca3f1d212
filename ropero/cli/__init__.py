"""The command line: a file a verb, each of which parses, calls the workbench and prints."""

from __future__ import annotations

import sys
from io import TextIOWrapper


def main() -> None:
    """The program `ropero`."""
    from ropero.cli.app import run

    for stream in (sys.stdout, sys.stderr):
        # A pipe on Western Windows cannot say 准确率; a program that reads it wants UTF-8 anyway.
        if isinstance(stream, TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8")
    sys.exit(run(sys.argv[1:]))
