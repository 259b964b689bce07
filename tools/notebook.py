"""Runs a notebook from top to bottom: python tools/notebook.py [--check] NOTEBOOK

Without --check the outputs are written into the file, tidy: no times, no versions of whoever ran it. With --check
nothing is written; it fails when a cell raises, or when text that a cell puts out is not what the file holds. Cells
tagged "varies" are only run: what they show rests on a random number that each store draws, or on the clock.
"""

import argparse
import difflib
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TEXT = ("text/plain", "text/markdown")


def run(notebook, folder):
    """Executes it in place."""
    client = NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    return tidy(notebook)


def tidy(notebook):
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for cell in notebook.cells:
        cell.metadata = {name: value for name, value in cell.metadata.items() if name == "tags"}
        cell.get("outputs", [])[:] = joined(cell.get("outputs", []))
    return notebook


def joined(outputs):
    """What was written to one stream in a row comes in as many pieces as it liked."""
    made = []
    for output in outputs:
        if made and output.output_type == made[-1].output_type == "stream" and output.name == made[-1].name:
            made[-1].text += output.text
        else:
            made.append(output)
    return made


def text_of(cell):
    """The lines a cell puts out."""
    said = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            said += output.text.splitlines()
        elif output.output_type == "error":
            said.append(f"{output.ename}: {output.evalue}")
        else:
            said += [line for kind in TEXT for line in output.data.get(kind, "").splitlines()]
    return said


def differences(before, after):
    told = []
    for number, (old, new) in enumerate(zip(before.cells, after.cells, strict=True), 1):
        if "varies" not in old.metadata.get("tags", []):
            there, now = f"cell {number} in the file", f"cell {number} now"
            told += difflib.unified_diff(text_of(old), text_of(new), there, now, lineterm="")
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("notebook", type=Path)
    given = parser.parse_args()
    before = nbformat.read(given.notebook, as_version=4)
    after = run(nbformat.read(given.notebook, as_version=4), given.notebook.parent)
    if not given.check:
        nbformat.write(after, given.notebook)
        return 0
    told = differences(before, after)
    if told:
        print("\n".join(told))
        print(f"If that is as it should be: python tools/notebook.py {given.notebook}")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
