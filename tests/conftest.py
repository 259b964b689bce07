"""What every test may ask for. Tests import nothing from one another, only what tests/model has for them, so they also
run from a copy outside the checkout, against an installed lsmkv; what needs the sources asks for `source_tree`."""

import contextlib
import faulthandler
import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).resolve().parent))  # for tests/model, however pytest imports

# Stores of tests are in memory where there is room: what syncs does not wait for a disk that others use too.
if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 2 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/dev/shm")

# Nothing is judged by the clock. LSMKV_REPEATABLE=1: the same examples each time, so a failure is the change's.
settings.register_profile(
    "lsmkv",
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    derandomize=os.environ.get("LSMKV_REPEATABLE") == "1",
)
settings.load_profile("lsmkv")


def pytest_collection_finish():
    """A test that collects looks through what tests made, not through all of pytest again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def path(tmp_path):
    """Where a store may be made; nothing is there yet."""
    return tmp_path / "store"


@pytest.fixture
def taken():
    """taken(folder): its bytes on the disk. Of an open store, in which files go while one looks."""

    def look(folder):
        total = 0
        for file in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += file.stat().st_blocks * 512
        return total

    return look


@pytest.fixture(scope="session")
def source_tree():
    """The checkout."""
    if not (ROOT / "csrc" / "SOURCES").is_file():
        pytest.skip("needs the source tree: these tests run from a copy of tests/ alone")
    return ROOT


@pytest.fixture
def run(tmp_path):
    """run(*command) -> CompletedProcess with text; the test fails, with all that was said, if it ends otherwise."""

    def call(*command, status=0, timeout=200, **rest):
        done = subprocess.run(
            [str(word) for word in command],
            **{"cwd": tmp_path, "capture_output": True, "text": True, "timeout": timeout, **rest},
        )
        if status is not None:
            said = f"{' '.join(str(word) for word in command)[:500]}\n{done.stdout}{done.stderr}"
            assert done.returncode == status, f"status {done.returncode}, not {status}: {said}"
        return done

    return call


@pytest.fixture
def run_python(run):
    """run_python(code, *args) runs code in a fresh interpreter of this environment; sys.argv[1:] are args."""
    return lambda code, *args, **rest: run(sys.executable, "-c", code, *args, **rest)


@pytest.fixture
def handlers_may_raise():
    """No gc.callbacks in this test: what a handler raises in one is lost, and Hypothesis has one."""
    callbacks = gc.callbacks[:]
    gc.callbacks.clear()
    yield
    gc.callbacks[:] = callbacks


@pytest.fixture
def heard(handlers_may_raise):
    """heard(action): an interrupt in the midst of action() is heard long before action() would have ended by itself;
    for one that never does, endless=True, it is heard at all.

    Early and late is in terms of what the action takes uninterrupted, on this machine and now: a loop that never looks
    comes out (1 - part) of that too late. The timer asks nobody, so a loop that keeps the interpreter lock is found out
    too. What is late because the machine is busy is not late each time: the best of ten counts."""
    handled = []

    def handler(*_):
        handled.append(time.perf_counter())
        raise KeyboardInterrupt

    def latency(action, after):
        before, due = len(handled), time.perf_counter() + after
        try:
            signal.setitimer(signal.ITIMER_REAL, after)
            while len(handled) == before:  # it may come where nothing can be raised: a destructor
                action()
        except KeyboardInterrupt:
            pass
        return handled[-1] - due

    def judge(action, endless=False):
        if endless:
            for after in (0.01, 0.05, 0.08):
                latency(action, after)
            return
        began = time.perf_counter()
        action()
        usual = time.perf_counter() - began
        for part in (0.1, 0.5, 0.8):
            tries = []
            while len(tries) < 10 and min(tries, default=usual) > max(0.2, usual / 3):
                tries.append(latency(action, usual * part))
            assert min(tries, default=0) <= max(0.2, usual / 3), f"{tries} late, {usual} uninterrupted"

    def unraisable(what):
        if what.exc_type is not KeyboardInterrupt:
            usual_hook(what)

    before, usual_hook = signal.signal(signal.SIGALRM, handler), sys.unraisablehook
    sys.unraisablehook = unraisable
    faulthandler.dump_traceback_later(600, exit=True)  # pytest-timeout had that signal, and waits for bytecode
    yield judge
    faulthandler.cancel_dump_traceback_later()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    sys.unraisablehook = usual_hook
