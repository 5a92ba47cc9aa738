#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the pictures of terminals in the documents, of maps and of the examples: docs/pictures/*.svg.

Runs programs under a pseudo-terminal and draws what they printed. Run it with build/python/venv/bin/python; it needs g++.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
COLUMNS = 96
PYTHON = """
import time
from parmap import parmap

def simulate(x):
    time.sleep(0.02)
    if x == 37:
        raise ValueError(f"did not converge from {x}")
    return x

results = parmap(simulate, range(200))
""".strip()
NATIVE = """
#include <parmap/parmap.hpp>
#include <chrono>
#include <ranges>
#include <thread>

int main() {
  const auto slow = [](int x) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); return x; };
  return parmap::map(slow, std::views::iota(0, 400)).ok() ? 0 : 1;
}
"""


def under_terminal(command, directory):
    """Return what the command writes to a terminal that is COLUMNS wide."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(directory)
        os.execve(command[0], command, os.environ | {"TERM": "xterm", "PYTHONWARNINGS": "default"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    written = bytearray()
    try:
        while data := os.read(terminal, 4096):
            written.extend(data)
    except OSError:  # the program has ended
        os.waitpid(child, 0)
    return written.decode().replace(directory + "/", "")  # as if the program lay in the home directory


def compiled(source, directory):
    """Compile an example (a path) or the text of a program; return the program's path."""
    program = os.path.join(directory, "program")
    command = ["g++", "-std=c++20", "-O1", "-pthread", f"-I{ROOT / 'include'}", f"-I{ROOT / 'examples'}", "-x", "c++"]
    if isinstance(source, Path):
        subprocess.run([*command, source, "-o", program], check=True)
    else:
        subprocess.run([*command, "-", "-o", program], input=source, text=True, check=True)
    return program


def screens(written):
    """Return every state of the screen, each as a list of lines."""
    lines, all_of_them = [""], []
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.replace("\r\n", "\n"))  # each line is overwritten as a whole, so escapes can go
    for piece in plain.split("\r"):
        first, *more = piece.split("\n")
        if first:
            lines[-1] = first
        lines += more
        all_of_them.append(list(lines))
    return all_of_them


def draw(name, lines):
    width, height = 8.43, 19
    # tqdm fills every column. A line that is too long for the terminal continues on the next one.
    lines = [part for line in lines for part in ([line[k : k + COLUMNS] for k in range(0, len(line), COLUMNS)] or [""])]
    size = (int(COLUMNS * width) + 24, len(lines) * height + 24)
    text = "\n".join(
        f'<text x="12" y="{12 + (k + 0.75) * height:.0f}" xml:space="preserve" textLength="{len(line) * width:.0f}">{escape(line)}</text>'
        for k, line in enumerate(lines) if line.strip()
    )  # fmt: skip
    (PICTURES / name).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace"'
        f' font-size="14" fill="#e6e6e6">\n<rect width="100%" height="100%" rx="6" fill="#1e1e1e"/>\n{text}\n</svg>\n',
        encoding="utf-8",
    )


def seen(command, directory):
    """Return every screen that is not empty."""
    screens_of_it = screens(under_terminal(command, directory))
    return [[line.rstrip() for line in screen] for screen in screens_of_it if any(line.strip() for line in screen)]


def of_a_bar(all_of_them):
    """Return a screen with a bar at about two thirds."""
    bars = [screen for screen in all_of_them if "%" in screen[-1] and "100%" not in screen[-1]]
    return bars[len(bars) * 2 // 3]


def main():
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        Path(work, "sweep.py").write_text(PYTHON + "\n", encoding="utf-8")
        all_of_them = seen([sys.executable, "sweep.py"], work)
        draw("bar.svg", ["$ python sweep.py", *of_a_bar(all_of_them)])
        draw("warning.svg", ["$ python sweep.py", *(line for line in all_of_them[-1] if line)])
        draw("bar-cpp.svg", ["$ ./sweep", *of_a_bar(seen([compiled(NATIVE, work)], work))])
        for name, example in (("failures", "sweep"), ("demo", "tutorial")):
            last = seen([compiled(ROOT / "examples" / f"{example}.cpp", work)], work)[-1]
            draw(f"{name}.svg", [f"$ ./{example}", *last])
    return 0


if __name__ == "__main__":
    sys.exit(main())
