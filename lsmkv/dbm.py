"""A dbm module on a store: what takes dbm.gnu, dbm.ndbm or dbm.dumb takes this one.

    >>> import os, shelve, tempfile
    >>> import lsmkv.dbm
    >>> home = tempfile.TemporaryDirectory()
    >>> file = os.path.join(home.name, "fruit")

    >>> with lsmkv.dbm.open(file, "c") as db:
    ...     db["apple"] = "red"            # str is stored as UTF-8 ...
    ...     db[b"pear"] = b"green"
    ...     print(db["apple"], db.keys())  # ... and bytes come back
    b'red' [b'apple', b'pear']

    >>> with shelve.Shelf(lsmkv.dbm.open(file, "w")) as shelf:
    ...     shelf["plum"] = {"colour": "blue", "stones": 1}
    ...     print(shelf["plum"]["stones"])
    1

    >>> home.cleanup()

Beyond what a dbm module owes: keys come in order, writing while iterating is allowed (an iteration sees the content
of the moment it began), any thread may use the object, and what was written survives a killed process. The database
is a directory, and the very store that `lsmkv.open(file)` opens.
"""

from __future__ import annotations

import builtins
import os
import stat
from collections.abc import Callable, ItemsView, Iterator, MutableMapping, ValuesView
from contextlib import suppress
from dbm import whichdb as _known_to_dbm  # taken now: a program may put ours in its place
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar, cast

from lsmkv._core import LSM, LsmkvError

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

__all__ = ["error", "library", "open", "whichdb"]

library = "lsmkv"
"""What stands behind this module, as dbm.ndbm.library says it."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class error(OSError):
    """Whatever goes wrong with a database but a missing key, which is a KeyError. `__cause__` is lsmkv's own error."""


def _translate(caught: LsmkvError) -> error:
    if isinstance(caught, OSError) and caught.errno is not None:
        return error(caught.errno, caught.strerror, caught.filename)
    return error(str(caught))


def _raises_error(method: Callable[_P, _T]) -> Callable[_P, _T]:
    @wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return method(*args, **kwargs)
        except LsmkvError as caught:
            raise _translate(caught) from caught

    return call


def _bytes(given: str | Buffer) -> bytes:
    """What a store is given. It takes any buffer as it is; its stub says bytes."""
    return given.encode() if isinstance(given, str) else cast("bytes", given)


class _Items(ItemsView[bytes, bytes]):
    _mapping: Database

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return self._mapping._pairs()


class _Values(ValuesView[bytes]):
    _mapping: Database

    def __iter__(self) -> Iterator[bytes]:
        return (value for _, value in self._mapping._pairs())


class Database(MutableMapping["str | Buffer", "str | Buffer"]):
    """An open database, made by open(): a mapping of bytes to bytes that also takes str, for keys and for values."""

    def __init__(self, store: LSM[bytes, bytes]) -> None:
        self._store = store

    # ---- one key ----

    @_raises_error
    def __getitem__(self, key: str | Buffer) -> bytes:
        return self._store[_bytes(key)]

    @_raises_error
    def __setitem__(self, key: str | Buffer, value: str | Buffer) -> None:
        self._store[_bytes(key)] = _bytes(value)

    @_raises_error
    def __delitem__(self, key: str | Buffer) -> None:
        del self._store[_bytes(key)]

    @_raises_error
    def __contains__(self, key: object) -> bool:
        return _bytes(cast("str | Buffer", key)) in self._store

    @_raises_error
    def get(self, key: str | Buffer, default: _T | None = None) -> bytes | _T | None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """The value of key, or default."""
        return self._store.get(_bytes(key), default)

    @_raises_error
    def setdefault(self, key: str | Buffer, default: str | Buffer | None = b"") -> bytes:
        """The value of key, which becomes default when the key is missing. Of several threads that find it missing
        one stores its default, and all get that."""
        return self._store.setdefault(_bytes(key), b"" if default is None else _bytes(default))

    # ---- all of them ----

    @_raises_error
    def __len__(self) -> int:
        return len(self._store)

    @_raises_error
    def __bool__(self) -> bool:
        return bool(self._store)

    @_raises_error
    def keys(self) -> list[bytes]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """A list of all keys, in order. Iterating over the database itself makes no list."""
        return [*self._store]

    def values(self) -> ValuesView[bytes]:
        """A view of the values, in the order of their keys: one scan."""
        return _Values(self)

    def items(self) -> ItemsView[bytes, bytes]:
        """A view of the (key, value) pairs, in order: one scan."""
        return _Items(self)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._store
        except LsmkvError as caught:
            raise _translate(caught) from caught

    def _pairs(self) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from self._store.items()
        except LsmkvError as caught:
            raise _translate(caught) from caught

    @_raises_error
    def firstkey(self) -> bytes | None:
        """The smallest key, None in an empty database."""
        return self._store.keys().first()

    @_raises_error
    def nextkey(self, key: str | Buffer) -> bytes | None:
        """The smallest key after `key`, which need not be there; None when it was the last."""
        return self._store.range(_bytes(key), include_start=False).keys().first()

    @_raises_error
    def clear(self) -> None:
        """Delete everything: one write."""
        self._store.clear()

    # ---- upkeep ----

    @_raises_error
    def sync(self) -> None:
        """Wait until everything written is on the disk."""
        self._store.sync()

    @_raises_error
    def reorganize(self) -> None:
        """Give back the space of what was deleted or overwritten: reads and writes the whole database."""
        self._store.compact()

    @_raises_error
    def close(self) -> None:
        """Make everything durable and end the use of this object, every other method of which then raises error.
        Again is fine."""
        self._store.close()

    @_raises_error
    def __enter__(self) -> Self:
        self._store.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, caught: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<lsmkv.dbm database on {self._store!r}>"


def _make_way(file: str | bytes) -> None:
    """An empty file is no database: "n" may put one in its place. Whatever else is there stays, and is an error."""
    with suppress(OSError):
        found = os.lstat(file)
        if stat.S_ISREG(found.st_mode) and found.st_size == 0:
            os.unlink(file)


def open(
    file: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    flag: Literal["r", "w", "c", "n"] = "r",
    mode: int = 0o666,
) -> Database:
    """Open the database in the directory `file`, whose name is taken as it is.

    flag: "r" read only (the content as it is now, beside whoever writes), "w" read and write, "c" the same and create
    it when it is missing, "n" always a new, empty one.
    mode: permissions of the files when they are created, before the umask; the directory may also be entered by
    whoever may read.

    Raises error when it is missing, in use by another process that writes, damaged or not a database; ValueError for
    another flag.
    """
    if flag not in ("r", "w", "c", "n"):
        raise ValueError(f"flag={flag!r}: it is one of 'r', 'w', 'c' and 'n'")
    where = os.fspath(file)
    if flag == "n":
        _make_way(where)
    try:
        return Database(LSM(where, flag, mode=(mode | (mode & 0o444) >> 2 | 0o700) & 0o777))
    except LsmkvError as caught:
        raise _translate(caught) from caught


def whichdb(filename: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str | None:
    """As dbm.whichdb, which knows only its own: "lsmkv.dbm" for a store, else what dbm.whichdb says."""
    current = os.path.join(os.fsencode(filename), b"CURRENT")
    with suppress(OSError), builtins.open(current, "rb") as opened:
        if opened.read(64).startswith(b"MANIFEST-"):
            return "lsmkv.dbm"
    return _known_to_dbm(os.fsdecode(filename))
