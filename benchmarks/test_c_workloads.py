"""The programs in benchmarks/c, linked with liblsmkv.a: what the design rests on, measured without Python.

LMDB is built in when its header and library are found: by the compiler alone, or with what BENCH_CFLAGS says.
"""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).parent / "c"
LEAST = 20_000  # fewer records say nothing


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """build(name) -> the program."""
    subprocess.run(["make", "-s", "-C", ROOT / "csrc", "lib"], check=True)
    where = tmp_path_factory.mktemp("programs")
    compiler = shlex.split(os.environ.get("CC", "cc"))
    given = shlex.split(os.environ.get("BENCH_CFLAGS", ""))

    def compiled(source, out, *words):
        plain = [
            "-std=c11",
            "-D_GNU_SOURCE",
            "-O2",
            "-g",
            "-Wall",
            "-Wextra",
            f"-I{ROOT / 'csrc/include'}",
            f"-I{ROOT / 'csrc'}",
        ]
        command = [*compiler, *plain, source, "-o", out, *words]
        return subprocess.run(command, capture_output=True, text=True)

    probe = where / "probe.c"
    probe.write_text("#include <lmdb.h>\nint main(void) { return mdb_version(0, 0, 0) == 0; }\n")
    lmdb = [*given, "-llmdb"]
    lmdb = ["-DWITH_LMDB", *lmdb] if compiled(probe, where / "probe", *lmdb).returncode == 0 else []

    private = (ROOT / "build/c/release/lsmkv.pc").read_text().partition("Libs.private:")[2].partition("\n")[0].split()

    def program(name):
        out = where / name
        done = compiled(HERE / f"{name}.c", out, ROOT / "build/c/release/liblsmkv.a", *lmdb, *private)
        assert done.returncode == 0, done.stderr
        return out

    return program


@pytest.mark.parametrize("name", sorted(source.stem for source in HERE.glob("*.c")))
def test_program(round, name, build, results, asked, folder):
    done = subprocess.run([build(name), folder, str(max(asked.records, LEAST))], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, f"{name} failed: its words are above"
    for line in done.stdout.splitlines():
        table, row, column, figure = line.split("\t")
        results.add(f"from C: {table}", row, column, float(figure))
