"""lsmkv: the persistent sorted dict.

    >>> import lsmkv

    >>> with lsmkv.open(None, key="str", value="str") as db:  # "fruit.db": a directory; None: a temporary store
    ...     db.update(pear="green", apple="red", fig="purple")
    ...     for key, value in db["a":"g"].items():
    ...         print(key, value)
    apple red
    fig purple

`help(lsmkv.LSM)` says the rest. In the examples of its methods db is a store as above.
"""

from __future__ import annotations

from collections import abc as _abc

try:
    from lsmkv import _core
except ImportError as error:
    raise ImportError(
        f"lsmkv was found in {__path__[0].rpartition('/')[0]}, where its extension is not built or cannot be loaded:"
        " run `make build` there, or leave that folder if lsmkv is installed elsewhere",
        name=error.name,
        path=error.path,
    ) from error
from lsmkv._core import (
    ABSENT,
    LSM,
    Absent,
    ClosedError,
    CodecMismatchError,
    ConflictError,
    CorruptionError,
    Cursor,
    DecodeError,
    DiskFullError,
    ForkedError,
    FormatError,
    ItemsView,
    Iterator,
    KeysView,
    Level,
    LockedError,
    LsmkvError,
    ManualClock,
    OptionsError,
    Probe,
    RangeView,
    ReadOnlyError,
    Snapshot,
    SnapshotExpiredError,
    StorageError,
    StoreExistsError,
    StoreNotADirectoryError,
    StoreNotFoundError,
    StorePermissionError,
    Transaction,
    ValuesView,
    WriteBatch,
    destroy,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from lsmkv import codecs
    from lsmkv.differences import Difference, diff
    from lsmkv.options import Options
else:
    _LATER = {"Difference": "differences", "diff": "differences", "Options": "options", "codecs": "codecs"}

    def __getattr__(name):
        """What few programs need is imported when it is asked for: `import lsmkv` stays a matter of milliseconds."""
        if name not in _LATER:
            raise AttributeError(f"module 'lsmkv' has no attribute {name!r}")
        from importlib import import_module

        module = import_module(f"lsmkv.{_LATER[name]}")
        globals()[name] = found = module if name == _LATER[name] else getattr(module, name)
        return found

    def __dir__():
        return sorted({*globals(), *_LATER})


__version__ = _core.VERSION

__all__ = [  # `open` is left out: a star import should not replace the builtin
    "ABSENT",
    "LSM",
    "Absent",
    "ClosedError",
    "CodecMismatchError",
    "ConflictError",
    "CorruptionError",
    "Cursor",
    "Difference",
    "DecodeError",
    "DiskFullError",
    "ForkedError",
    "FormatError",
    "ItemsView",
    "Iterator",
    "KeysView",
    "Level",
    "LockedError",
    "LsmkvError",
    "ManualClock",
    "Options",
    "OptionsError",
    "Probe",
    "RangeView",
    "ReadOnlyError",
    "Snapshot",
    "SnapshotExpiredError",
    "StorageError",
    "StoreExistsError",
    "StoreNotADirectoryError",
    "StoreNotFoundError",
    "StorePermissionError",
    "Transaction",
    "ValuesView",
    "WriteBatch",
    "codecs",
    "destroy",
    "diff",
    "features",
    "verify",
]

if TYPE_CHECKING:
    open = LSM  # the same overloads, written once; that the types below inherit is for the stub to say
else:
    # Registered, never inherited: the mixins would make list(d.items()) a lookup for each key.
    _abc.MutableMapping.register(LSM)
    _abc.MutableMapping.register(Transaction)
    _abc.Mapping.register(Snapshot)
    _abc.KeysView.register(KeysView)
    _abc.ValuesView.register(ValuesView)
    _abc.ItemsView.register(ItemsView)
    _abc.Iterator.register(Iterator)

    def open(path, flag="c", *, key="bytes", value="bytes", options=None, clock=None, **overrides):
        """Open the store in the directory `path`: the same as LSM(path, flag, ...), whose help says everything.

        path: str, bytes or PathLike; None makes a temporary store that close() removes, in tempfile.gettempdir() and
        with durability="os", where the call names no other: nobody looks for it after a power cut.
        flag: "r" read only, "w" must exist, "c" create if missing, "n" always new.
        key, value: what keys and values are: the name of a codec, or an object of lsmkv.codecs. They are stored when
        the store is made and must agree later; "stored" takes what it says.
        options: an Options or the name of a preset; overrides: single fields of it, as in page_bytes=4096.
        clock: a ManualClock that expiry goes by.
        """
        return LSM(path, flag, key=key, value=value, options=options, clock=clock, **overrides)


def verify(
    path: str | bytes | PathLike[str] | PathLike[bytes],
    *,
    progress: Callable[[int, int, str, str], object] | None = None,
) -> None:
    """Read every byte of the store at `path` and check it; CorruptionError names what is damaged.

    What nothing refers to in value files is not read: stats() has value_file_bytes and value_live_bytes.
    Opens it for reading only, so it works while another process writes to it. progress(done, total, unit, phase).
    Damage that keeps the store from being opened is the only one in the error's `damage` then: nothing more is read.
    """
    try:
        db = LSM(path, "r", key="raw", value="raw")
    except CorruptionError as error:
        from copy import copy

        error.damage = [copy(error)]  # a copy: an error that leads to itself would keep its frames alive
        raise
    with db:
        db.verify(progress=progress)


def features() -> dict[str, str | None]:
    """What this build can do: a dict of its version, build stamp, checksum and compression codecs; None: not there."""
    found: dict[str, str | None] = {"version": _core.VERSION, "build_stamp": _core.BUILD_STAMP}
    for name in ("checksum", "codecs", "lz4", "zstd"):
        found[name] = _core.feature(name)
    return found
