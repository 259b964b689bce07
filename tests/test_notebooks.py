"""The notebooks in examples/ run from top to bottom and show what they say they do."""

import sys

import pytest


def test_first_steps(source_tree, run):
    pytest.importorskip("nbclient", reason="needs nbclient: pip install 'lsmkv[test]'")
    pytest.importorskip("ipykernel", reason="needs ipykernel: pip install 'lsmkv[test]'")
    run(sys.executable, source_tree / "tools/notebook.py", "--check", source_tree / "examples/first_steps.ipynb")


def test_a_notebook_holds_nothing_of_the_machine_it_ran_on(source_tree):
    import json

    notebook = json.loads((source_tree / "examples/first_steps.ipynb").read_text("utf-8"))
    assert notebook["metadata"] == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for cell in notebook["cells"]:
        assert cell["metadata"].keys() <= {"tags"}
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error" and "/tmp" not in json.dumps(output)
