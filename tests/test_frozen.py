"""Stores that were written once and are kept: tests/data/packed has one for each way to pack pages.

`python tests/test_frozen.py` writes them anew, which a change of format before the first release makes necessary.
"""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

import lsmkv

STORES = Path(__file__).resolve().parent / "data" / "packed"
CODECS = ("raw", "lz4", "zstd")
KEYS = 60


def value(at):
    return b"value %d " % at * (at % 9)


def build(path, codec):
    with lsmkv.open(
        path, compression="none" if codec == "raw" else codec, threads=0, segment_bytes=4096, page_bytes=256
    ) as db:
        db.update((b"key%04d" % at, value(at)) for at in range(KEYS))
        del db[b"key0007"]
        db.compact()
    (path / "LOCK").unlink()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("source", ["mapped", "read"])
def test_a_kept_store_says_what_it_said(path, codec, source):
    shutil.copytree(STORES / codec, path)
    if codec != "raw" and not lsmkv.features()[codec]:
        with pytest.raises(lsmkv.FormatError, match=rf"000004\.tbl.*{codec}"):
            lsmkv.open(path)
        pytest.skip(f"this build has no {codec}, and said so")
    with lsmkv.open(path, table_source=source) as db:
        assert dict(db) == {b"key%04d" % at: value(at) for at in range(KEYS) if at != 7}
        assert [level.codec for level in db.levels if level.kind == "table"] == [codec]
        db.verify()


class Failure(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("numbers", ctypes.c_int * 3), ("offset", ctypes.c_uint64)]
    _fields_ += [("file", ctypes.c_char * 64), ("text", ctypes.c_char * 512)]


@pytest.fixture(scope="session")
def bare(source_tree):
    """The C library, built without lz4 and zstd."""
    make = ["make", "-s", "-j2", "-C", source_tree / "csrc", "lib", "LSMKV_NO_COMPRESSION=1"]
    subprocess.run(make, check=True, capture_output=True, timeout=600)
    library = ctypes.CDLL(str(source_tree / "build/c/release-raw/liblsmkv.so"))
    library.lsmkv_last_error.restype = ctypes.POINTER(Failure)
    library.lsmkv_feature.restype = ctypes.c_char_p
    library.lsmkv_close.argtypes = library.lsmkv_release.argtypes = [ctypes.c_void_p]
    return library


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS)
def test_a_build_without_codecs_names_the_one_it_lacks_and_the_table(path, bare, codec):
    shutil.copytree(STORES / codec, path)
    handle = ctypes.c_void_p()
    rc = bare.lsmkv_open(str(path).encode(), None, ctypes.byref(handle))
    assert bare.lsmkv_feature(b"codecs") == b"raw" and bare.lsmkv_feature(b"lz4") is None
    if codec == "raw":
        assert rc == 0
        bare.lsmkv_close(handle)
        bare.lsmkv_release(handle)
        return
    failure = bare.lsmkv_last_error().contents
    assert (rc, failure.status) == (-5, -5)
    assert b"000004.tbl" in failure.text and codec.encode() in failure.text
    kept = {file.name: file.read_bytes() for file in (STORES / codec).iterdir()}
    assert {name: (path / name).read_bytes() for name in kept} == kept  # and changed nothing


if __name__ == "__main__":
    for name in CODECS:
        shutil.rmtree(STORES / name, ignore_errors=True)
        build(STORES / name, name)
