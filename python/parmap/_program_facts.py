# SPDX-License-Identifier: MIT
"""What a checkpoint keeps of the program that writes it: the command line, and the commit of the working directory."""

from __future__ import annotations

import os
import shlex
import sys


def command_line() -> str:
    return shlex.join(sys.orig_argv)[:4096]


def git_commit() -> str | None:
    """Of the working directory, without running git."""
    at = os.getcwd()
    while not os.path.exists(os.path.join(at, ".git")):
        if (above := os.path.dirname(at)) == at:
            return None
        at = above
    folder = os.path.join(at, ".git")
    try:
        if os.path.isfile(folder):
            with open(folder, encoding="utf-8") as file:
                folder = os.path.join(at, file.read().removeprefix("gitdir: ").strip())
        with open(os.path.join(folder, "HEAD"), encoding="utf-8") as file:
            head = file.read().strip()
        if not head.startswith("ref: "):
            return head
        common = folder
        if os.path.exists(os.path.join(folder, "commondir")):
            with open(os.path.join(folder, "commondir"), encoding="utf-8") as file:
                common = os.path.join(folder, file.read().strip())
        name = head.removeprefix("ref: ")
        if os.path.exists(os.path.join(common, name)):
            with open(os.path.join(common, name), encoding="utf-8") as file:
                return file.read().strip()
        with open(os.path.join(common, "packed-refs"), encoding="utf-8") as file:
            return next((line.split()[0] for line in file if line.split()[1:] == [name]), None)
    except (OSError, UnicodeError):
        return None
