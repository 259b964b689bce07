"""Bytes as text that is safe to show, and rows as aligned columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def escape(data: bytes, limit: int | None = None) -> str:
    r"""Printable text of any bytes: what is not UTF-8 or not printable becomes \xNN or \uNNNN. Cut at `limit`."""
    if limit is not None:
        data = data[: 4 * limit + 4]  # a character has at most four bytes: what is cut here is not shown
    text = data.decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = "".join(char if char.isprintable() else escape_char(char) for char in text)
    return text if limit is None else cut(text, limit)


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def cut_middle(text: str, limit: int) -> str:
    """Both ends stay: of a path, the end says most."""
    if len(text) <= limit:
        return text
    head = limit // 3
    return f"{text[:head]}…{text[head + 1 - limit :]}"


def escape_char(char: str) -> str:
    code = ord(char)
    return SHORT.get(char) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def split(stored: bytes) -> tuple[int | None, bytes]:
    """(namespace, the user's key) of a stored key, as csrc/format/space.h draws it; None is the default namespace."""
    if stored[:2] == b"\xff\x00":
        return None, stored[2:]
    if stored[:2] == b"\xff\x01" and len(stored) >= 6:
        return int.from_bytes(stored[2:6], "big"), stored[6:]
    return None, stored


def key(stored: bytes, limit: int | None = None) -> str:
    """A stored key for people: `cat`, and `ns 7: cat` in a namespace. `limit` counts the user's key."""
    namespace, own = split(stored)
    shown = escape(own, limit) if own else "(empty)"
    return shown if namespace is None else f"ns {namespace}: {shown}" if namespace else f"catalog: {shown}"


def columns(
    rows: Iterable[Sequence[object]], align: str, heading: Sequence[str] | None = None, indent: str = "  "
) -> list[str]:
    """Lines of aligned columns. align: one of < > per column; the last column is not padded."""
    cells = [[str(cell) for cell in row] for row in ([heading] if heading else []) + list(rows)]
    if not cells:
        return []
    widths = [max(len(row[at]) for row in cells) for at in range(len(align))]
    lines = []
    for row in cells:
        padded = [f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)]
        lines.append((indent + "  ".join(padded)).rstrip())
    return lines


def at_most(lines: list[str], most: int) -> list[str]:
    """The first of many lines, and how many there are more."""
    return lines if len(lines) <= most else [*lines[: most - 1], f"  … and {len(lines) - most + 1:,} more lines"]
