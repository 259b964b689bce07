"""completion: the scripts are run by the shells they are for."""

import json
import shutil
import sys

import pytest

from lsmkv.cli import completion
from lsmkv.cli.catalog import catalog
from lsmkv.cli.parser import ALL

SCRIPTS = {name: getattr(completion, name)(catalog()) for name in ("bash", "zsh", "fish")}


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"needs {shell}")


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_command_prints_the_script(run, shell):
    assert run(sys.executable, "-m", "lsmkv", "completion", shell).stdout == SCRIPTS[shell]
    told = json.loads(run(sys.executable, "-m", "lsmkv", "completion", shell, "--json").stdout)
    assert told == {"shell": shell, "script": SCRIPTS[shell]}


@pytest.mark.parametrize("shell", SCRIPTS)
def test_every_command_and_option_is_in_it(shell):
    for command in catalog():
        for word in (command.name, *command.others, *(option.flag.lstrip("-") for option in command.options)):
            assert word in SCRIPTS[shell]


@pytest.mark.parametrize("shell", [pytest.param(shell, marks=needs(shell)) for shell in SCRIPTS])
def test_the_shell_understands_it(run, tmp_path, shell):
    (tmp_path / "script").write_text(SCRIPTS[shell])
    done = run(shell, "-n", tmp_path / "script")
    assert not done.stdout and not done.stderr


@pytest.fixture
def offered(run, tmp_path):
    """offered(*words) -> what bash offers for the last of the words after lsmkv."""
    (tmp_path / "script").write_text(SCRIPTS["bash"])
    (tmp_path / "data base").mkdir()
    (tmp_path / "file.csv").write_text("")
    code = 'source ./script; COMP_WORDS=(lsmkv "$@"); COMP_CWORD=$#; _lsmkv; printf "%s\\n" "${COMPREPLY[@]}"'

    def complete(*words):
        done = run("bash", "--norc", "-c", code, "bash", *words)
        assert not done.stderr
        return done.stdout.split("\n")[:-1] if done.stdout != "\n" else []

    return complete


@needs("bash")
def test_bash_completes_commands(offered):
    assert offered("ge") == ["get"] and offered("e") == ["exists", "export", "explain"]
    assert set(ALL) < set(offered(""))


@needs("bash")
def test_bash_completes_options_and_their_words(offered):
    assert offered("get", "db", "--k") == ["--key-format"]
    assert offered("rm", "db", "--dry") == ["--dry-run"]
    assert offered("scan", "db", "--key-format", "b") == ["base64"]
    assert offered("dump", "db", "--format", "") == ["lsmkv", "mdb"]
    assert offered("scan", "db", "--limit", "") == []
    assert offered("completion", "f") == ["fish"]


@needs("bash")
def test_bash_completes_directories_and_files(offered):
    assert offered("get", "d") == ["data base"] and offered("diff", "a", "d") == ["data base"]
    assert offered("import", "db", "f") == ["file.csv"] and offered("import", "f") == []
    assert offered("get", "db", "") == []  # a key is nobody's guess


@needs("bash")
def test_bash_knows_who_completes(run, tmp_path):
    (tmp_path / "script").write_text(SCRIPTS["bash"])
    assert run("bash", "--norc", "-c", "source ./script; complete -p lsmkv").stdout == "complete -F _lsmkv lsmkv\n"


@needs("fish")
def test_fish_completes(run, tmp_path):
    (tmp_path / "script").write_text(SCRIPTS["fish"])
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TERM": "dumb"}

    def offered(line):
        said = run("fish", "--no-config", "-c", "source ./script; complete -C $argv[1]", line, env=home).stdout
        return [row.split("\t")[0] for row in said.splitlines()]

    assert "export" in offered("lsmkv ex") and offered("lsmkv ge") == ["get"]
    assert offered("lsmkv get db --key-f") == ["--key-format"]
    assert offered("lsmkv get db --key-format b") == ["base64"]


@needs("zsh")
def test_zsh_loads_it(run, tmp_path):
    (tmp_path / "_lsmkv").write_text(SCRIPTS["zsh"])
    code = "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; print -- $_comps[lsmkv]"
    assert run("zsh", "-f", "-c", code).stdout == "_lsmkv\n"
