"""The text of Berkeley DB's db_dump and LMDB's mdb_dump.

    VERSION=3
    format=bytevalue         or print: printable ASCII as it is, other bytes as \\hh, a backslash as \\\\
    type=btree
    mapsize=1048576          LMDB only: the size mdb_load gives the map it makes
    HEADER=END
     6170706c65              a space, then the key in hex; the next line is its value
     726564
    DATA=END

A dump of several databases is several of these, each with a database=NAME line.
"""

from __future__ import annotations

import re
from binascii import Error as NotHex
from binascii import unhexlify

from lsmkv.cli.dumpfile import Malformed
from lsmkv.cli.readers import checked
from lsmkv.report.numbers import plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias

    Pairs: TypeAlias = Iterable[tuple[bytes, bytes]]

    Numbered: TypeAlias = Iterator[tuple[int, bytes]]


FIRST = b"VERSION="
LMDB_KEY_MAX = 511
PAGE, PAGE_HEAD = 4096, 16
ESCAPE = re.compile(rb"\\(\\|[0-9a-fA-F]{2})?")


class Measure:
    """What LMDB will make of a store: the pages it needs at most, and the keys it will not take."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = self.refused = leaf = pages = 0
        self.first_refused: bytes | None = None
        for key, value in pairs:
            self.pairs += 1
            if not 0 < len(key) <= LMDB_KEY_MAX:
                self.refused += 1
                self.first_refused = key if self.first_refused is None else self.first_refused
            leaf += 16 + len(key) + min(len(value), PAGE)
            pages += (len(value) + PAGE_HEAD) // PAGE + 1 if len(value) > PAGE // 8 else 0
        self.map_bytes = -(-(pages * PAGE + 4 * leaf + (16 << 20)) // (1 << 20)) << 20

    def warning(self) -> str | None:
        """What to say about keys that LMDB refuses, or None."""
        if self.first_refused is None:
            return None
        length = len(self.first_refused)
        return (
            f"{plural(self.refused, 'key')} will be refused by mdb_load, the first of them with "
            f"{plural(length, 'byte')}: LMDB takes keys of 1 to {LMDB_KEY_MAX} bytes. "
            "The dump is complete; db_load and lsmkv load take it"
        )


def write(pairs: Pairs, map_bytes: int) -> Iterator[bytes]:
    yield b"VERSION=3\nformat=bytevalue\ntype=btree\nmapsize=%d\nHEADER=END\n" % map_bytes
    for key, value in pairs:
        yield b" %b\n %b\n" % (key.hex().encode(), value.hex().encode())
    yield b"DATA=END\n"


def read(lines: Iterator[bytes], database: str | None = None) -> Iterator[tuple[bytes, bytes]]:
    """The pairs of a dump's lines, or of the database of that name among several; Malformed where one is wrong."""
    numbered = enumerate(lines, 1)
    taken, names = False, []
    for head in heads(numbered):
        name = head.get("database")
        names.append(name or "(no name)")
        if database is not None and name != database:
            skip_data(numbered)
        elif taken:
            raise Malformed(head["line"], f"another database, {name}: choose one with --database NAME")
        else:
            taken = True
            yield from data(numbered, head)
    if not taken:
        found = f"no database {database!r} (there are: {', '.join(names)})" if names else "no database"
        raise Malformed(1, f"{found} in this dump")


def heads(numbered: Numbered) -> Iterator[Any]:
    """The head of each database; between two, whoever asked has read the data."""
    head: dict[str, Any] = {}
    at = 0
    for at, line in numbered:
        text = line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
        if text == "HEADER=END":
            yield supported(head | {"line": at})
            head = {}
        elif "=" in text:
            name, _, value = text.partition("=")
            head[name] = value
        elif text.strip():
            raise Malformed(at, "the head of a dump has lines like type=btree, and ends with HEADER=END")
    if head:
        raise Malformed(at, "the dump ends inside its head")


def supported(head: dict[str, Any]) -> dict[str, Any]:
    for name, known in (("VERSION", ("3",)), ("format", ("bytevalue", "print")), ("type", ("btree", "hash"))):
        if head.get(name) not in known:
            raise Malformed(head["line"], f"{name}={head.get(name, '')} is not {' or '.join(known)}")
    return head


def data(numbered: Numbered, head: dict[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    decode: Callable[[bytes], bytes] = unhexlify if head["format"] == "bytevalue" else unescape
    key = before = None
    at: int = head["line"]
    for at, line in numbered:
        line = line.rstrip(b"\r\n")
        if line == b"DATA=END":
            if key is not None:
                raise Malformed(at, "the last key has no value")
            return
        item = decoded(at, line, decode)
        if key is None:
            if item == before:
                raise Malformed(at, "the same key again: lsmkv keeps one value a key")
            key = before = item
        else:
            yield fitting(at, key, item)
            key = None
    raise Malformed(at + 1, "the dump ends without DATA=END, so some of it is missing")


def decoded(at: int, line: bytes, decode: Callable[[bytes], bytes]) -> bytes:
    if line[:1] != b" ":
        raise Malformed(at, "lines of data begin with a space")
    try:
        return decode(line[1:])
    except NotHex as error:
        raise Malformed(at, f"not bytes in hex: {str(error).lower()}") from None
    except ValueError as error:
        raise Malformed(at, str(error)) from None


def unescape(text: bytes) -> bytes:
    return ESCAPE.sub(unescape_one, text) if b"\\" in text else text


def unescape_one(found: re.Match[bytes]) -> bytes:
    body: bytes | None = found[1]
    if body is None:
        raise ValueError("a backslash that begins no escape; was it mdb_dump -p? Dump again without -p")
    return body if body == b"\\" else unhexlify(body)


def fitting(at: int, key: bytes, value: bytes) -> tuple[bytes, bytes]:
    try:
        return checked(key, value)
    except ValueError as error:
        raise Malformed(at, str(error)) from None


def skip_data(numbered: Numbered) -> None:
    for _, line in numbered:
        if line.rstrip(b"\r\n") == b"DATA=END":
            return
