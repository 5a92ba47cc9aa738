# SPDX-License-Identifier: MIT
"""python -m parmap: prints version, engines and cores, for a bug report."""

import platform

import parmap
from parmap import _parmap

print(f"parmap {parmap.__version__}, Python {platform.python_version()}, {platform.platform()}")
print("engines:", ", ".join(parmap.ENGINES))
print("cores:", _parmap.usable_cores())
