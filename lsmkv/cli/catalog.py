"""The commands as plain data, read off their parsers: for completion, for the shell's Tab, and for docs/cli.md."""

from __future__ import annotations

import argparse
from collections import namedtuple

from lsmkv.cli.parser import ALL, GROUPS, Parser, build_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence
    from typing import Any


Command = namedtuple("Command", "name others group form summary operands options tells examples")
Option = namedtuple("Option", "flag value choices help")  # value: the name of what follows the flag, or None
Operand = namedtuple("Operand", "name choices help")  # name as in the form: DB, KEY, FILE ...


def catalog(names: Sequence[str] = ALL, shell: bool = False) -> list[Command]:
    """A Command for each name, in the order of the overview."""
    parsers = subparsers(build_parser(names, shell))
    return [
        described(parsers[name], name, others, group)
        for group, members in GROUPS.items()
        for name, others in members.items()
        if name in names
    ]


def subparsers(parser: ArgumentParser) -> dict[str, Any]:
    """{name: parser}, other names included."""
    return next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))


def described(parser: Parser, name: str, others: Sequence[str], group: str) -> Command:
    options, operands = [], []
    for action in parser._actions:
        text = parser._get_formatter()._expand_help(action) if action.help else ""
        choices = tuple(action.choices or ())
        if action.option_strings:
            value = None if action.nargs == 0 else action.metavar or action.dest.upper()
            options.append(Option(action.option_strings[-1], value, choices, text))
        else:
            operands.append(Operand(action.metavar or action.dest, choices, text))
    return Command(name, others, group, parser.form, parser.summary, operands, options, parser.tells, parser.examples)
