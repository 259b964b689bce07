"""What every test may ask for. Tests import nothing from one another, only what tests/model has for them, so they also
run from a copy outside the checkout, against an installed lsmkv; what needs the sources asks for `source_tree`."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).resolve().parent))  # for tests/model, however pytest imports


@pytest.fixture
def path(tmp_path):
    """Where a store may be made; nothing is there yet."""
    return tmp_path / "store"


@pytest.fixture(scope="session")
def source_tree():
    """The checkout."""
    if not (ROOT / "csrc" / "SOURCES").is_file():
        pytest.skip("needs the source tree: these tests run from a copy of tests/ alone")
    return ROOT


@pytest.fixture
def run(tmp_path):
    """run(*command) -> CompletedProcess with text; the test fails, with all that was said, if it ends otherwise."""

    def call(*command, status=0, timeout=60, **rest):
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
def interrupt_latency():
    """interrupt_latency(action) -> seconds from a signal to its handler, while the main thread is in action(). That is
    repeated until it is interrupted; usual: how long it takes, for one that never ends by itself.

    The timer asks nobody: a loop that keeps the interpreter lock is found out too. What is late because the machine is
    busy is not late each time, so the best of five counts."""
    handled = []

    def handler(*_):
        handled.append(time.perf_counter())
        raise KeyboardInterrupt

    def once(action, after):
        before, due = len(handled), time.perf_counter() + after
        signal.setitimer(signal.ITIMER_REAL, after)
        try:
            while len(handled) == before:  # it may come where nothing can be raised: a destructor, gc.callbacks
                action()
        except KeyboardInterrupt:
            pass
        return handled[-1] - due

    def measure(action, usual=None):
        if usual is None:
            began = time.perf_counter()
            action()
            usual = time.perf_counter() - began
        return max(min(tries(action, usual * part)) for part in (0.1, 0.5, 0.8))

    def tries(action, after):
        for _ in range(5):
            latency = once(action, after)
            yield latency
            if latency < 0.1:
                return

    def unraisable(what):
        if what.exc_type is not KeyboardInterrupt:
            usual_hook(what)

    before, usual_hook = signal.signal(signal.SIGALRM, handler), sys.unraisablehook
    sys.unraisablehook = unraisable
    yield measure
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    sys.unraisablehook = usual_hook
