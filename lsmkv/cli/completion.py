"""completion: scripts for bash, zsh and fish, made from the same parsers that read the command line.

What is completed: commands, options, the words an option can be, directories for DB and OTHER, files for FILE.
"""

from __future__ import annotations

from lsmkv.cli.catalog import catalog
from lsmkv.cli.exits import DONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from lsmkv.cli.catalog import Command
    from lsmkv.cli.output import Output


DIRECTORIES, FILES = ("DB", "OTHER", "DIR"), ("FILE",)


def completion(args: Namespace, out: Output) -> int:
    script = {"bash": bash, "zsh": zsh, "fish": fish}[args.shell](catalog())
    if args.json:
        out.object({"shell": args.shell, "script": script})
    else:
        out.raw(script.encode())
    return DONE


def every_name(commands: Sequence[Command]) -> list[str]:
    return [name for command in commands for name in (command.name, *command.others)]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# ---- bash ---------------------------------------------------------------------------------------

BASH = """\
# lsmkv completion for bash:  source <(lsmkv completion bash)
_lsmkv() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options= first= rest=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "@NAMES@ --help --version" -- "$current")
        return
    fi
    case ${COMP_WORDS[1]} in
@COMMANDS@
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return
    fi
    ((COMP_CWORD > 2)) && first=$rest
    _lsmkv_words "$first" "$current"
}
_lsmkv_words() {
    case $1 in
    directories) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
    files) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2") ;;
    esac
}
complete -F _lsmkv lsmkv
"""


def bash(commands: Sequence[Command]) -> str:
    cases = "\n".join(bash_case(command) for command in commands)
    return BASH.replace("@NAMES@", " ".join(every_name(commands))).replace("@COMMANDS@", cases)


def bash_case(command: Command) -> str:
    lines = [f"    {'|'.join((command.name, *command.others))})"]
    valued = [option for option in command.options if option.value is not None]
    if valued:
        lines.append("        case $before in")
        for option in valued:
            words = candidates(option.value, option.choices)
            lines.append(f'        {option.flag}) _lsmkv_words "{words}" "$current"; return ;;')
        lines.append("        esac")
    kinds = [candidates(operand.name, operand.choices) for operand in command.operands]
    lines.append(f'        options="{" ".join(option.flag for option in command.options)}"')
    lines.append(f'        first="{kinds[0] if kinds else ""}" rest="{kinds[1] if kinds[1:] else ""}" ;;')
    return "\n".join(lines)


def candidates(name: str, choices: Sequence[str]) -> str:
    """What can stand there: words, or the word for names of files; nothing when anything can."""
    return " ".join(choices) or ("directories" if name in DIRECTORIES else "files" if name in FILES else "")


# ---- zsh ----------------------------------------------------------------------------------------

ZSH = """\
#compdef lsmkv
# lsmkv completion for zsh:  lsmkv completion zsh > DIRECTORY/_lsmkv, with DIRECTORY in $fpath
_lsmkv() {
    local -a commands
    commands=(
@NAMES@
    )
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    shift words
    ((CURRENT--))
    case $words[1] in
@COMMANDS@
    esac
}
if [[ $funcstack[1] == _lsmkv ]]; then _lsmkv "$@"; else compdef _lsmkv lsmkv; fi
"""


def zsh(commands: Sequence[Command]) -> str:
    names = [
        f"        {quoted(name + ':' + zsh_text(command.summary))}"
        for command in commands
        for name in (command.name, *command.others)
    ]
    cases = "\n".join(zsh_case(command) for command in commands)
    return ZSH.replace("@NAMES@", "\n".join(names)).replace("@COMMANDS@", cases)


def zsh_case(command: Command) -> str:
    specs = []
    for option in command.options:
        value = f":{option.value}:{zsh_action(option.value, option.choices)}" if option.value is not None else ""
        specs.append(f"{option.flag}[{zsh_text(option.help)}]{value}")
    for at, operand in enumerate(command.operands, 1):
        last = at == len(command.operands) and at > 1
        specs.append(f"{'*' if last else at}:{operand.name}:{zsh_action(operand.name, operand.choices)}")
    lines = " \\\n".join(f"            {quoted(spec)}" for spec in specs)
    return f"    {'|'.join((command.name, *command.others))})\n        _arguments \\\n{lines} ;;"


def zsh_text(text: str) -> str:
    return text.replace("[", "(").replace("]", ")").replace(":", "\\:")


def zsh_action(name: str, choices: Sequence[str]) -> str:
    words = candidates(name, choices)
    return {"directories": "_files -/", "files": "_files", "": "()"}.get(words) or f"({words})"


# ---- fish ---------------------------------------------------------------------------------------


def fish(commands: Sequence[Command]) -> str:
    lines = [
        "# lsmkv completion for fish:  lsmkv completion fish > ~/.config/fish/completions/lsmkv.fish",
        "complete -c lsmkv -f",
    ]
    for command in commands:
        for name in (command.name, *command.others):
            lines.append(f"complete -c lsmkv -n __fish_use_subcommand -a {name} -d {fish_text(command.summary)}")
        seen = f"-n '__fish_seen_subcommand_from {' '.join((command.name, *command.others))}'"
        for option in command.options:
            value = "" if option.value is None else fish_value(option.value, option.choices)
            lines.append(f"complete -c lsmkv {seen} -l {option.flag[2:]}{value} -d {fish_text(option.help)}")
        kinds = {candidates(operand.name, operand.choices) for operand in command.operands}
        for kind in sorted(kinds - {""}):
            lines.append(f"complete -c lsmkv {seen}{fish_operand(kind)}")
    return "\n".join(lines) + "\n"


def fish_value(name: str, choices: Sequence[str]) -> str:
    words = candidates(name, choices)
    files = {"directories": " -x -a '(__fish_complete_directories)'", "files": " -r -F", "": " -x"}
    return files.get(words) or f" -x -a {quoted(words)}"


def fish_operand(kind: str) -> str:
    return {"directories": " -a '(__fish_complete_directories)'", "files": " -F"}.get(kind) or f" -a {quoted(kind)}"


def fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
