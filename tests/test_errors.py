"""What goes wrong is said clearly: a typed error, what and where, and what to do next."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lsmkv

ROOT = os.geteuid() == 0


@pytest.fixture
def full(path):
    """A closed store with a table and a log."""
    with lsmkv.open(path, options="teach", threads=2) as db:
        db.update((b"%06d" % i, b"value %d" % i) for i in range(2000))
        db.flush()
        db.update((b"%06d" % i, b"later %d" % i) for i in range(100))
    return path


# ---- the classes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, bases",
    {
        "LsmkvError": (Exception,),
        "StorageError": (lsmkv.LsmkvError, OSError),
        "LockedError": (lsmkv.StorageError,),
        "DiskFullError": (lsmkv.StorageError,),
        "StoreNotFoundError": (lsmkv.StorageError, FileNotFoundError),
        "StorePermissionError": (lsmkv.StorageError, PermissionError),
        "StoreNotADirectoryError": (lsmkv.StorageError, NotADirectoryError),
        "StoreExistsError": (lsmkv.StorageError, FileExistsError),
        "CorruptionError": (lsmkv.LsmkvError,),
        "FormatError": (lsmkv.LsmkvError,),
        "ReadOnlyError": (lsmkv.LsmkvError, TypeError),
        "ClosedError": (lsmkv.LsmkvError, ValueError),
        "OptionsError": (lsmkv.LsmkvError, ValueError),
        "ForkedError": (lsmkv.LsmkvError, RuntimeError),
        "SnapshotExpiredError": (lsmkv.LsmkvError,),
    }.items(),
)
def test_classes(name, bases):
    kind = getattr(lsmkv, name)
    assert kind.__bases__ == bases and kind.__module__ == "lsmkv" and kind.__name__ == name
    assert kind.__doc__ and name in lsmkv.__all__


def test_attributes_have_defaults():
    assert lsmkv.LockedError("x").pid is None
    error = lsmkv.CorruptionError("x")
    assert error.file is error.offset is error.recoverable is error.damage is None


def test_errors_can_be_pickled(tmp_path):
    with pytest.raises(lsmkv.StorageError) as caught:
        lsmkv.open(tmp_path / "no", "w")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value) and str(again) == str(caught.value) and again.errno == caught.value.errno


# ---- paths ----------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["r", "w"])
def test_nothing_there(path, flag):
    with pytest.raises(FileNotFoundError) as caught:
        lsmkv.open(path, flag)
    assert isinstance(caught.value, lsmkv.StorageError) and caught.value.filename == str(path)
    assert not path.exists()


@pytest.mark.parametrize("flag", ["r", "w"])
def test_an_empty_directory_is_no_store(tmp_path, flag):
    with pytest.raises((FileNotFoundError, FileExistsError)):
        lsmkv.open(tmp_path, flag)
    assert list(tmp_path.iterdir()) == []


def test_no_parent_directory(tmp_path):
    with pytest.raises(FileNotFoundError):
        lsmkv.open(tmp_path / "no" / "store")


@pytest.mark.parametrize("flag", ["r", "w", "c", "n"])
def test_a_file_instead_of_a_directory(tmp_path, flag):
    file = tmp_path / "file"
    file.write_bytes(b"precious")
    with pytest.raises(NotADirectoryError) as caught:
        lsmkv.open(file, flag)
    assert isinstance(caught.value, lsmkv.StorageError)
    with pytest.raises(NotADirectoryError):
        lsmkv.open(file / "below", flag)
    assert file.read_bytes() == b"precious"


@pytest.mark.parametrize("flag", ["r", "w", "c", "n"])
def test_a_directory_of_somebody_else(tmp_path, flag):
    (tmp_path / "letter.txt").write_text("precious")
    with pytest.raises(lsmkv.LsmkvError) as caught:
        lsmkv.open(tmp_path, flag)
    assert isinstance(caught.value, FileExistsError | FileNotFoundError | lsmkv.FormatError)
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.skipif(ROOT, reason="root may do everything")
def test_no_permission(full):
    full.chmod(0)
    try:
        with pytest.raises(PermissionError) as caught:
            lsmkv.open(full)
        assert isinstance(caught.value, lsmkv.StorageError)
    finally:
        full.chmod(0o700)


def test_a_failed_open_leaves_nothing_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(FileNotFoundError):
            lsmkv.open(tmp_path / "nobody", "w")
    assert len(os.listdir("/proc/self/fd")) == before


# ---- damage ---------------------------------------------------------------------------------


def files(path, suffix):
    return sorted(file for file in path.iterdir() if file.name.endswith(suffix))


def flip(file, offset):
    data = bytearray(file.read_bytes())
    data[offset] ^= 0x10
    file.write_bytes(data)


def read_everything(path):
    with lsmkv.open(path, "r") as db:
        db.verify()
        return dict(db)


@pytest.mark.parametrize("suffix", [".tbl", "CURRENT", "MANIFEST"])
@pytest.mark.parametrize("where", [0.0, 0.3, 0.9])
def test_a_flipped_bit(full, suffix, where):
    file = [file for file in full.iterdir() if suffix in file.name][0]
    flip(file, int(file.stat().st_size * where))
    with pytest.raises((lsmkv.CorruptionError, lsmkv.FormatError)) as caught:
        read_everything(full)
    assert str(full) in str(caught.value)  # of many stores, this one
    if isinstance(caught.value, lsmkv.CorruptionError):
        assert caught.value.file in str(caught.value) and file.name.startswith(caught.value.file[:8])
        assert isinstance(caught.value.offset, int) and isinstance(caught.value.recoverable, bool)


def test_a_truncated_table(full):
    file = files(full, ".tbl")[0]
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises((lsmkv.CorruptionError, lsmkv.FormatError)) as caught:
        read_everything(full)
    said = str(caught.value)
    assert file.name in said and said.endswith(
        "without it the store cannot be opened; put that file back, or restore a backup"
    )


def test_a_truncated_value_segment(full):
    """It opens: what lies before the cut is read, and what lies behind it raises."""
    with lsmkv.open(full, large_value_bytes=1000) as db:
        for number in range(3):
            db[b"large%d" % number] = bytes(5000)
        db.flush()
    (file,) = full.glob("*.val")
    os.truncate(file, 6000)
    with lsmkv.open(full) as db:
        assert db[b"large0"] == bytes(5000)
        with pytest.raises(lsmkv.CorruptionError, match="the value is lost; other keys can be read") as caught:
            db[b"large2"]
        assert caught.value.file == file.name and caught.value.recoverable
    os.truncate(file, 30)
    with pytest.raises(lsmkv.CorruptionError, match=f"the head of value segment {file.name} .*; put that file back"):
        lsmkv.open(full)


@pytest.mark.parametrize("flag", ["r", "w", "c"])
@pytest.mark.parametrize("name", ["*.tbl", "*.val", "MANIFEST-*", "CURRENT"])
def test_a_file_that_is_gone_is_damage_and_not_an_absent_store(full, name, flag):
    """Who catches FileNotFoundError and makes the store anew must not get here."""
    with lsmkv.open(full, large_value_bytes=1000) as db:
        db[b"large"] = bytes(5000)
        db.flush()
    file = next(full.glob(name))
    file.unlink()
    with pytest.raises(lsmkv.CorruptionError) as caught:
        lsmkv.open(full, flag)
    assert not isinstance(caught.value, OSError)
    assert caught.value.file == file.name and f"{file.name} is missing" in str(caught.value)
    assert "backup" in str(caught.value)


@pytest.mark.parametrize("length, says", [(None, "is missing"), (0, "has lost its head"), (50, "has lost its head")])
def test_a_log_that_is_gone_is_named_and_not_the_one_before_it(full, length, says):
    with lsmkv.open(full) as db:
        db[b"last"] = b"1"
    file = max(full.glob("*.log"))
    if length is None:
        file.unlink()
    else:
        os.truncate(file, length)
    with pytest.raises(lsmkv.CorruptionError) as caught:
        lsmkv.open(full)
    said = str(caught.value)
    assert said.startswith(f"{full}: {file.name} {says}: the log was on the disk through "), said
    assert caught.value.file == file.name and said.endswith("put that file back, or restore a backup"), said


FEW_FILES = """
import errno, resource, sys
import lsmkv
taken = [open("/dev/null") for _ in range(3)]
most = max(file.fileno() for file in taken) + 3
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
try:
    lsmkv.open(sys.argv[1], "r")
