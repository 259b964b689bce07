"""Pairs as lines of a file, without loss: what is not plain text in the format is base64 and marked as such.

jsonl  {"key": "a", "value_base64": "/wA="}
csv    key,value,base64      the third cell names the cells that are base64: "", "key", "value", "key value"
tsv    the same with tabs and without quotes, so tabs and line ends are base64 too
"""

import re
from json.encoder import encode_basestring

from lsmkv.cli import formats
from lsmkv.cli.output import dumps

PLAIN = ("utf8", "raw")
QUOTED = re.compile(r'[",\r\n]|^\s|\s$|^$')


def jsonl(key_format, value_format):
    if key_format in PLAIN and value_format in PLAIN:
        return b"", plain_line

    def line(key, value):
        fields = {**formats.field("key", key_format, key), **formats.field("value", value_format, value)}
        return dumps(fields) + b"\n"

    return b"", line


def plain_line(key, value):
    """What the general way writes for text and bytes, several times as fast."""
    return f"{{{member('key', key)}, {member('value', value)}}}\n".encode()


def member(name, data):
    try:
        return f'"{name}": {encode_basestring(data.decode())}'
    except UnicodeDecodeError:
        return f'"{name}_base64": "{formats.to_base64(data)}"'


def csv(key_format, value_format):
    def cell(text):
        return '"' + text.replace('"', '""') + '"' if QUOTED.search(text) else text

    return b"key,value,base64\n", marked(key_format, value_format, b",", b"\0", cell)


def tsv(key_format, value_format):
    return b"key\tvalue\tbase64\n", marked(key_format, value_format, b"\t", b"\0\t\r\n", str)


def marked(key_format, value_format, delimiter, banned, cell):
    banned = re.compile(b"[" + re.escape(banned) + b"]")

    def text(name, what, data):
        """(text, whether it is base64)"""
        if name not in ("utf8", "raw"):
            return formats.show(name, data, what=what).decode(), False
        if not banned.search(data):
            try:
                return data.decode(), False
            except UnicodeDecodeError:
                pass
        return formats.to_base64(data), True

    def line(key, value):
        (key, odd_key), (value, odd_value) = text(key_format, "key", key), text(value_format, "value", value)
        marks = " ".join(name for name, odd in (("key", odd_key), ("value", odd_value)) if odd)
        return delimiter.join([cell(key).encode(), cell(value).encode(), marks.encode()]) + b"\n"

    return line


BY_NAME = {"jsonl": jsonl, "csv": csv, "tsv": tsv}
