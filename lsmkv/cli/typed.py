"""Keys of a codec that has no format of its own, as a person types and reads them.

f64, bool          a number; true or false          2.5
uuid               its text                         6ba7b810-9dad-11d1-80b4-00c04fd430c8
datetime           ISO 8601, with its zone          2026-01-31T12:00:00+00:00
(str,i64)          a JSON list                      ["Ada",7]       bytes in it are text
desc(...)          as what it turns around

A list that is shorter is what all longer ones begin with: it bounds a range, and is no key.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Tree: TypeAlias = "str | list[Any]"


def tree_of(name: str) -> Tree:
    """The types of a codec by its name, tuples as lists; what is turned around looks like what it is."""
    tree, rest = read(name)
    if rest:
        raise ValueError(f"{name} is not the name of a key codec")
    return tree


def read(name: str) -> tuple[Tree, str]:
    if name.startswith("desc("):
        tree, rest = read(name[5:])
        return tree, rest[1:]
    if not name.startswith("("):
        end = min((at for at in map(name.find, ",)") if at >= 0), default=len(name))
        return name[:end], name[end:]
    parts: list[Tree] = []
    rest = name
    while rest[:1] in ("(", ","):
        part, rest = read(rest[1:])
        parts.append(part)
    return parts, rest[1:]


def to_object(tree: Tree, document: Any) -> Any:
    """The key that a JSON document stands for. ValueError says what it is not."""
    if isinstance(tree, list):
        if not isinstance(document, list) or len(document) > len(tree):
            raise ValueError(f"it is a JSON list of {len(tree)}")
        return tuple(to_object(*pair) for pair in zip(tree, document, strict=False))
    if tree == "bytes" and isinstance(document, str):
        return document.encode("utf-8", "surrogateescape")
    if tree == "uuid" and isinstance(document, str):
        from uuid import UUID

        return UUID(document)
    if tree == "datetime" and isinstance(document, str):
        from datetime import datetime

        return datetime.fromisoformat(document)
    return document


def to_document(tree: Tree, key: Any) -> Any:
    if isinstance(tree, list):
        return [to_document(*pair) for pair in zip(tree, key, strict=True)]
    if tree == "bytes":
        return key.decode("utf-8", "backslashreplace")
    if tree == "datetime":
        return key.isoformat()
    return str(key) if tree == "uuid" else key


def from_text(tree: Tree, text: str) -> Any:
    """What was typed, as a JSON document: text stands for itself where text is wanted."""
    if tree in ("str", "bytes", "uuid", "datetime"):
        return text
    import json

    try:
        return json.loads(text)
    except ValueError:
        shown = f"a JSON list of {len(tree)}, such as {example(tree)}" if isinstance(tree, list) else example(tree)
        raise ValueError(f"it is {shown}") from None


EXAMPLES = {
    "bool": "true or false",
    "f64": "a number",
    "i64": "7",
    "u64": "7",
    "uuid": '"6ba7b810-9dad-11d1-80b4-00c04fd430c8"',
    "datetime": '"2026-01-31T12:00:00+00:00"',
}


def example(tree: Tree) -> str:
    """A key of the codec as it may be typed, or what it is."""
    if isinstance(tree, list):
        return "[" + ",".join({"bool": "true", "f64": "2.5"}.get(str(part), example(part)) for part in tree) + "]"
    return EXAMPLES.get(tree, '"text"')


def parse(name: str, given: Any) -> bytes:
    """The stored bytes. ValueError says what is wrong."""
    from lsmkv import codecs

    tree, codec = tree_of(name), codecs.key(name)
    key = to_object(tree, from_text(tree, given) if isinstance(given, str) else given)
    try:
        return codec.prefix(key) if isinstance(key, tuple) and len(key) < len(tree) else codec.encode(key)
    except TypeError as error:
        raise ValueError(str(error)) from None


def document_of(name: str, data: bytes) -> Any:
    from lsmkv import codecs

    return to_document(tree_of(name), codecs.key(name).decode(data))


def check(name: str, data: bytes) -> None:
    """ValueError when no key of that codec is stored as these bytes."""
    from lsmkv import codecs

    codecs.key(name).decode(data)