except lsmkv.StorageError as error:
    assert error.errno == errno.EMFILE and not isinstance(error, FileNotFoundError), repr(error)
    print("told")
"""


def test_no_more_files_may_be_opened_is_not_damage(path):
    with lsmkv.open(path, threads=0, merge_policy="none") as db:
        for part in range(8):
            db[b"%d" % part] = b"value"
            db.flush()
    done = subprocess.run([sys.executable, "-c", FEW_FILES, path], capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.stderr) == ("told\n", "")


def test_a_directory_that_vanishes_below_an_open_store(path):
    with lsmkv.open(path, threads=0) as db:
        db[b"k"] = b"v"
        shutil.rmtree(path)
        with pytest.raises(lsmkv.StorageError) as caught:
            db.flush()
    assert not isinstance(caught.value, FileNotFoundError)


def test_verify_finds_every_place(path):
    with lsmkv.open(path, options="teach", threads=0) as db:
        db.update((b"%06d" % i, os.urandom(100)) for i in range(3000))
        db.flush()
        assert db.verify() is None
    tables = files(path, ".tbl")
    for table in tables[:3]:
        flip(table, 100)
    with lsmkv.open(path, "r") as db, pytest.raises(lsmkv.CorruptionError) as caught:
        db.verify()
    named = {error.file for error in caught.value.damage}
    assert named == {table.name for table in tables[:3]} and caught.value.file in named
    assert all(isinstance(error, lsmkv.CorruptionError) for error in caught.value.damage)
    with pytest.raises(lsmkv.CorruptionError):
        lsmkv.verify(path)


@pytest.mark.parametrize("name", ["*.tbl", "MANIFEST-*"])
def test_damage_that_open_finds_is_the_one_place(full, name):
    file = next(full.glob(name))
    file.unlink()
    with pytest.raises(lsmkv.CorruptionError) as caught:
        lsmkv.verify(full)
    (place,) = caught.value.damage
    assert isinstance(place, lsmkv.CorruptionError) and str(place) == str(caught.value)
    assert (place.file, place.offset, place.recoverable) == (file.name, 0, False)


def test_a_damaged_page_is_an_error_for_its_keys_and_no_others(path):
    with lsmkv.open(path, options="teach", threads=0) as db:
        db.update((b"%06d" % i, os.urandom(100)) for i in range(3000))
        db.flush()
        expected = dict(db)
    flip(files(path, ".tbl")[0], 100)
    wrong, failed = [], []
    with lsmkv.open(path, "r") as db:
        for key, value in expected.items():
            try:
                if db[key] != value:
                    wrong.append(key)
            except lsmkv.CorruptionError:
                failed.append(key)
            except KeyError:
                wrong.append(key)
        assert wrong == [] and 0 < len(failed) < 500
        with pytest.raises(lsmkv.CorruptionError):
            list(db.items())
        scan = iter(db)
        for _ in range(2):
            with pytest.raises(lsmkv.CorruptionError):  # every later step says it again
                for _ in scan:
                    pass


def test_what_a_merge_leaves_beside_damage_is_told(path):
    with lsmkv.open(path, merge_policy="none", threads=0) as db:
        for value in (b"old", b"new"):
            db.update((b"%06d" % i, value * 30) for i in range(3000))
            db.flush()
        assert any(event["detail"].startswith("1 sealed segment (") for event in db.events())
    flip(files(path, ".tbl")[0], 100_000)
    with lsmkv.open(path, merge_policy="none", threads=0) as db:
        with pytest.raises(lsmkv.CorruptionError, match="left alone from there on, and with it what was to be") as e:
            db.compact()
        assert e.value.offset == 100_000 // 4096 * 4096 and f"at byte {e.value.offset}:" in str(e.value)
        assert e.value.recoverable and sum(level.run > 0 for level in db.levels) == 3  # neither of the two has gone
        (event,) = (event for event in db.events() if event["what"] == "merge stopped")
        assert event["detail"].startswith(
            f"the damaged run is left alone until the store is opened anew: {e.value.file}"
        )
        assert db[b"000000"] == db[b"002999"] == b"new" * 30


# ---- somebody else has it -------------------------------------------------------------------

HOLD = "import lsmkv, sys; db = lsmkv.open(sys.argv[1]); db[b'k'] = b'v'; print('held', flush=True); input()"


@pytest.fixture
def holder(path):
    """Another process that has the store open for writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


