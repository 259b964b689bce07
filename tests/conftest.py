"""What every test may ask for. Tests import nothing from one another, only what tests/model has for them, so they also
run from a copy outside the checkout, against an installed lsmkv; what needs the sources asks for `source_tree`."""

import subprocess
import sys
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
