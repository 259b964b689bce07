"""The text of a dump in lsmkv's own form: JSON lines that notice when one of them is missing or changed.

    {"lsmkv_dump": 1, "key_codec": "str", "value_codec": "bytes"}
    {"key": "a", "value": "1"}                  a pair, in key order
    {"key_base64": "/wA=", "value": ""}         bytes that are not UTF-8
    {"key": "t", "value": "", "expires_ns": 1790000000123456789}      gone from then on: nanoseconds since 1970
    {"namespace": "users", "key_codec": "i64", "value_codec": "json", "ttl": 3600.5}      what follows is in it
    {"pairs": 3, "crc32": "0c3a9c57"}           the end: how many, and a CRC-32 of every line above

Codecs are named, and the pairs are the bytes that lie in the store.

In a program a dump is its lines in their order, without the end: a Space, and then (key, value, expires_ns) after it.
"""

from __future__ import annotations

import json
from collections import namedtuple
from zlib import crc32

from lsmkv.cli.output import dumps
from lsmkv.cli.readers import checked, field, wording
from lsmkv.cli.writers import jsonl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias

    Entry: TypeAlias = tuple[bytes, bytes, int | None]
    Lines: TypeAlias = Iterable[Any]  # of Space | Entry


FIRST = b'{"lsmkv_dump": '

# name: None for the default key space. key, value: codecs. ttl: seconds a key of a namespace lives by default, or None
Space = namedtuple("Space", "name key value ttl")


class Malformed(ValueError):
    """A line of a dump that makes no sense."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line, self.reason = line, reason


def write(content: Lines) -> Iterator[bytes]:
    """The lines of a dump; the default key space comes first."""
    _, line_of = jsonl("utf8", "utf8")
    checksum = number = 0
    for one in content:
        if isinstance(one, Space):
            line = head(one)
        else:
            line = pair_line(line_of, *one)
            number += 1
        checksum = crc32(line, checksum)
        yield line
    yield b'{"pairs": %d, "crc32": "%08x"}\n' % (number, checksum)


def head(space: Space) -> bytes:
    codecs = {"key_codec": space.key, "value_codec": space.value}
    if space.name is None:
        return dumps({"lsmkv_dump": 1, **codecs}) + b"\n"
    return dumps({"namespace": space.name, **codecs, "ttl": space.ttl}) + b"\n"


def pair_line(line_of: Callable[[bytes, bytes], bytes], key: bytes, value: bytes, expires_ns: int | None) -> bytes:
    line = line_of(key, value)
    return line if expires_ns is None else line[:-2] + b', "expires_ns": %d}\n' % expires_ns


def read(lines: Iterable[bytes]) -> Iterator[Any]:
    """What a dump's lines hold; Malformed when one is wrong, missing or changed."""
    numbered = enumerate(lines, 1)
    checksum = number = at = 0
    for at, line in numbered:
        row = parsed(at, line)
        if at == 1:
            yield first_space(row)
        elif "pairs" in row:
            compare(at, row, number, checksum)
            nothing_follows(at, numbered)
            return
        elif "namespace" in row:
            yield space(at, row)
        else:
            number += 1
            yield pair(at, row)
        checksum = crc32(line, checksum)
    raise Malformed(at + 1, "the dump ends before its last line, so some of it is missing")


def parsed(at: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Malformed(at, f"not JSON: {wording(error)}") from None
    if not isinstance(row, dict):
        raise Malformed(at, "the line is not a JSON object")
    return row


def first_space(row: dict[str, Any]) -> Space:
    if row.get("lsmkv_dump") != 1:
        raise Malformed(1, f"a dump of version {row.get('lsmkv_dump')}, and this lsmkv reads version 1")
    key, value = row.get("key_codec"), row.get("value_codec")
    if not (isinstance(key, str) and isinstance(value, str)):
        raise Malformed(1, "the head names no codecs")
    return Space(None, key, value, None)


def space(at: int, row: dict[str, Any]) -> Space:
    found = Space(row["namespace"], row.get("key_codec"), row.get("value_codec"), row.get("ttl"))
    if not all(isinstance(word, str) for word in found[:3]):
        raise Malformed(at, "a namespace has a name and two codecs, each of them text")
    if found.ttl is not None and not (is_number(found.ttl) and found.ttl > 0):
        raise Malformed(at, "the ttl of a namespace is a number of seconds above 0, or null")
    return found


def is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def pair(at: int, row: dict[str, Any]) -> Entry:
    expires_ns = row.get("expires_ns")
    try:
        key, value = checked(field(row, "key", "key", "utf8"), field(row, "value", "value", "utf8"))
    except ValueError as error:
        raise Malformed(at, str(error)) from None
    if expires_ns is not None and not (type(expires_ns) is int and 0 < expires_ns < 1 << 63):
        raise Malformed(at, "expires_ns is a number of nanoseconds since 1970")
    return key, value, expires_ns


def compare(at: int, row: dict[str, Any], number: int, checksum: int) -> None:
    if row["pairs"] != number:
        raise Malformed(at, f"the dump counts {row['pairs']} pairs, and {number} are there")
    if row.get("crc32") != f"{checksum:08x}":
        raise Malformed(at, f"the CRC-32 is {checksum:08x}, and the dump says {row.get('crc32')}: it was changed")


def nothing_follows(at: int, lines: Iterable[tuple[int, bytes]]) -> None:
    if any(line.strip() for _, line in lines):
        raise Malformed(at + 1, "more lines follow the end of the dump")
