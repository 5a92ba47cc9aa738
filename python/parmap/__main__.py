# SPDX-License-Identifier: MIT
"""python -m parmap [COMMAND]: prints version, engines and cores for a bug report, or does what a command says."""

import argparse
import importlib
import platform
import sys

import parmap

#: Of each command: the module, with add_arguments(parser) and run(arguments), which returns the exit status; and what it does.
COMMANDS = {
    "report": ("_report._command", "summarise a trace or a checkpoint; with -o PAGE.html as a page with figures"),
    "watch": ("_watch", "follow a running map by its status file"),
    "status": ("_status", "what is in the file of a checkpoint, or in those of all parts: exit status 0 complete, 3 incomplete, 4 failures"),
}


def parser_of(name: str | None) -> argparse.ArgumentParser:
    """Imports the module of that command only."""
    made = argparse.ArgumentParser(
        prog="python -m parmap",
        description="Prints the version, the engines and the number of usable cores, for a bug report; or runs a command.",
        epilog=parmap.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(title="commands", metavar="COMMAND")
    for command, (module, does) in COMMANDS.items():
        of_command = commands.add_parser(command, help=does, description=does[0].upper() + does[1:] + ".")
        if command == name:
            found = importlib.import_module(f"parmap.{module}")
            found.add_arguments(of_command)
            of_command.set_defaults(run=found.run)
    return made


def main(words: list[str]) -> int:
    arguments = parser_of(words[0] if words else None).parse_args(words)
    if hasattr(arguments, "run"):
        return int(arguments.run(arguments))
    print(f"parmap {parmap.__version__}, Python {platform.python_version()}, {platform.platform()}")
    print("engines:", ", ".join(parmap.ENGINES))
    if parmap._pure is None:
        from parmap import _parmap

        print("cores:", _parmap.usable_cores())
    else:
        from parmap import implementation

        print("cores:", implementation._cores())
        print(f"form: pure Python, because {parmap._pure}")
        print(f"workers of multi: by {implementation._START}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
