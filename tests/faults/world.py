"""Where a scenario of the family plays: a store whose content is known, and what must be left of it afterwards.

Imports the build for faults, in this order: the module that arms it, then lsmkv, both from one shared object.
"""

import atexit
import ctypes
import gc
import importlib.machinery
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

LIB = Path(os.environ["LSMKV_FAULTS_LIB"])
(CORE_FILE,) = (str(path) for path in (LIB / "lsmkv").glob("_core*.so"))


def load(name):
    """A new module object of the shared object: `_faults`, or another `lsmkv._core`."""
    loader = importlib.machinery.ExtensionFileLoader(name, CORE_FILE)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


faults = sys.modules["_faults"] = load("_faults")
sys.path.insert(0, str(LIB))

import lsmkv  # noqa: E402

assert lsmkv._core.__file__ == CORE_FILE, lsmkv._core.__file__

LARGE = bytes(range(256)) * 400  # above what is copied under the interpreter lock
CONTENT = {b"key %03d" % i: b"value %d" % i for i in range(60)} | {b"large": LARGE, b"large too": LARGE[::-1]}
OPTIONS = {
    "threads": 0,
    "durability": "os",
    "segment_bytes": 1 << 20,
    "table_bytes": 1 << 18,
    "page_bytes": 512,
    "l0_segments": 8,
    "run_count": 32,
}


class _Mallinfo(ctypes.Structure):
    _fields_ = [(f"_{i}", ctypes.c_size_t) for i in range(10)]


try:
    _mallinfo = ctypes.CDLL(None).mallinfo2
    _mallinfo.restype = _Mallinfo
except AttributeError:
    _mallinfo = None


def c_memory():
    """Bytes that malloc has given out; 0 where this cannot be told."""
    if _mallinfo is None:
        return 0
    info = _mallinfo()
    return info._4 + info._7  # mapped chunks, chunks in use


def content_of(path):
    """What the store at `path` holds: a dict, None where there is no store, or what opening it raises."""
    if not os.path.isdir(path):
        return None
    try:
        with lsmkv.open(path, "r") as db:
            return dict(db.items())
    except lsmkv.LsmkvError as error:
        return type(error)


class World:
    """One after another, the same small store in a fresh directory. `scenario` says how it is handed out."""

    def __init__(self, scenario, folder):
        self.scenario, self.folder = scenario, folder
        self.path, self.temporary = self.folder / "store", self.folder / "tmp"
        self.template = self.folder / "template"
        with lsmkv.open(self.template, **OPTIONS) as db:
            pairs = list(CONTENT.items())
            db.update(pairs[:40] + pairs[-1:])
            db.flush()
            db.update(pairs[40:])
        self.db = None

    def begin(self):
        """The argument of the scenario."""
        shutil.copytree(self.template, self.path)
        self.temporary.mkdir(exist_ok=True)
        tempfile.tempdir = str(self.temporary)
        if self.scenario.prepare:
            self.scenario.prepare(self.path)
        if not self.scenario.opened:
            return self.path
        self.db = lsmkv.open(self.path, **OPTIONS)
        return self.db

    def content(self):
        if self.db is not None and not self.db.closed:
            return dict(self.db.items())
        return content_of(self.path)

    def leftovers(self):
        """What the scenario must not leave behind, in words."""
        atexit._clear()
        gc.collect()
        ours = [one for one in gc.get_objects() if type(one).__module__ == "lsmkv"]
        alive = [type(one).__name__ for one in ours if one is not self.db and one is not lsmkv.ABSENT]
        del ours
        said = [f"still alive: {', '.join(sorted(alive))}"] if alive else []
        said += [f"a file stays: {path.name}" for path in self.temporary.iterdir()]
        if self.db is not None and not self.db.closed:
            stats = self.db.stats()
            said += [f"{stats[name]} {name}" for name in ("live_snapshots", "live_iterators") if stats[name]]
        return said

    def use(self):
        """The store, or another on its files, still does everything."""
        if content_of(self.path) is None or not self.scenario.sound:
            return
        with lsmkv.open(self.path) if self.db is None or self.db.closed else _same(self.db) as db:
            before = dict(db.items())
            db[b"probe"] = LARGE
            assert db[b"probe"] == LARGE and len(db) == len(before) + 1
            with db.batch() as batch:
                del batch[b"probe"]
            assert dict(db.items()) == before and list(reversed(db)) == sorted(before, reverse=True)

    def end(self):
        if self.db is not None:
            self.db.close()
        self.db = None
        for path in (self.path, self.temporary, self.folder / "another"):
            shutil.rmtree(path, ignore_errors=True)
        gc.collect()


class _same:
    def __init__(self, db):
        self.db = db

    def __enter__(self):
        return self.db

    def __exit__(self, *_):
        pass


def descriptors():
    return sorted(
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    )


def thread_count():
    return len(os.listdir("/proc/self/task"))
