"""Three real files of 100 000 lines and more through `lsmkv import`; what is not to be had is skipped by name."""

import json
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def results(source_tree, tmp_path_factory):
    import subprocess

    script = source_tree / "tools" / "import_real_files.py"
    folder = tmp_path_factory.mktemp("real")
    command = [sys.executable, script, "--json", "--folder", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580, cwd=folder)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["words", "hardware", "packages"])
def test_a_real_file_comes_in_whole(results, name):
    result = results[name]
    if "skipped" in result:
        pytest.skip(f"{name}: {result['skipped']}")
    assert result["right"] and result["lines"] >= 100_000
