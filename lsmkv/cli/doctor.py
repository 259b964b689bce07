"""What `lsmkv doctor` looks at. Each look is a function that returns a Finding; none of them raises."""

from __future__ import annotations

import os
import platform
import resource
import sys
import tempfile
import time
from typing import NamedTuple

import lsmkv
from lsmkv.report.numbers import seconds, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


MAPPED = {"ext2", "ext3", "ext4", "xfs", "tmpfs"}  # and overlay over them: the store itself has the last word
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse", "fuseblk", "fuse.sshfs", "ceph", "glusterfs"}


STORE = "store"  # the name of what is found out about DB itself, not about where it lies


class Finding(NamedTuple):
    state: str  # good, note, bad
    name: str
    text: str
    fix: str = ""


def examine(path: str | None) -> list[Finding]:
    place = os.path.abspath(path or ".")
    store = the_store(place, path or ".")
    where = nearest_directory(beside(place) if store else place)
    return [
        this_build(),
        this_python(),
        this_system(),
        file_system(where),
        space(where),
        trial(where),
        open_files(),
        *compression(),
        *([store] if store else []),
    ]


def the_store(path: str, name: str) -> Finding | None:
    """Whether the store at path can be opened; None when there is none."""
    from lsmkv.cli.exits import explain
    from lsmkv.cli.stores import raw
    from lsmkv.cli.upkeep import totals
    from lsmkv.report.numbers import plural

    try:
        with raw(path):
            pass
    except (lsmkv.StoreNotFoundError, lsmkv.StoreNotADirectoryError):
        return None
    except Exception as error:
        told = explain(error, name, "doctor")
        damaged = isinstance(error, lsmkv.CorruptionError | lsmkv.FormatError)
        return Finding("bad" if damaged else "note", STORE, told.text, told.hint and f"try {told.hint}")
    files, total = totals(path)
    return Finding(
        "good", STORE, f"opens: {plural(files, 'file')}, {size(total)}; lsmkv verify {name} reads every byte"
    )


def beside(store: str) -> str:
    """Where the trial goes: not into somebody's store, where nothing else belongs, if there is another place."""
    parent = os.path.dirname(store)
    near = os.access(parent, os.W_OK | os.X_OK) and os.stat(parent).st_dev == os.stat(store).st_dev
    return parent if near else store


def nearest_directory(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def this_build() -> Finding:
    from lsmkv.cli.meta import stamp

    features = lsmkv.features()
    rest = {name: value for name, value in features.items() if value and not is_compression(name)}
    told = [f"{name} {value}" for name, value in sorted(rest.items()) if name not in ("version", "build_stamp")]
    return Finding("good", "lsmkv", ", ".join([f"{features.get('version')}, build {stamp(features)}", *told]))


def is_compression(name: str) -> bool:
    return any(library in name for library in ("lz4", "zstd"))


def this_python() -> Finding:
    from importlib.util import find_spec

    spec = find_spec("lsmkv._core")
    where = getattr(spec, "origin", None) or "built in"
    return Finding("good", "Python", f"{platform.python_version()} ({platform.python_compiler()}); engine {where}")


def this_system() -> Finding:
    fits = sys.platform == "linux" and sys.maxsize > 2**32 and sys.byteorder == "little"
    text = f"{platform.system()} {platform.release()} {platform.machine()}, pages of {os.sysconf('SC_PAGE_SIZE')} bytes"
    return Finding("good" if fits else "bad", "system", text, "" if fits else "lsmkv needs 64-bit little-endian Linux")


def mount_of(path: str) -> tuple[str, str]:
    """(mount point, file system) that holds path, from the kernel's own table."""
    best = ("/", "unknown")
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
            for line in table:
                left, _, right = line.partition(" - ")
                point = left.split()[4].encode("latin-1", "replace").decode("unicode_escape")
                inside = path == point or path.startswith(point.rstrip("/") + "/")
                if inside and len(point) >= len(best[0]):
                    best = (point, right.split()[0])
    except (OSError, IndexError, ValueError):
        pass
    return best


def file_system(where: str) -> Finding:
    point, kind = mount_of(os.path.realpath(where))
    text = f"{kind} at {point}"
    if kind in NETWORK:
        return Finding("note", "file system", f"{text}: a network or user-space one; logs are written, not mapped")
    if kind in MAPPED or kind == "overlay":
        return Finding("good", "file system", f"{text}: logs may be mapped memory; see the trial store")
    return Finding("note", "file system", f"{text}: logs are written, one system call a write")


def space(where: str) -> Finding:
    about = os.statvfs(where)
    free = about.f_bavail * about.f_frsize
    state = "good" if free >= 256 << 20 else "note" if free else "bad"
    return Finding(
        state,
        "free space",
        f"{size(free)} in {where}",
        "" if state == "good" else "a busy store wants 256 MiB and more",
    )


def trial(where: str) -> Finding:
    """Make a store there, write with a sync, read back, remove it."""
    try:
        with tempfile.TemporaryDirectory(prefix=".lsmkv-doctor-", dir=where) as folder:
            path = os.path.join(folder, "trial")
            with lsmkv.open(path, "n") as db:
                db.put(b"a", b"1")
                began = time.perf_counter()
                db.put(b"b", b"2", sync=True)
                took = time.perf_counter() - began
                source = log_source(os.path.realpath(path))
                right = dict(db.items()) == {b"a": b"1", b"b": b"2"}
            lsmkv.destroy(path)
    except Exception as error:
        from lsmkv.cli.exits import sentence

        return Finding("bad", "trial store", f"failed in {where}: {sentence(error)}", f"ls -ld {where}; df -h {where}")
    if not right:
        return Finding("bad", "trial store", "what was read back is not what was written", "please report this")
    return Finding("good", "trial store", f"written, synced in {seconds(took)}, read back, removed; {source}")


def log_source(path: str) -> str:
    """How the open store at path writes its log: the kernel knows what is mapped."""
    with open("/proc/self/maps", "rb") as maps:
        mapped = any(os.fsencode(path) in line and line.rstrip().endswith(b".log") for line in maps)
    return "its log is mapped memory" if mapped else "its log is written by system calls"


def open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    names = ["unlimited" if limit == resource.RLIM_INFINITY else str(limit) for limit in (soft, hard)]
    enough = soft == resource.RLIM_INFINITY or soft >= 256
    text = f"{names[0]} at once (ulimit -n), {names[1]} at most"
    return Finding("good" if enough else "note", "open files", text, "" if enough else "ulimit -n 1024")


def compression() -> Iterator[Any]:
    features = lsmkv.features()
    for library, package in (("lz4", "liblz4-dev"), ("zstd", "libzstd-dev")):
        value = next((value for name, value in features.items() if library in name), False)
        if value and str(value).lower() not in ("no", "none", "off", "0", "false"):
            yield Finding("good", library, f"{value}: stores may be opened with compression={library!r}")
        else:
            fix = f"optional: apt install {package} pkg-config, then build lsmkv again"
            yield Finding("note", library, "not found when lsmkv was built: stores packed with it cannot be read", fix)
