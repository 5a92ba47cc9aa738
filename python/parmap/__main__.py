# SPDX-License-Identifier: MIT
"""python -m parmap [COMMAND]: reports on maps; without a command, version, engines and cores for a bug report."""

import argparse
import importlib
import platform
import sys

import parmap
from parmap import _parmap

#: Each command: its name, the module that has its add_arguments(parser) and run(arguments) -> exit status, and what it does.
COMMANDS = (
    ("report", "parmap._report._command", "summarise a trace or a checkpoint; with -o PAGE.html as a page with figures"),
    ("watch", "parmap._watch", "follow a running map by its status file"),
)

parser = argparse.ArgumentParser(
    prog="python -m parmap",
    description="Without a command: prints the version, the engines and the number of usable cores, for a bug report.",
    epilog=parmap.__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
)
commands = parser.add_subparsers(dest="command", metavar="COMMAND")
for _name, _module, _text in COMMANDS:
    _command = commands.add_parser(_name, help=_text, description=_text[0].upper() + _text[1:] + ".")
    _found = importlib.import_module(_module)
    _found.add_arguments(_command)
    _command.set_defaults(run=_found.run)


def main() -> int:
    given = parser.parse_args()
    if given.command is not None:
        return int(given.run(given))
    print(f"parmap {parmap.__version__}, Python {platform.python_version()}, {platform.platform()}")
    print("engines:", ", ".join(parmap.ENGINES))
    print("cores:", _parmap.usable_cores())
    return 0


if __name__ == "__main__":
    sys.exit(main())
