"""Keys and values as a person types and reads them.

utf8    the text itself. Bytes that are not UTF-8 pass through unchanged; a terminal shows them as \\xNN
raw     the bytes themselves, on a terminal too
hex     two digits a byte                    ff00
base64  as in RFC 4648                       /wA=
json    a JSON text, stored compactly        {"a":1}
i64     a number in 8 bytes that sort as the numbers do: big-endian, sign bit flipped
u64     the same without a sign

A key codec that none of these is for is a format of its own, by its name: lsmkv/cli/typed.py. "FORMAT CODEC" is a
format for keys that are to be stored: it takes only what is a key of that codec.
"""

from __future__ import annotations

import os

from lsmkv.cli.exits import DataError, UsageError
from lsmkv.report.text import cut, escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


NAMES = ("utf8", "hex", "base64", "json", "i64", "u64", "raw")
OFFSET = {"i64": 1 << 63, "u64": 0}


def parse(name: str, given: Any, what: str = "key") -> bytes:
    """Bytes from what was typed, or from a field of an imported row. ValueError says what is wrong."""
    name, _, codec = name.partition(" ")
    if codec:
        return checked(codec, parse(name, given, what), given, what)
    if isinstance(given, bytes):
        if name in ("utf8", "raw"):
            return given
        given = os.fsdecode(given)
    if name not in NAMES:
        return typed_key(name, given, what)
    if name == "json":
        return compact_json(given)
    if not isinstance(given, str):  # a number or an object in an imported row
        if name not in OFFSET:
            given = dump(given)
        elif isinstance(given, bool | float | list | dict | None):
            raise ValueError(f"the {what} {escape(dump(given).encode())} is not a whole number ({name})")
    if name in ("utf8", "raw"):
        return str(given).encode("utf-8", "surrogateescape")
    if name in OFFSET:
        return pack(name, given, what)
    try:
        return bytes.fromhex(given) if name == "hex" else from_base64(given)
    except ValueError as error:
        raise ValueError(f"the {what} '{shorten(given)}' is not {name}: {error}") from None


def typed_key(codec: str, given: Any, what: str) -> bytes:
    from lsmkv.cli import typed

    try:
        return typed.parse(codec, given)
    except ValueError as error:
        shown = given if isinstance(given, str) else dump(given)
        raise ValueError(f"the {what} '{shorten(shown)}' is not one of codec {codec}: {error}") from None


def checked(codec: str, data: bytes, given: Any, what: str) -> bytes:
    from lsmkv.cli import typed

    try:
        typed.check(codec, data)
    except ValueError:
        shown = os.fsdecode(given) if isinstance(given, bytes) else given if isinstance(given, str) else dump(given)
        raise ValueError(f"the {what} '{shorten(shown)}' is not one of codec {codec}, which the store has") from None
    return data


def to_base64(data: bytes) -> str:
    import binascii

    return binascii.b2a_base64(data, newline=False).decode()


def from_base64(text: str) -> bytes:
    import base64

    return base64.b64decode(text, validate=True)


def argument(name: str, given: Any, what: str = "key") -> bytes:
    """The same for the command line, where a mistake is a usage error."""
    try:
        return parse(name, os.fsencode(given) if isinstance(given, str) else given, what)
    except ValueError as error:
        raise UsageError(str(error)) from None


def pack(name: str, given: Any, what: str) -> bytes:
    try:
        return (int(given) + OFFSET[name]).to_bytes(8, "big")
    except ValueError:
        raise ValueError(f"the {what} '{shorten(given)}' is not a whole number ({name})") from None
    except OverflowError:
        raise ValueError(f"the {what} {shorten(str(given))} does not fit into {name}") from None


def compact_json(given: Any) -> bytes:
    import json

    if not isinstance(given, str):
        return dump(given).encode()
    try:
        return dump(json.loads(given)).encode("utf-8", "surrogateescape")
    except ValueError as error:
        raise ValueError(f"'{shorten(given)}' is not JSON: {error}") from None


def dump(document: Any) -> str:
    import json

    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def shorten(text: str) -> str:
    return escape(text.encode("utf-8", "surrogateescape"), 60)


def show(name: str, data: bytes, terminal: bool = False, what: str = "key") -> bytes:
    """The bytes to print."""
    name = name.partition(" ")[0]
    if name == "raw":
        return data
    if name == "utf8":
        return escape(data).encode() if terminal else data
    if name == "hex":
        return data.hex().encode()
    if name == "base64":
        return to_base64(data).encode()
    document = to_json(name, data, what)
    return (document if name not in NAMES and isinstance(document, str) else dump(document)).encode()


def told(name: str, data: bytes, limit: int | None = 60) -> str:
    """A key in a sentence or a table: as show() has it on a terminal; where it is not of the format, its bytes."""
    try:
        text = show("utf8" if name == "raw" else name, data, True).decode()
    except DataError:
        text = escape(data, limit)
    return text if limit is None else cut(text, limit)


def to_json(name: str, data: bytes, what: str = "key") -> Any:
    """What stands for the bytes in a JSON document; None from utf8 and raw when they are not UTF-8."""
    name = name.partition(" ")[0]
    if name not in NAMES:
        from lsmkv.cli import typed

        try:
            return typed.document_of(name, data)
        except ValueError:
            raise mismatch(name, data, what) from None
    if name in ("utf8", "raw"):
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None
    if name in ("hex", "base64"):
        return show(name, data).decode()
    if name in OFFSET:
        if len(data) != 8:
            raise mismatch(name, data, what)
        return int.from_bytes(data, "big") - OFFSET[name]
    import json

    try:
        return json.loads(data)
    except ValueError:
        raise mismatch(name, data, what) from None


def field(what: str, name: str, data: bytes) -> dict[str, Any]:
    """{"key": ...}, or {"key_base64": ...} when the bytes are not text."""
    name = name.partition(" ")[0]
    document = to_json(name, data, what)
    if document is None and name in ("utf8", "raw"):
        return {what + "_base64": to_base64(data)}
    return {what: document}


def mismatch(name: str, data: bytes, what: str) -> DataError:
    size = "1 byte" if len(data) == 1 else f"{len(data):,} bytes"
    return DataError(
        f"a stored {what} ({size}: {escape(data, 40)}) is not {name}", f"--{what}-format hex shows any bytes"
    )
