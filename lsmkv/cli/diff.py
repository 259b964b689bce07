"""diff: what lsmkv.diff() finds, a line each."""

from __future__ import annotations

from contextlib import ExitStack

import lsmkv
from lsmkv.cli import formats
from lsmkv.cli.data import shower, span
from lsmkv.cli.exits import DONE, NEGATIVE
from lsmkv.cli.stores import opened, raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from lsmkv import Difference
    from lsmkv.cli.output import Output

    LineOf: TypeAlias = Callable[[Namespace, Difference], bytes]


MARKS = {"added": b"+", "removed": b"-", "changed": b"~"}
COLOURS = {"added": b"\x1b[32m", "removed": b"\x1b[31m", "changed": b"\x1b[33m"}


def diff(args: Namespace, out: Output) -> int:
    equal = True
    with ExitStack() as stack:
        sides = [stack.enter_context(opened(args)), stack.enter_context(raw(args.other))]
        line: LineOf = object_line if args.json else text_line(args, out)
        ranges = [span(side, args) for side in sides]
        for difference in lsmkv.diff(*ranges):
            equal = False
            out.raw(line(args, difference) + b"\n")
    return DONE if equal else NEGATIVE


def object_line(args: Namespace, difference: Difference) -> bytes:
    from lsmkv.cli.output import dumps

    told = {"kind": difference.kind, **formats.field("key", args.key_format, difference.key)}
    for side in () if args.keys_only else ("old", "new"):
        value = getattr(difference, side)
        shown = {} if value is None else formats.field("value", args.value_format, value)
        told |= {name.replace("value", side): one for name, one in shown.items()}
    return dumps(told)


def text_line(args: Namespace, out: Output) -> LineOf:
    show_key, show_value = shower(args.key_format, out, "key"), shower(args.value_format, out, "value")
    colours, end = (COLOURS, b"\x1b[0m") if out.colour else (dict.fromkeys(COLOURS, b""), b"")

    def line(_: Any, difference: Difference) -> bytes:
        kind, key, *values = difference
        cells = [show_key(key), *(show_value(value) for value in values if value is not None and not args.keys_only)]
        return colours[kind] + MARKS[kind] + b" " + b"\t".join(cells) + end

    return line
