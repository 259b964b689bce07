"""How a command opens a store: as the bytes that lie in it, whatever codecs it was made with.

Keys and values are typed and shown in the formats that --key-format and --value-format name. When they are left out,
the store's codecs decide; this is the one place that knows how.
"""

from __future__ import annotations

import lsmkv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from typing import Any, Literal

    from lsmkv import LSM


# A codec that is not here keeps bytes nobody would type: they are shown, and have to be given, in hex.
FORMATS = {"bytes": "utf8", "str": "utf8", "i64": "i64", "u64": "u64", "json": "json"}


def raw(path: str, flag: Literal["r", "w", "c"] = "r") -> LSM[bytes, bytes]:
    return lsmkv.open(path, flag, key="raw", value="raw")


def opened(args: Namespace, flag: Literal["r", "w", "c"] = "r") -> LSM[bytes, bytes]:
    """The store of a command line, whose formats are settled when this returns."""
    db = raw(args.db, flag)
    settle(args, **codecs(db))
    return db


def opened_to_put(args: Namespace, prepare: Callable[[], Any]) -> tuple[LSM[bytes, bytes], Any]:
    """(the store, what prepare() has made of the command line in its formats); it is made when there is none.

    A store is made only after prepare() has returned: what was typed wrongly leaves nothing behind.
    """
    try:
        db = raw(args.db, "w")
    except lsmkv.StoreNotFoundError:
        settle(args, "bytes", "bytes")
        prepared = prepare()
        return raw(args.db, "c"), prepared
    try:
        settle(args, **codecs(db))
        return db, prepare()
    except BaseException:
        db.close()
        raise


def codecs(db: LSM) -> dict[str, str]:
    """The names of the codecs a store was made with."""
    return {"key": db.key_codec, "value": db.value_codec}


def settle(args: Namespace, key: str, value: str) -> None:
    """Fill in the formats the command line leaves open."""
    for name, codec in (("key_format", key), ("value_format", value)):
        if getattr(args, name, "") is None:
            setattr(args, name, FORMATS.get(codec, "hex"))
