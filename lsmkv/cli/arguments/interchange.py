"""import, export, dump, load, diff."""

from __future__ import annotations

from lsmkv.cli.arguments.shared import (
    FORMATS,
    formats,
    key_format,
    limit,
    namespace,
    skip_damaged,
    span,
    tables,
    target,
    value_format,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lsmkv.cli.parser import Declare


IMPORT = """\
  txt    each line is a key, its number the value. --key lineno: its number is
         the key, the line the value
  jsonl  a JSON object a line. Without --key, the fields "key" and "value"
  csv    the first row names the columns (--no-header: they are 1, 2, 3 ...).
         Without --key, the first column
  tsv    the same with tabs; no quotes

With --key and without --value, the value is the whole row as a JSON object.
What lsmkv export wrote comes back as it was. The format is taken from the
file's name; .ids, no suffix and others count as txt only with --format txt.
"""


def import_(declare: Declare) -> None:
    parser = declare(
        "import DB FILE...",
        "interchange:load",
        "store the rows of files",
        examples=[
            "lsmkv import words.db /usr/share/dict/words --format txt",
            "lsmkv import people.db people.csv --key id",
        ],
        tells=IMPORT + "\n" + FORMATS,
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="- is standard input")
    parser.add_argument(
        "--format",
        choices=["jsonl", "csv", "tsv", "txt"],
        metavar="FORMAT",
        help="one of %(choices)s, instead of going by the file's name",
    )
    parser.add_argument("--key", metavar="FIELD", help="the field or column that is the key; lineno: the line's number")
    parser.add_argument("--value", metavar="FIELD", help="the field or column that is the value")
    parser.add_argument("--key-prefix", metavar="TEXT", default="", help="put this before every key")
    parser.add_argument("--no-header", action="store_true", help="csv, tsv: the first row is data")
    parser.add_argument(
        "--encoding", metavar="NAME", default="utf-8", help="of jsonl, csv and tsv files (default: utf-8)"
    )
    parser.add_argument("--skip-bad", action="store_true", help="go on after a malformed line, and count it")
    tables(parser)
    namespace(parser)
    formats(parser)


def export(declare: Declare) -> None:
    parser = declare(
        "export DB [FILE]",
        "interchange:export",
        "write keys and values to a file",
        examples=["lsmkv export fruit.db fruit.csv", "lsmkv export fruit.db --prefix b | jq .key"],
        tells="What is not UTF-8 is written in base64 and marked: in jsonl the fields are\n"
        "named key_base64 and value_base64, in csv and tsv the third column names what\n"
        "is. lsmkv import reads all of it back unchanged.\n\n" + FORMATS,
    )
    target(parser, ["jsonl", "csv", "tsv"], "by the file's name, else jsonl")
    span(parser, "export")
    limit(parser)
    skip_damaged(parser)
    namespace(parser)
    formats(parser)


DUMP = """\
  lsmkv  JSON lines: a head, the pairs, and a last line with their number and a
         CRC-32, so that a dump that was cut short or changed is noticed. It
         holds the codecs, the namespaces and the time at which keys expire, and
         a store made by lsmkv load gets all of them
  mdb    the text of Berkeley DB's db_dump and LMDB's mdb_dump (VERSION=3,
         format=bytevalue), for mdb_load and db_load. It knows bytes alone:
         namespaces are left out and nothing expires; what that concerns is told

LMDB takes no empty key and none above 511 bytes; Berkeley DB does. A dump that
has such keys says so.

A damaged store: --skip-damaged writes every key that can be read and says what
is left out; lsmkv load makes a new store of that. What a gap holds is not taken
from older tables either: it may have been overwritten since.
"""


def dump(declare: Declare) -> None:
    parser = declare(
        "dump DB [FILE]",
        "dump:dump",
        "write the whole store to a file, without any loss",
        examples=["lsmkv dump fruit.db fruit.dump", "lsmkv dump fruit.db --format mdb | mdb_load -n fruit.mdb"],
        tells=DUMP,
    )
    target(parser, ["lsmkv", "mdb"], "lsmkv")
    skip_damaged(parser)


LOAD = """\
Reads what lsmkv dump, mdb_dump and db_dump write (bytevalue or print, btree or
hash); the first line tells which it is. Keys that are there already get the
dump's value, and expire when the dump says; namespaces are made.

lsmkv keeps one value a key: a dump with several is refused where they meet.
mdb_dump -p leaves backslashes bare, which cannot be told from an escape; dump
without -p.
"""


def load(declare: Declare) -> None:
    parser = declare(
        "load DB [FILE]",
        "load:load",
        "store what a dump holds",
        examples=["lsmkv load copy.db fruit.dump", "mdb_dump -n fruit.mdb | lsmkv load fruit.db"],
        tells=LOAD,
    )
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="default: standard input")
    parser.add_argument(
        "--format",
        choices=["lsmkv", "mdb"],
        metavar="FORMAT",
        help="refuse another than this (one of %(choices)s)",
    )
    parser.add_argument("--database", metavar="NAME", help="mdb: of several in the dump, the one of this name")
    tables(parser)


def diff(declare: Declare) -> None:
    parser = declare(
        "diff DB OTHER",
        "diff:diff",
        "tell what changed from one store to another",
        examples=["lsmkv diff monday.db tuesday.db", "lsmkv diff monday.db tuesday.db --keys-only --prefix b"],
        tells="In key order:\n\n"
        "  + KEY<TAB>VALUE        only in OTHER\n"
        "  - KEY<TAB>VALUE        only in DB\n"
        "  ~ KEY<TAB>OLD<TAB>NEW  in both, with another value\n\n"
        "Exit code 0: they are equal, 1: they differ.\n\n" + FORMATS,
    )
    parser.add_argument("other", metavar="OTHER", help="directory of the other store")
    parser.add_argument("--keys-only", action="store_true", help="leave the values out")
    span(parser, "compare")
    key_format(parser)
    value_format(parser)
