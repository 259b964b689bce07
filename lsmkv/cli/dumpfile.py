"""The text of a dump in lsmkv's own form: JSON lines that notice when one of them is missing or changed.

    {"lsmkv_dump": 1, "key_codec": "str", "value_codec": "bytes"}
    {"key": "a", "value": "1"}                  a pair, in key order
    {"key_base64": "/wA=", "value": ""}         bytes that are not UTF-8
    {"pairs": 2, "crc32": "0c3a9c57"}           the end: how many, and a CRC-32 of every line above

Codecs are named, and the pairs are the bytes that lie in the store.
"""

from __future__ import annotations

import json
from zlib import crc32

from lsmkv.cli.output import dumps
from lsmkv.cli.readers import checked, field, wording
from lsmkv.cli.writers import jsonl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

    Pairs: TypeAlias = Iterable[tuple[bytes, bytes]]


FIRST = b'{"lsmkv_dump": '


class Malformed(ValueError):
    """A line of a dump that makes no sense."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line, self.reason = line, reason


def write(pairs: Pairs, codecs: Mapping[str, str]) -> Iterator[bytes]:
    """The lines for (key, value) pairs in key order, of a store with these codecs ({"key": name, "value": name})."""
    _, line_of = jsonl("utf8", "utf8")
    head = dumps({"lsmkv_dump": 1, "key_codec": codecs["key"], "value_codec": codecs["value"]}) + b"\n"
    checksum, number = crc32(head), 0
    yield head
    for key, value in pairs:
        line = line_of(key, value)
        checksum = crc32(line, checksum)
        number += 1
        yield line
    yield b'{"pairs": %d, "crc32": "%08x"}\n' % (number, checksum)


def read(lines: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The pairs of a dump's lines; Malformed when one is wrong, missing or changed."""
    checksum = number = at = 0
    for at, line in enumerate(lines, 1):
        row = parsed(at, line)
        if at == 1:
            codecs(line)
        elif "pairs" in row:
            compare(at, row, number, checksum)
            nothing_follows(at, lines)
            return
        else:
            number += 1
            try:
                yield checked(field(row, "key", "key", "utf8"), field(row, "value", "value", "utf8"))
            except ValueError as error:
                raise Malformed(at, str(error)) from None
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


def codecs(line: bytes) -> dict[str, str]:
    """{"key": name, "value": name} from the head of a dump."""
    row = parsed(1, line)
    if row.get("lsmkv_dump") != 1:
        raise Malformed(1, f"a dump of version {row.get('lsmkv_dump')}, and this lsmkv reads version 1")
    key, value = row.get("key_codec"), row.get("value_codec")
    if not (isinstance(key, str) and isinstance(value, str)):
        raise Malformed(1, "the head names no codecs")
    return {"key": key, "value": value}


def compare(at: int, row: dict[str, Any], number: int, checksum: int) -> None:
    if row["pairs"] != number:
        raise Malformed(at, f"the dump counts {row['pairs']} pairs, and {number} are there")
    if row.get("crc32") != f"{checksum:08x}":
        raise Malformed(at, f"the CRC-32 is {checksum:08x}, and the dump says {row.get('crc32')}: it was changed")


def nothing_follows(at: int, lines: Iterator[bytes]) -> None:
    if any(line.strip() for line in lines):
        raise Malformed(at + 1, "more lines follow the end of the dump")
