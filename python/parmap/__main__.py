# SPDX-License-Identifier: MIT
"""python -m parmap [--help]: prints version, engines and cores for a bug report, or how to use the package."""

import argparse
import platform

import parmap

arguments = argparse.ArgumentParser(
    prog="python -m parmap",
    description="Prints the version, the engines and the number of usable cores, for a bug report.",
    epilog=parmap.__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
)
if __name__ == "__main__":
    arguments.parse_args()
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
