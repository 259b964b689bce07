"""The C library as a stranger meets it: installed, found by pkg-config, used by a program of ten lines."""

import re
import shutil
import subprocess

import pytest


@pytest.fixture(scope="session")
def prefix(source_tree, tmp_path_factory):
    """The library, installed somewhere."""
    prefix = tmp_path_factory.mktemp("usr")
    make = subprocess.run(
        ["make", "-s", "-C", source_tree / "csrc", "install", f"PREFIX={prefix}"], capture_output=True, text=True
    )
    assert make.returncode == 0, make.stdout + make.stderr
    return prefix


@pytest.fixture
def flags(prefix, run):
    """flags(...) -> what pkg-config answers about lsmkv."""
    if not shutil.which("pkg-config"):
        pytest.skip("pkg-config is not on this machine")
    where = {"PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig"), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    return lambda *asked: run("pkg-config", *asked, "lsmkv", env=where).stdout.split()


def symbols(run, *command):
    return {line.split()[-1].split("@")[0] for line in run("nm", *command).stdout.splitlines() if " " in line}


def test_what_is_installed(prefix, flags, source_tree):
    there = {path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if not path.is_dir()}
    assert there == {
        "include/lsmkv.h",
        "lib/liblsmkv.a",
        "lib/liblsmkv.so",
        "lib/liblsmkv.so.0",
        "lib/pkgconfig/lsmkv.pc",
    }
    header = (source_tree / "csrc/include/lsmkv.h").read_text()
    assert flags("--modversion") == re.findall(r'#define LSMKV_VERSION "(.*)"', header)


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_ten_lines(prefix, flags, source_tree, run, tmp_path, kind):
    program, store = tmp_path / "ten_lines", tmp_path / "fruit.db"
    found = flags("--cflags", "--libs", *(["--static"] if kind == "static" else []))
    if kind == "static":
        found = [str(prefix / "lib/liblsmkv.a") if word == "-llsmkv" else word for word in found]
    strict = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    run("cc", *strict, source_tree / "examples/ten_lines.c", "-o", program, *found)
    for _ in range(2):  # made, then opened again
        done = run(program, store, env={"LD_LIBRARY_PATH": str(prefix / "lib")} if kind == "shared" else {})
        assert (done.stdout, done.stderr) == ("apple is red\n", "")
    (tmp_path / "file").write_text("not a directory")
    done = run(program, tmp_path / "file", status=1, env={"LD_LIBRARY_PATH": str(prefix / "lib")})
    assert done.stderr.strip(), "a failure says what is wrong"


def test_the_readme_shows_the_program(source_tree):
    program = (source_tree / "examples/ten_lines.c").read_text()
    code = program[program.index("#include") :].strip()
    assert code in (source_tree / "README.md").read_text(), "README.md and examples/ten_lines.c differ"


def test_only_the_public_names_show(prefix, run):
    shown = symbols(run, "-D", "--defined-only", prefix / "lib/liblsmkv.so")
    assert "lsmkv_open" in shown
    assert not {name for name in shown if not name.startswith("lsmkv_")}


def test_every_declared_call_exists(prefix, run, source_tree):
    header = (source_tree / "csrc/include/lsmkv.h").read_text()
    declared = set(re.findall(r"LSMKV_API [^;]*?\b(lsmkv_\w+)\(", header))
    assert len(declared) > 50
    assert declared - symbols(run, "-D", "--defined-only", prefix / "lib/liblsmkv.so") == set()


def test_the_header_is_also_cplusplus(source_tree, run, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("no C++ compiler on this machine")
    (tmp_path / "one.cc").write_text("#include <lsmkv.h>\nint main() { return lsmkv_last_error()->status; }\n")
    run("g++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{source_tree / 'csrc/include'}", "one.cc")


def test_the_library_never_prints_or_exits(prefix, run):
    """It has no call for either in it, wherever the code path would be."""
    wanted = symbols(run, "-D", "--undefined-only", prefix / "lib/liblsmkv.so")
    assert not wanted & {"printf", "puts", "putchar", "fprintf", "perror", "exit", "_exit", "stdout", "stderr"}
    assert not wanted & {"__printf_chk", "__fprintf_chk", "signal", "sigaction", "setlocale", "system", "popen"}
