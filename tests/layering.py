#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that every #include of parmap's headers and sources goes to a lower layer: layering.py PROJECT

A place (a folder of detail/, or a public header) may include itself and places in lower layers. The bodies of a
header (NAME.inl.hpp) belong to the folder they lie in; a public header may include its own. Systems are told apart
in detail/system/ only, and where the engines that fork are left out. Prints every line that breaks a rule.
"""

import re
import sys
from pathlib import Path

#: From the lowest layer up. A name that ends in / is a folder of detail/; any other is a header.
LAYERS = (
    ("version", "detail/this_system"),
    ("detail/config", "detail/needs_64_bit_linux"),
    ("philox", "fargs", "option_text", "detail/encoding/", "detail/system/"),
    ("context", "encoding", "part", "detail/schedule/"),
    ("codec", "progress", "detail/space/"),
    ("axis", "cereal", "eigen", "options", "product", "detail/progress/"),
    ("failure",),
    ("outcome", "summary"),
    ("detail/observers/",),
    ("results",),
    ("detail/results/", "reduction"),
    ("detail/traces/",),
    ("detail/streams/", "store"),
    ("detail/stores/",),
    ("detail/checkpoints/",),
    ("detail/threads/", "detail/processes/", "detail/coroutines/"),
    ("detail/pools/",),
    ("engine/engine",),
    ("engine/serial", "engine/threads", "engine/multi"),
    ("engine/default",),
    ("future",),
    ("engine/pool",),
    ("engine/named", "map"),
    ("detail/cluster/", "detail/reduction/"),
    ("map_into", "map_reduce", "async", "stream", "checkpoint", "mpi"),
    ("parmap",),
)  # fmt: skip

#: Allowed includes within a layer or upwards, each with its reason.
EXCEPTIONS = {
    ("results", "detail/results/"),  # results<T> is made of the memory and the view of its folder
    ("failure", "detail/results/"),  # its bodies
    ("summary", "detail/results/"),  # its bodies
    ("options", "detail/results/"),  # its bodies
    ("part", "detail/space/"),  # its bodies
    ("store", "detail/stores/"),  # what the interface is about
}

#: Where the system may be asked for.
ASKS_FOR_SYSTEM = ("detail/this_system", "detail/needs_64_bit_linux", "detail/system/", "engine/default", "detail/reduction/reduce_on", "parmap")
SYSTEM = re.compile(r"\b(PARMAP_(LINUX|MACOS|WINDOWS)|__linux__|__APPLE__|_WIN32)\b")

INCLUDE = re.compile(r"^\s*#\s*include\s*<parmap/([^>]+)\.hpp>")


def place_of(name: str) -> str:
    """Return the folder or public header to which a path below include/parmap (without its suffix) belongs."""
    parts = name.split("/")
    return "/".join(parts[:2]) + "/" if parts[0] == "detail" and len(parts) > 2 else name


def main(project: str) -> int:
    include = Path(project) / "include" / "parmap"
    layer = {place: number for number, places in enumerate(LAYERS) for place in places}
    files = [(path, str(path.relative_to(include)).removesuffix(".hpp")) for path in sorted(include.rglob("*.hpp"))]
    files += [(path, f"detail/{path.stem}/source") for path in sorted((Path(project) / "src").glob("*.cpp"))]
    wrong = 0
    for path, name in files:
        place = place_of(name)
        if place not in layer:
            print(f"{path}: {place} is in no layer; add it to LAYERS")
            wrong += 1
            continue
        may_ask = name in ASKS_FOR_SYSTEM or place in ASKS_FOR_SYSTEM or name.endswith("/source")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if SYSTEM.search(line) and not may_ask:
                print(f"{path}:{number}: only a header of detail/system/ asks for the system")
                wrong += 1
            found = INCLUDE.match(line)
            if not found:
                continue
            other = place_of(found[1])
            if other not in layer:
                print(f"{path}:{number}: {other} is in no layer; add it to LAYERS")
                wrong += 1
            elif other != place and layer[other] >= layer[place] and (place, other) not in EXCEPTIONS:
                print(f"{path}:{number}: {place} (layer {layer[place]}) includes {other} (layer {layer[other]})")
                wrong += 1
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
