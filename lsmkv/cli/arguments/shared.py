"""What several commands take: formats, ranges, consent, counts."""

from __future__ import annotations

import argparse

from lsmkv.cli.formats import NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence


FORMATS = """\
formats of keys and values: utf8 (as typed), raw, hex, base64, json, i64 and u64
            (8 bytes that sort as the numbers do). The default is what the
            store's codec says: utf8 for bytes and str, hex for tuples and such
"""


# The words of compression= in lsmkv/options.py, which is not imported for a parser.
COMPRESSIONS = ("none", "auto", "lz4", "zstd")


def tables(parser: ArgumentParser) -> None:
    """For what writes tables in number: how. stores.writing() reads it."""
    parser.add_argument(
        "--compression",
        choices=COMPRESSIONS,
        metavar="HOW",
        help="pack tables: one of %(choices)s (default: as the store's tables are)",
    )
    parser.add_argument(
        "--large-value-bytes",
        type=whole,
        metavar="N",
        help="put values of N bytes and more into files of their own (default: only those that are there stay there)",
    )


def key_format(parser: ArgumentParser) -> None:
    parser.add_argument("--key-format", choices=NAMES, metavar="FORMAT", help="one of %(choices)s")


def value_format(parser: ArgumentParser) -> None:
    parser.add_argument("--value-format", choices=NAMES, metavar="FORMAT", help="one of %(choices)s")


def formats(parser: ArgumentParser) -> None:
    key_format(parser)
    value_format(parser)


def span(parser: ArgumentParser, verb: str) -> None:
    parser.add_argument("--start", metavar="KEY", help=f"{verb} from this key on")
    parser.add_argument("--stop", metavar="KEY", help=f"{verb} up to this key, the key itself left out")
    parser.add_argument("--prefix", metavar="KEY", help=f"{verb} the keys that begin with this")


def limit(parser: ArgumentParser) -> None:
    parser.add_argument("--limit", type=whole, metavar="N", help="end after N keys")


def sync(parser: ArgumentParser, what: str) -> None:
    parser.add_argument("--sync", action="store_true", help=f"return only when {what} on the disk")


def consent(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def target(parser: ArgumentParser, choices: Sequence[str], default: str) -> None:
    """Where a command that writes a file writes it, and how."""
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="default: standard output")
    parser.add_argument("--format", choices=choices, help=f"one of %(choices)s (default: {default})", metavar="FORMAT")
    parser.add_argument("--yes", action="store_true", help="replace FILE when it exists")


def skip_damaged(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--skip-damaged", action="store_true", help="leave out what is damaged, name it, and go on; exit code 4"
    )


def namespace(parser: ArgumentParser) -> None:
    parser.add_argument("--namespace", metavar="NAME", help="in this namespace of the store")


def whole(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number") from None
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


def lifetime(text: str) -> float:
    number = in_seconds(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return number


def positive(text: str) -> float:
    number = in_seconds(text)
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return number


def in_seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0") from None
