"""Which build is under test, and that it is the one meant."""

import importlib.metadata
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

import lsmkv
from lsmkv import _core

STAMP = re.compile(r"\d+\.\d+\.\d+\+[0-9a-f]{12}")


@pytest.fixture(scope="module")
def stamp():
    """The build stamp of the extension, as features() tells it: version and a hash of the C sources."""
    told = [value for value in lsmkv.features().values() if isinstance(value, str) and STAMP.fullmatch(value)]
    assert len(told) == 1, lsmkv.features()
    return told[0]


def test_loaded_from_where_it_is_meant_to_be(stamp):
    """LSMKV_EXPECT_CORE_UNDER names the folder; without it the extension lies in its package."""
    expected = os.environ.get("LSMKV_EXPECT_CORE_UNDER") or Path(lsmkv.__file__).parent
    core = Path(_core.__file__).resolve()
    print(f"lsmkv._core: {core}\nbuild: {stamp}")
    assert core.is_relative_to(Path(expected).resolve()), f"{core} is not below {expected}"


def test_stamp_of_the_sources_that_were_meant(stamp):
    assert stamp == os.environ.get("LSMKV_EXPECT_STAMP", stamp)


def test_stamp_is_of_these_sources(source_tree, run, stamp):
    assert run("make", "-s", "-C", source_tree / "csrc", "stamp").stdout.strip() == stamp, (
        "the extension under test was built from other C sources than these: run `make build`"
    )


def test_one_version(stamp):
    assert stamp.split("+")[0] == importlib.metadata.version("lsmkv")


@pytest.mark.parametrize("library", ["lz4", "zstd"])
def test_features_tell_of_compression(library):
    assert [name for name in lsmkv.features() if library in name]


def test_the_extension_shows_one_symbol_and_is_hardened(run):
    if not shutil.which("nm") or not shutil.which("readelf"):
        pytest.skip("binutils are not on this machine")
    shown = {line.split()[-1] for line in run("nm", "-D", "--defined-only", _core.__file__).stdout.splitlines()}
    assert shown == {"PyInit__core"}
    dynamic = run("readelf", "-Wdl", _core.__file__).stdout
    assert "BIND_NOW" in dynamic or " NOW" in dynamic
    assert "GNU_RELRO" in dynamic
    assert not re.search(r"GNU_STACK.*RWE", dynamic)


def test_the_extension_needs_no_compression_library_at_run_time(run):
    if not shutil.which("readelf") or not shutil.which("cc"):
        pytest.skip("readelf and cc are not both on this machine")
    needed = run("readelf", "-d", _core.__file__).stdout
    for name in ("liblz4", "libzstd"):
        archive = run("cc", f"-print-file-name={name}.a").stdout.strip()
        if not Path(archive).is_absolute():
            pytest.skip(f"there is no {name}.a on this machine to link")
        assert name not in needed


def test_nothing_but_the_standard_library_is_needed(run_python):
    """Importing lsmkv loads no module from outside the standard library, and none that is slow to load."""
    code = "import sys; before = set(sys.modules); import lsmkv; print(*sorted(set(sys.modules) - before))"
    loaded = {name.split(".")[0] for name in run_python(code).stdout.split()}
    assert loaded - set(sys.stdlib_module_names) - {"_sysconfigdata"} == {"lsmkv"}


def test_every_package_is_listed(source_tree):
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11 to read pyproject.toml")
    settings = tomllib.loads((source_tree / "pyproject.toml").read_text())
    there = {path.parent.relative_to(source_tree).as_posix() for path in (source_tree / "lsmkv").rglob("*.py")}
    assert {name.replace("/", ".") for name in there} == set(settings["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize(
    "pretend, named",
    [
        ("sys.platform = 'darwin'", "darwin"),
        ("sys.maxsize = 2**31 - 1", "32 bits"),
        ("sys.byteorder = 'big'", "big-endian"),
    ],
)
def test_other_machines_get_a_sentence(source_tree, run_python, pretend, named):
    pytest.importorskip("setuptools")
    ready = "import runpy, sys, sysconfig; from setuptools.command import build_ext; sysconfig.get_config_vars()"
    code = f"{ready}; {pretend}; sys.argv = ['setup.py', '--version']; runpy.run_path('setup.py')"
    said = run_python(code, status=1, cwd=source_tree).stderr
    assert "64-bit little-endian Linux only" in said and named in said and "Traceback" not in said
