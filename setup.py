"""Builds lsmkv._core from the files csrc/SOURCES finds. What needs no code is in pyproject.toml.

Understood in the environment:
    LSMKV_WERROR=1            a warning ends the build
    LSMKV_SANITIZE=a,b        build under these sanitizers, assertions on
    LSMKV_NO_COMPRESSION=1    leave lz4 and zstd out although they are there
    LSMKV_FAULTS=1            calls of the Python API can be made to fail: tests/faults
"""

import fcntl
import hashlib
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

if sys.platform != "linux" or sys.maxsize < 2**32 or sys.byteorder != "little":
    bits = 64 if sys.maxsize > 2**32 else 32
    raise SystemExit(
        "lsmkv builds on 64-bit little-endian Linux only, for now: its files and its memory mappings rely on it. "
        f"This is {sys.platform}, {bits} bits, {sys.byteorder}-endian."
    )

CSRC = Path("csrc")  # setuptools runs this file in its own folder
PATTERNS = dict(
    line.split(None, 1) for line in (CSRC / "SOURCES").read_text().splitlines() if line[:1] not in ("", "#")
)


def found(*lists):
    return sorted(str(path) for name in lists for pattern in PATTERNS[name].split() for path in CSRC.glob(pattern))


SOURCES = found("engine", "python")
HEADERS = sorted(str(path) for path in CSRC.glob("*/*.h"))
VERSION = re.search(r'^#define LSMKV_VERSION "(.*)"', (CSRC / "include/lsmkv.h").read_text(), re.M)[1]


def build_stamp():
    """Version and a hash of what is built: the same for the same sources, wherever they are. csrc/Makefile agrees."""
    listing = hashlib.sha256()
    for path in sorted(Path(path).relative_to(CSRC).as_posix() for path in SOURCES + HEADERS):
        listing.update(f"{hashlib.sha256((CSRC / path).read_bytes()).hexdigest()}  {path}\n".encode())
    return f"{VERSION}+{listing.hexdigest()[:12]}"


def has_library(name):
    try:
        return subprocess.run(["pkg-config", "--exists", name], stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


def link_library(name):
    """The archive when there is one: then the extension needs nothing at run time."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    asked = ["pkg-config", "--variable=libdir", name], [*compiler, f"-print-file-name={name}.a"]
    told = [subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() for words in asked]
    archives = [Path(told[0], f"{name}.a"), Path(told[1])]  # Debian's libzstd.pc names a folder it is not in
    return next((str(path) for path in archives if path.exists()), "-l" + name.removeprefix("lib"))


sanitize = os.environ.get("LSMKV_SANITIZE", "")
macros = [("_GNU_SOURCE", "1"), ("LSMKV_BUILD_STAMP", f'"{build_stamp()}"')]
packers = [] if os.environ.get("LSMKV_NO_COMPRESSION") else [n for n in ("lz4", "zstd") if has_library(f"lib{n}")]
macros += [(f"LSMKV_HAVE_{name.upper()}", "1") for name in packers]
include_dirs, further_sources, exports = [str(CSRC)], [], CSRC / "exports-core.map"
if os.environ.get("LSMKV_FAULTS") == "1":
    faults = Path("tests/faults")
    include_dirs.insert(0, str(faults / "include"))  # its Python.h comes before the real one
    further_sources, exports = sorted(str(path) for path in faults.glob("*.c")), faults / "exports.map"
    macros.append(("LSMKV_FAULTS", "1"))
compile_args = [
    *("-std=c11", "-O2", "-pthread", "-fvisibility=hidden", "-fno-semantic-interposition"),
    *("-Wall", "-Wextra", "-MMD", "-fstack-protector-strong", "-U_FORTIFY_SOURCE"),
]
link_args = [link_library(f"lib{name}") for name in packers]
link_args += ["-pthread", "-Wl,-z,relro,-z,now", f"-Wl,--version-script={exports}"]
if sanitize:
    instrument = [f"-fsanitize={sanitize}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
    compile_args += ["-g", "-UNDEBUG", *instrument]
    link_args += instrument
else:
    compile_args += ["-DNDEBUG", "-D_FORTIFY_SOURCE=2"]
if os.environ.get("LSMKV_WERROR") == "1":
    compile_args.append("-Werror")


class BuildExt(build_ext):
    """Compiles the files side by side, and only those whose source or headers are newer than their object.

    Objects of different Pythons and flags live in different folders below build/, so switching back and
    forth compiles nothing twice and mixes nothing up. One build at a time.
    """

    def finalize_options(self):
        super().finalize_options()
        flags = repr((compile_args, [macro for macro in macros if macro[0] != "LSMKV_BUILD_STAMP"], sys.version))
        digest = hashlib.sha256(flags.encode()).hexdigest()[:8]
        self.build_temp = f"build/python/{sys.implementation.cache_tag}-{digest}"
        self.force = True  # linking is always done: it is quick, and the flags may have changed

    def build_extensions(self):
        compile_one = self.compiler.compile

        def compile_all(sources, output_dir=None, **rest):
            objects = self.compiler.object_filenames(sources, output_dir=output_dir)
            stale = [source for source, made in zip(sources, objects, strict=True) if is_stale(source, Path(made))]
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(lambda source: compile_one([source], output_dir=output_dir, **rest), stale))
            return objects

        self.compiler.compile = compile_all
        Path(self.build_temp).mkdir(parents=True, exist_ok=True)
        with open(Path(self.build_temp, "lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            super().build_extensions()


def is_stale(source, made):
    notes = made.with_suffix(".d")  # what the compiler read for it
    if not made.exists() or not notes.exists():
        return True
    inputs = notes.read_text().replace("\\\n", " ").split(":", 1)[1].split()
    if "LSMKV_BUILD_STAMP" in Path(source).read_text():
        inputs += SOURCES + HEADERS
    born = made.stat().st_mtime_ns
    return any(not os.path.exists(path) or os.stat(path).st_mtime_ns >= born for path in inputs)


setup(
    version=VERSION,
    license="MIT",
    ext_modules=[
        Extension(
            "lsmkv._core",
            sources=SOURCES + further_sources,
            depends=HEADERS,
            include_dirs=include_dirs,
            define_macros=macros,
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
    ],
    cmdclass={"build_ext": BuildExt},
)
