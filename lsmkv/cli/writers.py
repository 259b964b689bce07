"""Pairs as lines of a file, without loss: what is not plain text in the format is base64 and marked as such.

jsonl  {"key": "a", "value_base64": "/wA="}
csv    key,value,base64      the third cell names the cells that are base64: "", "key", "value", "key value"
tsv    the same with tabs and without quotes, so tabs and line ends are base64 too
"""

from __future__ import annotations

import re
from json.encoder import encode_basestring

from lsmkv.cli import formats
from lsmkv.cli.output import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Line: TypeAlias = Callable[[bytes, bytes], bytes]
    Writer: TypeAlias = tuple[bytes, Line]  # the first line of the file, and what makes a line of a pair


PLAIN = ("utf8", "raw")
QUOTED = re.compile(r'[",\r\n]|^\s|\s$|^$')


def jsonl(key_format: str, value_format: str) -> Writer:
    if key_format in PLAIN and value_format in PLAIN:
        return b"", plain_line

    def line(key: bytes, value: bytes) -> bytes:
        fields = {**formats.field("key", key_format, key), **formats.field("value", value_format, value)}
        return dumps(fields) + b"\n"

    return b"", line


def plain_line(key: bytes, value: bytes) -> bytes:
    """What the general way writes for text and bytes, several times as fast."""
    return f"{{{member('key', key)}, {member('value', value)}}}\n".encode()


def member(name: str, data: bytes) -> str:
    try:
        return f'"{name}": {encode_basestring(data.decode())}'
    except UnicodeDecodeError:
        return f'"{name}_base64": "{formats.to_base64(data)}"'


def csv(key_format: str, value_format: str) -> Writer:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if QUOTED.search(text) else text

    return b"key,value,base64\n", marked(key_format, value_format, b",", b"\0", cell)


def tsv(key_format: str, value_format: str) -> Writer:
    return b"key\tvalue\tbase64\n", marked(key_format, value_format, b"\t", b"\0\t\r\n", str)


def marked(
    key_format: str, value_format: str, delimiter: bytes, banned: bytes, cell: Callable[[str], str]
) -> Callable[[bytes, bytes], bytes]:
    odd = re.compile(b"[" + re.escape(banned) + b"]")

    def text(name: str, what: str, data: bytes) -> tuple[str, bool]:
        """(text, whether it is base64)"""
        if name not in ("utf8", "raw"):
            return formats.show(name, data, what=what).decode(), False
        if not odd.search(data):
            try:
                return data.decode(), False
            except UnicodeDecodeError:
                pass
        return formats.to_base64(data), True

    def line(key: bytes, value: bytes) -> bytes:
        (shown_key, odd_key), (shown, odd_value) = text(key_format, "key", key), text(value_format, "value", value)
        marks = " ".join(name for name, marked in (("key", odd_key), ("value", odd_value)) if marked)
        return delimiter.join([cell(shown_key).encode(), cell(shown).encode(), marks.encode()]) + b"\n"

    return line


BY_NAME = {"jsonl": jsonl, "csv": csv, "tsv": tsv}
