"""The commands there are, and the parser of each. Nothing here imports the engine.

A parser for one command is built from one file of arguments/: the other thirty would only take time.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import sys

from lsmkv.cli.exits import MEANING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn


GROUPS: dict[str, dict[str, tuple[str, ...]]] = {  # group: {command: its other names}
    "data": {
        "put": ("insert", "set"),
        "get": ("retrieve",),
        "delete": ("rm",),
        "exists": (),
        "scan": ("keys", "ls"),
        "incr": (),
        "batch": (),
    },
    "interchange": {"import": (), "export": (), "dump": (), "load": (), "diff": ()},
    "inspect": {"info": (), "stat": (), "levels": (), "tables": (), "explain": (), "options": ()},
    "upkeep": {"flush": (), "compact": (), "verify": (), "destroy": ()},
    "learn": {"demo": (), "shell": ()},
    "about": {"doctor": (), "completion": (), "version": ()},
}
ALL = tuple(name for names in GROUPS.values() for name in names)

PLACES = "DB is the store's directory; @ stands for $LSMKV_DB.\nlsmkv COMMAND --help tells more."

FIRST = """\
first steps:  lsmkv put /tmp/first hello world
              lsmkv get /tmp/first hello
              lsmkv scan /tmp/first
              lsmkv demo
"""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Knows its width: argparse would import shutil to ask for it, for every argument of every command."""

    def __init__(self, prog: str, **_: Any) -> None:
        super().__init__(prog, width=min(terminal_width() - 2, 110))


class Parser(argparse.ArgumentParser):
    commands: dict[str, Parser]  # by every name, of the parser of all
    form = summary = tells = ""  # of a command: "get DB KEY...", "print the value of a key", the rest of its help
    examples: Sequence[str] = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=Formatter, **options)

    def parse(self, words: Sequence[str]) -> Namespace:
        """parse_args, but what is left over is told by the command, with its own help."""
        found, left = self.parse_known_args(words)
        if left:
            command = self.commands[found.command]
            unknown = options_among(left, words)
            shown = ", ".join(printable(repr(word)) for word in unknown or left)
            command.error(f"there is no option {shown}" if unknown else f"{shown}: nothing more is taken")
        return found

    def error(self, message: str) -> NoReturn:
        """A usage error is one line: what is wrong, and how to see the right way."""
        self.exit(2, f"{self.prog}: {message}. Try: {self.prog} --help\n")


def options_among(left: Sequence[str], words: Sequence[str]) -> list[str]:
    """Those of the words left over that were meant as options: what follows `--`, and a lone dash, are not."""
    meant = words[: words.index("--")] if "--" in words else words
    return [word for word in left if word.startswith("-") and len(word) > 1 and word in meant]


class Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="show the version and end")

    def __call__(self, parser: ArgumentParser, *_: Any) -> None:
        from lsmkv.cli.meta import version_line

        print(version_line())
        parser.exit(0)


class Declare:
    """Makes a subparser for a form like "get DB KEY...": what is called, and the order of what follows.

    At the prompt of `lsmkv shell` (shell=True) there is one store, so DB is left out.
    """

    def __init__(self, commands: Any, shell: bool = False) -> None:
        self.commands, self.shell = commands, shell

    def __call__(
        self, form: str, run: str, summary: str, *, examples: Sequence[str] = (), tells: str = "", db: bool = True
    ) -> Parser:
        name = form.split()[0]
        shown = form.replace(" [DB]", "").replace(" DB", "", 1) if self.shell else f"lsmkv {form}"
        parser: Parser = self.commands.add_parser(
            name,
            aliases=other_names(name),
            prog=name if self.shell else f"lsmkv {name}",
            usage=f"{shown} [options]",
            description=summary[0].upper() + summary[1:] + ".",
            epilog=tells if self.shell else "\n".join(filter(None, [tells, *exemplified(examples)])),
        )
        parser.set_defaults(run=run, prompt=self.shell)
        parser.form, parser.summary, parser.tells, parser.examples = shown, summary, tells, examples
        if db and not self.shell:
            parser.add_argument("db", metavar="DB", help="directory of the store; @ stands for $LSMKV_DB")
        parser.add_argument("--json", action="store_true", help="answer in JSON")
        return parser


def exemplified(examples: Sequence[str]) -> list[str]:
    return ["examples:" if len(examples) > 1 else "example:", *(f"  {example}" for example in examples)]


def build_parser(names: Sequence[str] = ALL, shell: bool = False) -> Parser:
    """The parser of all commands, or of those named."""
    parser = Parser(
        prog="lsmkv",
        usage="lsmkv COMMAND DB ...",
        description="An ordered, persistent key-value store in a directory.\n\n" + overview(),
        epilog=f"{PLACES}\n\n{FIRST}\n{MEANING}",
    )
    parser.add_argument("--version", action=Version)
    commands = parser.add_subparsers(
        prog="lsmkv", dest="command", metavar="COMMAND", required=True, help=argparse.SUPPRESS
    )
    parser.commands = commands.choices
    declare = Declare(commands, shell)
    for group, members in GROUPS.items():
        for name in members:
            if name in names:
                declaration(group, name)(declare)
    return parser


def declaration(group: str, name: str) -> Callable[[Declare], object]:
    module = importlib.import_module(f"lsmkv.cli.arguments.{group}")
    found: Callable[[Declare], object] = getattr(module, name, None) or getattr(module, name + "_")
    return found


def overview() -> str:
    lines = ["commands"]
    for group, members in GROUPS.items():
        words = [f"{name} ({', '.join(others)})" if others else name for name, others in members.items()]
        half = len(words) if len("  ".join(words)) < 62 else len(words) // 2
        lines.append(f"  {group:<13} {'  '.join(words[:half])}")
        if words[half:]:
            lines.append(f"{'':16}{'  '.join(words[half:])}")
    return "\n".join(lines) + "\n"


def other_names(name: str) -> tuple[str, ...]:
    return next(members[name] for members in GROUPS.values() if name in members)


def canonical(word: str) -> str | None:
    """The command called `word`, or None."""
    for members in GROUPS.values():
        for name, others in members.items():
            if word == name or word in others:
                return name
    return None


def parse(argv: Sequence[str]) -> Namespace:
    """The arguments; SystemExit when argparse has said what there was to say."""
    first = argv[0] if argv else ""
    name = canonical(first)
    if name is None and first and not first.startswith("-"):
        unknown(first)
    found: Namespace = build_parser((name,) if name else ALL if argv != ["--version"] else ()).parse(argv)
    return found


def unknown(word: str) -> None:
    import difflib

    every = [*ALL, *(other for name in ALL for other in other_names(name))]
    near = difflib.get_close_matches(word, every, 1)
    hint = f"lsmkv {near[0]}" if near else "lsmkv --help"
    build_parser(()).exit(2, f"lsmkv: there is no command {printable(word)!r}. Try: {hint}\n")


def printable(word: str) -> str:
    return word.encode("utf-8", "backslashreplace").decode()


@functools.cache
def terminal_width() -> int:
    try:
        return int(os.environ.get("COLUMNS", "")) or 80
    except ValueError:
        pass
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (AttributeError, OSError, ValueError):
        return 80
