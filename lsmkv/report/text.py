"""Bytes as text that is safe to show, and rows as aligned columns."""


def escape(data, limit=None):
    r"""Printable text of any bytes: what is not UTF-8 or not printable becomes \xNN or \uNNNN. Cut at `limit`."""
    text = data.decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = "".join(char if char.isprintable() else escape_char(char) for char in text)
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    return text


def escape_char(char):
    code = ord(char)
    return SHORT.get(char) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def columns(rows, align, heading=None, indent="  "):
    """Lines of aligned columns. align: one of < > per column; the last column is not padded."""
    rows = [[str(cell) for cell in row] for row in ([heading] if heading else []) + list(rows)]
    if not rows:
        return []
    widths = [max(len(row[at]) for row in rows) for at in range(len(align))]
    lines = []
    for row in rows:
        cells = [f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
