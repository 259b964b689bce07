"""The rule that a lane which ran fewer cases than its floor has failed."""

import importlib.util

import pytest


@pytest.fixture(scope="module")
def families(source_tree):
    spec = importlib.util.spec_from_file_location("families", source_tree / "tools/families.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ROW = "change T1 1000 60 release lab_crash --images 1000"


@pytest.mark.parametrize(
    "status, output, wrong",
    [
        (0, "hello\nT1: 1000 cases, 0 violations\n", ""),
        (0, "T1: 5000 cases, 0 violations, 12 s\n", ""),
        (0, "T1: 999 cases, 0 violations\n", "below the floor"),
        (0, "T1: 5000 cases, 1 violations\n", "1 violations"),
        (0, "T1: 5000 cases, 0 violations\nT1: 5 cases, 0 violations\n", "below the floor"),
        (0, "T2: 5000 cases, 0 violations\n", "no result line"),
        (0, "", "no result line"),
        (1, "T1: 5000 cases, 0 violations\n", "status 1"),
        (124, "T1: 5000 cases, 0 violations\n", "status 124"),
    ],
)
def test_judgement(families, status, output, wrong):
    (row,) = families.read_table(f"# a comment\n\n{ROW}\n")
    _, said = families.judge(row, status, output)
    assert (wrong in said) if wrong else said == ""


def test_the_table_can_be_read_and_names_what_exists(families, source_tree):
    rows = families.read_table(families.TABLE.read_text())
    for row in rows:
        assert row.tier in ("change", "lab")
        assert row.floor > 0 and row.seconds > 0
        if row.build == "python":
            assert row.command[0] == "-m" or (source_tree / row.command[0]).is_file()
        else:
            assert row.build in families.VARIANTS
            assert (source_tree / "tests/c" / f"{row.command[0]}.c").is_file()
