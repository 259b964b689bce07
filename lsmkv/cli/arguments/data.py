"""put, get, delete, exists, scan, incr, batch."""

from __future__ import annotations

from lsmkv.cli.arguments.shared import (
    FORMATS,
    consent,
    formats,
    key_format,
    lifetime,
    limit,
    namespace,
    span,
    sync,
    tables,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lsmkv.cli.parser import Declare


def put(declare: Declare) -> None:
    parser = declare(
        "put DB KEY VALUE" if declare.shell else "put DB KEY [VALUE]",
        "data:put",
        "store a value under a key",
        examples=[
            "lsmkv put fruit.db apple red",
            "lsmkv put fruit.db photo < apple.jpg",
            "lsmkv put fruit.db ticket 4711 --namespace guests --ttl 3600",
        ],
        tells=FORMATS,
    )
    parser.add_argument("key", metavar="KEY", help="the key")
    if declare.shell:
        parser.add_argument("value", metavar="VALUE", help="the value")
    else:
        parser.add_argument("value", metavar="VALUE", nargs="?", help="when left out, all of standard input")
    parser.add_argument(
        "--ttl",
        type=lifetime,
        metavar="SECONDS",
        help="the key is gone after so long; inf: never (default: as its namespace was made)",
    )
    sync(parser, "the value is")
    namespace(parser)
    formats(parser)


def get(declare: Declare) -> None:
    parser = declare(
        "get DB KEY...",
        "data:get",
        "print the value of a key",
        examples=["lsmkv get fruit.db apple", "lsmkv get fruit.db photo > apple.jpg"],
        tells="Into a pipe go the exact bytes of a value and nothing else. Several keys: a\n"
        "line KEY<TAB>VALUE each. Exit code 1: a key is not there.\n\n" + FORMATS,
    )
    parser.add_argument("keys", metavar="KEY", nargs="+", help="the key, or several")
    namespace(parser)
    formats(parser)


def delete(declare: Declare) -> None:
    parser = declare(
        "delete DB [KEY...]",
        "data:delete",
        "delete keys, or a range of keys",
        examples=["lsmkv delete fruit.db apple", "lsmkv delete fruit.db --prefix ban --dry-run"],
        tells="A range needs --yes, or an answer on a terminal. Exit code 1: a named key\nwas not there.\n\n" + FORMATS,
    )
    parser.add_argument("keys", metavar="KEY", nargs="*", help="the key, or several")
    span(parser, "delete")
    parser.add_argument("--all", action="store_true", help="delete every key")
    consent(parser)
    namespace(parser)
    key_format(parser)


def exists(declare: Declare) -> None:
    parser = declare(
        "exists DB KEY",
        "data:exists",
        "tell whether a key is there: exit code 0 yes, 1 no",
        examples=["lsmkv exists fruit.db apple && echo there"],
        tells=FORMATS,
    )
    parser.add_argument("key", metavar="KEY", help="the key")
    namespace(parser)
    key_format(parser)


def scan(declare: Declare) -> None:
    parser = declare(
        "scan DB",
        "data:scan",
        "print keys and values in key order",
        examples=["lsmkv scan fruit.db --prefix b", "lsmkv keys fruit.db --reverse --limit 10"],
        tells="A line KEY<TAB>VALUE each; under the names keys and ls a line KEY each. Keys\n"
        "and values that hold tabs or line ends are told apart with --json,\n"
        "--key-format and --value-format, or lsmkv export.\n\n" + FORMATS,
    )
    span(parser, "scan")
    parser.add_argument("--reverse", action="store_true", help="last key first")
    limit(parser)
    parser.add_argument("--keys-only", action="store_true", help="leave the values out")
    parser.add_argument("--count", action="store_true", help="only print how many keys there are")
    namespace(parser)
    formats(parser)


def incr(declare: Declare) -> None:
    parser = declare(
        "incr DB KEY [DELTA]",
        "data:incr",
        "add to the number under a key, and print the sum",
        examples=["lsmkv incr fruit.db apples", "lsmkv incr fruit.db apples -5"],
        tells="A key that is not there counts as 0. The number is kept as decimal text where\n"
        "values are bytes or text, else as the store's codec does. Nothing that others\n"
        "write at the same time is lost.\n\n" + FORMATS,
    )
    parser.add_argument("key", metavar="KEY", help="the key")
    parser.add_argument("delta", metavar="DELTA", nargs="?", default="1", help="default: 1")
    namespace(parser)
    key_format(parser)


OPERATIONS = """\
operations, one a line, with words quoted as in a shell ('two words', "it's"):

  put KEY VALUE             also insert, set
  delete KEY                also rm
  delete-range START STOP   STOP itself stays
  # a comment; empty lines are skipped too

with --format jsonl, an object a line:

  {"op": "put", "key": "a", "value": "1"}    op may be left out, as export does
  {"op": "delete", "key": "a"}
  {"op": "delete-range", "start": "a", "stop": null}    null: open on that side

Fields named key_base64, value_base64 and so on hold any bytes. All operations
are applied as one: a reader sees all of them or none, also after a crash. A
line that makes no sense is named with its number, and nothing is applied.
"""


def batch(declare: Declare) -> None:
    parser = declare(
        "batch DB [FILE]",
        "batch:batch",
        "apply operations, all of them or none",
        examples=["printf 'put a 1\\ndelete b\\n' | lsmkv batch fruit.db", "lsmkv batch fruit.db changes.txt --sync"],
        tells=OPERATIONS + "\n" + FORMATS,
    )
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="default: standard input")
    parser.add_argument(
        "--format", choices=["lines", "jsonl"], default="lines", metavar="FORMAT", help="lines (the default) or jsonl"
    )
    parser.add_argument("--dry-run", action="store_true", help="only read the operations and count them")
    sync(parser, "all of it is")
    tables(parser)
    formats(parser)
