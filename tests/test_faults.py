"""The family of injected failures leaves no call of the Python API out, and has no part in the ordinary build."""

import re
import sys

import pytest

import lsmkv

COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
CALL = re.compile(r"\b(_?Py[A-Za-z]*_\w+)\s*\(|->\s*((?:tp|nb|sq|mp|am|bf)_\w+)\s*\(")


def calls(csrc):
    """name -> where it is called first."""
    found = {}
    for path in sorted(csrc.glob("py/*.[ch]")):
        text = COMMENT_OR_STRING.sub(lambda match: "\n" * match[0].count("\n"), path.read_text())
        for match in CALL.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.setdefault(match[1] or match[2], f"csrc/py/{path.name}:{line}")
    return found


def wrapped(source_tree):
    header = (source_tree / "tests/faults/include/Python.h").read_text()
    return set(re.findall(r"^#define (_?Py[A-Za-z]*_\w+|tp_\w+)\(", header, re.M))


def listed(source_tree):
    lines = (source_tree / "tests/faults/cannot_fail.txt").read_text().splitlines()
    return [name for line in lines if not line.startswith("#") for name in line.split()]


def test_every_call_can_be_made_to_fail_or_cannot(source_tree):
    known = wrapped(source_tree) | set(listed(source_tree))
    unknown = {name: where for name, where in calls(source_tree / "csrc").items() if name not in known}
    assert not unknown, "wrap them in tests/faults/include/Python.h, or say why not in tests/faults/cannot_fail.txt"


def test_nothing_is_both(source_tree):
    names = listed(source_tree)
    assert len(names) == len(set(names)) and not wrapped(source_tree) & set(names)


@pytest.mark.parametrize(
    "text, name",
    [
        ("x = PyNew_Thing (y);", "PyNew_Thing"),
        ("x = _PyNew_Thing(y);", "_PyNew_Thing"),
        ("x = Py_NewThing(y);", "Py_NewThing"),
        ("x = Py_TYPE(y)->tp_iternext(y);", "tp_iternext"),
        ("x = type->tp_as_mapping ->mp_length\n(y);", "mp_length"),
        ('/* PyNew_Thing(y) */ x = "Py_NewThing(y)";', None),
        ("slot = PyNew_Thing;", None),
    ],
)
def test_what_counts_as_a_call(tmp_path, text, name):
    (tmp_path / "py").mkdir()
    (tmp_path / "py/one.c").write_text(text)
    assert set(calls(tmp_path)) - {"Py_TYPE"} == ({name} if name else set())


def test_the_ordinary_build_has_no_faults():
    content = open(lsmkv._core.__file__, "rb").read()
    assert b"PyInit__core" in content and b"lsm_faults" not in content and b"PyInit__faults" not in content


def test_the_swallowed_ones_exist(source_tree):
    sys.path.insert(0, str(source_tree / "tests/faults"))
    try:
        from swallowing import SWALLOWED
    finally:
        del sys.path[0]
    text = "".join(path.read_text() for path in (source_tree / "csrc/py").glob("*.c"))
    for place in SWALLOWED:
        function, call = place.split(":")
        assert re.search(rf"\b{function}\(", text) and call in wrapped(source_tree), place
