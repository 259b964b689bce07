"""shell: the commands at a prompt, for one store.

    lines from a terminal   prompt, history, Tab; a command that fails is no reason to leave
    lines from a pipe       no prompt; the first command that fails ends the shell with its exit code

Every command opens the store and closes it again, so a prompt that waits keeps no other process out.
"""

from __future__ import annotations

import os
import sys

from lsmkv.cli.exits import DONE, NEGATIVE, USAGE
from lsmkv.cli.main import answer, said
from lsmkv.cli.output import printable, say
from lsmkv.cli.parser import GROUPS, build_parser, canonical
from lsmkv.cli.words import split
from lsmkv.report.text import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from lsmkv.cli.output import Output


COMMANDS = (
    *(name for name in GROUPS["data"] if name != "batch"),  # which would read the lines meant for the shell
    *GROUPS["inspect"],
    *(name for name in GROUPS["upkeep"] if name != "destroy"),
)
LEAVE = ("quit", "exit")


def shell(args: Namespace, out: Output) -> int:
    session = Session(args.db, args.json)
    if sys.stdin.isatty() and out.terminal:
        return at_a_terminal(session)
    return from_a_pipe(session)


class Session:
    """One store, and the parser of what can be done with it here."""

    def __init__(self, path: str, json: bool = False) -> None:
        self.path, self.json = path, json
        self.parser = build_parser(COMMANDS, shell=True)

    def perform(self, line: str) -> int | None:
        """Do what a line says: an exit code, or None when it says to leave."""
        try:
            words = split(line)
        except ValueError as error:
            say(f"lsmkv shell: {error}")
            return USAGE
        if not words or words[0].startswith("#"):
            return DONE
        if words[0] in LEAVE:
            return None
        if words[0] == "help":
            return self.help(words[1:])
        if canonical(words[0]) not in COMMANDS:
            say(f"lsmkv shell: there is no command '{words[0]}' here. Try: help")
            return USAGE
        return self.run(words)

    def run(self, words: Sequence[str]) -> int:
        try:
            args = self.parser.parse(words)
        except SystemExit as stop:
            return said(int(stop.code or DONE))
        args.db, args.json = self.path, args.json or self.json
        return answer(args)

    def help(self, words: Sequence[str]) -> int:
        if words and canonical(words[0]) in COMMANDS:
            return self.run([words[0], "--help"])
        from lsmkv.cli.catalog import catalog

        rows = [(command.form, command.summary) for command in catalog(COMMANDS, shell=True)]
        rows += [("help [COMMAND]", "tell more about a command"), ("quit", "leave; Ctrl-D does it too")]
        print("\n".join(columns(rows, "<<", indent="")))
        return said(DONE)


def from_a_pipe(session: Session) -> int:
    for number, line in enumerate(sys.stdin.buffer, 1):
        code = session.perform(os.fsdecode(line))
        if code is None:
            break
        if code not in (DONE, NEGATIVE):
            say(f"lsmkv shell: ended by line {number}")
            return code
    return DONE


def at_a_terminal(session: Session) -> int:
    from lsmkv.cli.line import Line

    if not os.path.exists(session.path):
        say(f"There is no store at {session.path} yet; the first put makes it.")
    say("help lists the commands, Ctrl-D leaves.")
    prompt = f"{printable(os.path.basename(os.path.abspath(session.path)))}> "
    with Line(session, COMMANDS) as line:
        while True:
            try:
                code = session.perform(line.read(prompt))
            except KeyboardInterrupt:
                print()
                continue
            except EOFError:
                print()
                return DONE
            if code is None:
                return DONE