@pytest.mark.parametrize("flag", ["w", "c", "n"])
def test_a_second_writer_hears_who_the_first_is(path, holder, flag):
    """And does not wait for the first, who has it until this test is over."""
    with pytest.raises(lsmkv.LockedError) as caught:
        lsmkv.open(path, flag)
    assert holder.poll() is None
    assert caught.value.pid == holder.pid and str(holder.pid) in str(caught.value)
    with pytest.raises(lsmkv.LockedError):
        lsmkv.destroy(path)


def test_readers_do_not_mind(path, holder):
    with lsmkv.open(path, "r") as db:
        assert db[b"k"] == b"v"


def test_the_lock_ends_with_its_holder(path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with lsmkv.open(path) as db:
        assert db[b"k"] == b"v"


@pytest.mark.parametrize("there", [False, True])
def test_whoever_only_reads_is_not_told_to_make_a_store(tmp_path, there):
    place = tmp_path / "nowhere"
    if there:
        place.mkdir()
        (place / "letter.txt").write_text("precious")
    for ask in (lsmkv.verify, lsmkv.destroy, lambda path: lsmkv.open(path, "r"), lambda path: lsmkv.diff(path, path)):
        with pytest.raises(lsmkv.StoreNotFoundError) as caught:
            ask(place)
        assert "of a store" in str(caught.value) or "the directory of one" in str(caught.value)
        assert "flag" not in str(caught.value)


def test_damage_that_keeps_a_store_closed_leaves_no_keys_to_read(tmp_path):
    for name in ("one", "two"):
        with lsmkv.open(tmp_path / name, threads=0) as db:
            db.update((b"%06d" % i, b"value") for i in range(100))
            db.flush()
    (mine,), (other,) = (files(tmp_path / name, ".tbl") for name in ("one", "two"))
    shutil.copy(other, mine)
    with pytest.raises(lsmkv.CorruptionError, match="not the table the manifest means") as caught:
        lsmkv.open(tmp_path / "one", "r")
    assert caught.value.recoverable is False and "stay readable" not in str(caught.value)
    assert "backup" in str(caught.value)


# ---- destroy --------------------------------------------------------------------------------


def test_destroy(full):
    lsmkv.destroy(full)
    assert not full.exists()
    with pytest.raises(FileNotFoundError):
        lsmkv.destroy(full)


def test_destroy_leaves_strangers_alone(full):
    (full / "letter.txt").write_text("precious")
    before = sorted(file.name for file in full.iterdir())
    with pytest.raises(FileExistsError):
        lsmkv.destroy(full)
    assert sorted(file.name for file in full.iterdir()) == before
    with lsmkv.open(full, "r") as db:
        assert len(db) == 2000


def test_destroy_of_what_is_open_here(full):
    with lsmkv.open(full) as db:
        with pytest.raises(lsmkv.LockedError) as caught:
            lsmkv.destroy(full)
        assert caught.value.pid in (None, os.getpid())
        with pytest.raises(lsmkv.LockedError):
            lsmkv.open(full, "n")
        assert len(db) == 2000


def test_destroy_of_something_else(tmp_path):
    with pytest.raises((NotADirectoryError, FileExistsError)):
        file = tmp_path / "file"
        file.write_bytes(b"")
        lsmkv.destroy(file)
    with pytest.raises((FileNotFoundError, FileExistsError)):
        lsmkv.destroy(tmp_path)
    with pytest.raises(TypeError):
        lsmkv.destroy(7)


def test_sync_takes_no_words(path):
    with lsmkv.open(path) as db:
        for word in ("no", b"yes"):
            with pytest.raises(TypeError, match="it is True, False, or None"):
                db.put(b"k", b"v", sync=word)
            with pytest.raises(TypeError, match="it is True, False, or None"):
                db.batch(sync=word)
        assert b"k" not in db


def test_a_store_for_reading_shows_that_it_is_one(path):
    lsmkv.open(path).close()
    with lsmkv.open(path, "r") as db:
        assert repr(db).endswith(", for reading only>")
        with pytest.raises(lsmkv.ReadOnlyError) as caught:
            db.put(b"k", b"v")
        assert str(path) in str(caught.value)


def test_sources_that_are_not_built_say_so(tmp_path):
    for file in Path(lsmkv.__file__).parent.glob("*.py"):
        (tmp_path / "lsmkv").mkdir(exist_ok=True)
        (tmp_path / "lsmkv" / file.name).write_bytes(file.read_bytes())
    done = subprocess.run([sys.executable, "-c", "import lsmkv"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "its extension is not built or cannot be loaded: run `make build`" in done.stderr
