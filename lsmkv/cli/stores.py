"""How a command opens a store, or one of its namespaces: as the bytes that lie in it, whatever codecs it was made with.

Keys and values are typed and shown in the formats that --key-format and --value-format name. When they are left out,
the store's codecs decide; this is the one place that knows how.
"""

from __future__ import annotations

import lsmkv
from lsmkv.cli.exits import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from typing import Any, Literal, TypeAlias

    from lsmkv import LSM

    Flag: TypeAlias = Literal["r", "w", "c"]
    Store: TypeAlias = "LSM[bytes, Any] | Within"


# A key codec that is not here is a format by its own name; values of one that is not here are shown, and given, in hex.
FORMATS = {"bytes": "utf8", "str": "utf8", "i64": "i64", "u64": "u64", "json": "json"}


class Within:
    """A namespace, for a `with`: its end closes the store it is in."""

    def __init__(self, root: LSM[bytes, Any], db: LSM[bytes, Any]) -> None:
        self.root, self.db = root, db

    def __enter__(self) -> LSM[bytes, Any]:
        return self.db

    def __exit__(self, *_: object) -> None:
        self.root.close()

    close = __exit__


class NoNamespaceError(CommandError):
    """The store is there, and the namespace is not."""


def raw(path: str, flag: Flag = "r", value: str = "raw", **chosen: Any) -> LSM[bytes, Any]:
    try:
        return lsmkv.open(path, flag, key="raw", value=value, **chosen)
    except lsmkv.LsmkvError as error:
        told: Any = error
        told.store, told.opening = path, True  # for exits.judge()
        raise


def writing(args: Namespace) -> dict[str, Any]:
    """The options for a command that writes tables: they become what the store's own are, or what the line says.

    Only for commands that have --compression: to look costs an open and its imports, half as much as a whole `put`.
    """
    if not hasattr(args, "compression"):
        return {}
    if args.compression is None:
        args.compression = packing(args.db)
    large = args.large_value_bytes
    return {"compression": args.compression} | ({} if large is None else {"large_value_bytes": large})


def packing(path: str) -> str:
    """The word of `compression=` that goes on with what the tables of a store are, the newest packed one first.

    Raw tables beside those of LZ4 are what "auto" leaves. A store that is packed nowhere, or is not there: "none".
    """
    try:
        with raw(path) as db:
            found = [level.codec for level in db.levels if level.kind == "table"]
    except lsmkv.StoreNotFoundError:
        return "none"
    packed = next((codec for codec in found if codec != "raw"), "none")
    return "auto" if packed == "lz4" and "raw" in found else packed


def opened(args: Namespace, flag: Flag = "r") -> Store:
    """The store of a command line, for a `with`; its formats are settled when this returns."""
    root = raw(args.db, flag, **({} if flag == "r" else writing(args)))
    try:
        found = chosen(root, args)
        if found is None:
            raise NoNamespaceError(f"there is no namespace {args.namespace!r} in {args.db}", f"lsmkv info {args.db}")
        return found
    except BaseException:
        root.close()
        raise


def chosen(root: LSM[bytes, Any], args: Namespace, typed: bool = False, stores: bool = False) -> Store | None:
    """The store or the namespace in it that args name, formats settled; None when there is no such namespace."""
    name = getattr(args, "namespace", None)
    if name is None:
        settle(args, **codecs(root), stores=stores)
        return root
    try:
        db = root.namespace(name, key="raw", value="raw", create=False)
    except KeyError:
        return None
    if typed and is_coded(db):
        db = root.namespace(name, key="raw", value="stored", create=False)
    settle(args, **codecs(db), stores=stores)
    return Within(root, db)


def opened_to_put(args: Namespace, prepare: Callable[[], Any], typed: bool = False) -> tuple[Store, Any]:
    """(the store, what prepare() has made of the command line in its formats); what is not there is made.

    It is made only after prepare() has returned: what was typed wrongly leaves nothing behind. typed: values as
    the store's codec gives them.
    """
    options = writing(args)
    try:
        root = raw(args.db, "w", **options)
    except lsmkv.StoreNotFoundError:
        settle(args, "bytes", "bytes")
        prepared = prepare()
        root = raw(args.db, "c", **options)
        try:
            return made(root, args), prepared
        except BaseException:
            root.close()
            raise
    try:
        if typed and getattr(args, "namespace", None) is None and is_coded(root):
            root.close()
            root = raw(args.db, "w", "stored", **options)
        found = chosen(root, args, typed, stores=True)
        if found is None:
            settle(args, "bytes", "bytes")
        prepared = prepare()
        return made(root, args) if found is None else found, prepared
    except BaseException:
        root.close()
        raise


def is_coded(db: LSM[bytes, Any]) -> bool:
    """Is a value something else than the bytes that are stored? If so its codec is worth loading."""
    return db.value_codec not in ("bytes", "str")


def made(root: LSM[bytes, Any], args: Namespace) -> Store:
    """The place args name, new where it is a namespace."""
    name = getattr(args, "namespace", None)
    return root if name is None else Within(root, root.namespace(name))


def codecs(db: LSM[bytes, Any]) -> dict[str, str]:
    """The names of the codecs a store was made with."""
    return {"key": db.key_codec, "value": db.value_codec}


class Keys:
    """Shows keys as they are stored, in levels and tables, as the codec of their namespace has them."""

    def __init__(self, db: LSM[bytes, Any]) -> None:
        self.codec = db.key_codec
        try:
            self.spaces = {about["id"]: (name, about["key"]) for name, about in db.namespaces().items()}
        except lsmkv.CorruptionError:
            self.spaces = {}  # they stay numbers

    def __call__(self, stored: bytes, limit: int | None) -> str:
        from lsmkv.cli import formats
        from lsmkv.report.text import escape, key, split

        space, own = split(stored)
        blank = "" if limit is None else "(empty)"  # without a limit it is for a program
        if space is None:
            return formats.told(FORMATS.get(self.codec, self.codec), own, limit) or blank
        if space not in self.spaces:
            return key(stored, limit)
        name, codec = self.spaces[space]
        shown = formats.told(FORMATS.get(codec, codec), own, limit) or blank
        return f"{escape(name.encode(), 20)}: {shown}"


def settle(args: Namespace, key: str, value: str, stores: bool = False) -> None:
    """Fill in the formats the command line leaves open. stores: keys will be stored, so they must be of the codec."""
    if getattr(args, "key_format", "") is None:
        args.key_format = FORMATS.get(key, key)
    if stores and key != "bytes":
        args.key_format = f"{args.key_format} {key}"
    if getattr(args, "value_format", "") is None:
        args.value_format = FORMATS.get(value, "hex")
