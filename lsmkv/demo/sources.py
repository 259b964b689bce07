"""Two real data sets that are on every machine with Python.

    name/SNOWMAN -> {"code":"U+2603","category":"So","bidi":"ON","width":"N"}
    char/002603  -> SNOWMAN
    word/heappush asyncio/base_events.py:01918 -> heapq.heappush(self._scheduled, timer)

A space comes before every character of a word, so the postings of one word lie together.
"""

from __future__ import annotations

import os
import re
import sysconfig
import unicodedata
from collections.abc import Iterator

from lsmkv.demo.ledger import Pair

WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]+")
LINE_MAX = 80  # of a source line, this much is stored
SKIPPED = {"site-packages", "dist-packages", "__pycache__"}


def characters(limit: int) -> Iterator[tuple[int, str]]:
    """(code point, name) of every named character below limit."""
    for code in range(limit):
        name = unicodedata.name(chr(code), None)
        if name is not None:
            yield code, name


def character_pairs(code: int, name: str) -> tuple[Pair, Pair]:
    """The two pairs of a character: by its name, and by its code."""
    char = chr(code)
    kinds = unicodedata.category(char), unicodedata.bidirectional(char), unicodedata.east_asian_width(char)
    about = f'{{"code":"U+{code:04X}","category":"{kinds[0]}","bidi":"{kinds[1]}","width":"{kinds[2]}"}}'
    return (b"name/" + name.encode(), about.encode()), (b"char/%06X" % code, name.encode())


def library() -> tuple[str, list[str]]:
    """The folder of the running Python's standard library, and its source files: the library first, its tests last."""
    root = sysconfig.get_path("stdlib")
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        inside = os.path.relpath(folder, root)
        for name in sorted(files):
            if name.endswith(".py"):
                found.append(os.path.normpath(os.path.join(inside, name)))
    found.sort(key=lambda name: ("test" in name.split(os.sep) or "tests" in name.split(os.sep), name))
    return root, found


def postings(root: str, name: str, shown: str | None = None) -> list[Pair]:
    """[(key, value)] for every word on every line of a file; `shown` is the file's name in the keys."""
    try:
        with open(os.path.join(root, name), "rb") as source:
            lines = source.read().splitlines()
    except OSError:
        return []
    where = os.fsencode(shown or name)
    pairs = []
    for number, line in enumerate(lines, 1):
        words = set(WORD.findall(line))
        if words:
            value, suffix = line.strip()[:LINE_MAX], b" %b:%05d" % (where, number)
            pairs.extend([(b"word/" + word + suffix, value) for word in words])
    return pairs
