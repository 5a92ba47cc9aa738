#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that links have a target: links.py ROOT HTML

Checks links in the project's Markdown to files of the project, and links in the built documents to their pages, headings and pictures.
Links to other hosts are not followed.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


class Page(HTMLParser):
    """The links of a page, and its anchors, to which links can refer."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.names = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            if name in ("id", "name") and value:
                self.names.add(value)


def ours(link: str) -> bool:
    parts = urlsplit(link)
    return not parts.scheme and not parts.netloc


def bad_in_markdown(root: Path):
    names = [path.relative_to(root) for path in root.rglob("*.md")]
    for name in names:
        if name.parts[0] == "build" or name.parts[0].startswith("."):
            continue
        text = CODE.sub("", (root / name).read_text(encoding="utf-8"))
        for link in filter(ours, LINK.findall(text)):
            path = unquote(urlsplit(link).path)
            if path and not ((root / name).parent / path).exists():
                yield f"{name}: there is no {link}"


def bad_in_html(html: Path):
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in html.rglob("*.html")}
    for path, page in pages.items():
        for link in filter(ours, sorted(page.links)):
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                yield f"{path.relative_to(html)}: there is no {link}"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].names:
                yield f"{path.relative_to(html)}: {link} has no such heading"


def main() -> int:
    root, html = (Path(argument).resolve() for argument in sys.argv[1:])
    bad = [*bad_in_markdown(root), *bad_in_html(html)]
    print("\n".join(bad) or "Every link leads somewhere.")
    return 1 if bad else 0


sys.exit(main())
