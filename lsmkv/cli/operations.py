"""Lines as operations: ("put", key, value), ("delete", key), ("delete-range", start, stop), or a BadLine."""

from __future__ import annotations

import json
import os

from lsmkv.cli import formats
from lsmkv.cli.readers import BadLine, checked, field, wording
from lsmkv.cli.words import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO


WORDS = {
    "put": "put",
    "insert": "put",
    "set": "put",
    "delete": "delete",
    "rm": "delete",
    "delete-range": "delete-range",
}
TAKES = {"put": "a key and a value", "delete": "a key", "delete-range": "the first key and the one to stop before"}


def operations(form: str, source: BinaryIO, key_format: str, value_format: str) -> Iterator[Any]:
    """An operation or a BadLine for each line of a binary file; empty lines and comments are skipped."""
    read = from_object if form == "jsonl" else from_words
    for number, line in enumerate(source, 1):
        try:
            operation = read(line.rstrip(b"\r\n"), key_format, value_format)
        except json.JSONDecodeError as error:
            yield BadLine(number, f"not JSON: {error.msg} at column {error.colno}")
        except (ValueError, RecursionError) as error:
            yield BadLine(number, wording(error))
        else:
            if operation is not None:
                yield operation


def from_words(line: bytes, key_format: str, value_format: str) -> tuple[Any, ...] | None:
    words = split(os.fsdecode(line))
    if not words or words[0].startswith("#"):
        return None
    kind = known(words[0])
    if len(words) != (2 if kind == "delete" else 3):
        there = len(words) - 1
        raise ValueError(
            f"{words[0]} takes {TAKES[kind]}; {there or 'no'} {'word follows' if there == 1 else 'words follow'}"
            + (" (quote what holds spaces)" if there > 2 else "")
        )
    key = formats.parse(key_format, os.fsencode(words[1]))
    if kind == "put":
        return kind, *checked(key, formats.parse(value_format, os.fsencode(words[2]), "value"))
    if kind == "delete":
        return kind, key
    return kind, key, formats.parse(key_format, os.fsencode(words[2]))


def from_object(line: bytes, key_format: str, value_format: str) -> tuple[Any, ...] | None:
    if not line.strip():
        return None
    row = json.loads(line.decode().removeprefix("\ufeff"))
    if not isinstance(row, dict):
        raise ValueError("the line is not a JSON object")
    kind = known(row.get("op", "put"))
    if kind == "put":
        return kind, *checked(field(row, "key", "key", key_format), field(row, "value", "value", value_format))
    if kind == "delete":
        return kind, field(row, "key", "key", key_format)
    return kind, bound(row, "start", key_format), bound(row, "stop", key_format)


def bound(row: dict[str, Any], name: str, key_format: str) -> bytes | None:
    """One end of a range. null leaves it open; a field that is missing is a mistake and not an open end."""
    return None if name in row and row[name] is None else field(row, name, "key", key_format)


def known(word: Any) -> str:
    kind = WORDS.get(word) if isinstance(word, str) else None
    if kind is None:
        raise ValueError(f"there is no operation {formats.shorten(str(word))!r}: it is put, delete or delete-range")
    return kind
