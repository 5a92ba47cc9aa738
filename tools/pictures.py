#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the README's pictures of what a map in Python shows on a terminal: docs/pictures/*.svg.

Runs a program under a pseudo-terminal and draws what it printed. Run it by build/python/venv/bin/python.
"""

import fcntl
import os
import pty
import struct
import sys
import tempfile
import termios
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
COLUMNS = 96
PROGRAM = """
import time
from parmap import parmap

def simulate(x):
    time.sleep(0.02)
    if x == 37:
        raise ValueError(f"did not converge from {x}")
    return x

results = parmap(simulate, range(200))
""".strip()


def run(program):
    """What it writes to a terminal that is COLUMNS wide."""
    with tempfile.TemporaryDirectory() as work:
        Path(work, "sweep.py").write_text(program + "\n", encoding="utf-8")
        written = run_there(work)
    return written.replace(work + "/", "")  # as if it lay in the home directory


def run_there(work):
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(work)
        os.execve(sys.executable, [sys.executable, "sweep.py"], os.environ | {"TERM": "xterm", "PYTHONWARNINGS": "default"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    written = bytearray()
    try:
        while data := os.read(terminal, 4096):
            written.extend(data)
    except OSError:  # the program has ended
        os.waitpid(child, 0)
    return written.decode()


def screens(written):
    """Every state of the screen, a list of lines each."""
    lines, all_of_them = [""], []
    for piece in written.replace("\r\n", "\n").replace("\x1b[A", "").split("\r"):
        first, *more = piece.split("\n")
        if first:
            lines[-1] = first
        lines += more
        all_of_them.append(list(lines))
    return all_of_them


def draw(name, lines):
    width, height = 8.43, 19
    # tqdm leaves no column empty; what is too long for a terminal goes on in the next line.
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


def main():
    PICTURES.mkdir(exist_ok=True)
    seen = [[line.rstrip() for line in screen] for screen in screens(run(PROGRAM)) if any(line.strip() for line in screen)]
    prompt = "$ python sweep.py"
    bars = [screen for screen in seen if "%|" in screen[-1] and "100%" not in screen[-1]]
    draw("bar.svg", [prompt, *bars[len(bars) * 2 // 3]])
    draw("warning.svg", [prompt, *(line for line in seen[-1] if line)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
