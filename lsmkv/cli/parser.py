"""The commands and their arguments. Nothing here imports the engine."""

import argparse
import functools
import os
import sys

from lsmkv.cli.exits import MEANING
from lsmkv.cli.formats import NAMES

OVERVIEW = """\
commands
  data          put (insert, set)  get (retrieve)  delete (rm)  exists  scan (keys, ls)
  interchange   import  export
  inspect       info  levels  explain
  upkeep        flush  compact  verify  destroy
  learn         demo
  about         doctor  version
"""

FORMATS = """\
formats of keys and values: utf8 (as typed; the default), raw, hex, base64, json,
            i64 and u64 (8 bytes that sort as the numbers do)
"""

PLACES = "DB is the store's directory; @ stands for $LSMKV_DB. lsmkv COMMAND --help tells more."

FIRST = """\
first steps:  lsmkv put /tmp/first hello world
              lsmkv get /tmp/first hello
              lsmkv scan /tmp/first
              lsmkv demo
"""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Knows its width: argparse would import shutil to ask for it, for every argument of every command."""

    def __init__(self, prog, **_):
        super().__init__(prog, width=min(terminal_width() - 2, 110))


class Parser(argparse.ArgumentParser):
    def __init__(self, **options):
        super().__init__(allow_abbrev=False, formatter_class=Formatter, **options)

    def error(self, message):
        """A usage error is two lines: what is wrong, and how to see the right way."""
        hint = "lsmkv --help" if self.prog == "lsmkv" else f"{self.prog} --help"
        self.exit(2, f"{self.prog}: {message}. Try: {hint}\n")


class Version(argparse.Action):
    def __init__(self, option_strings, dest, **_):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="show the version and end")

    def __call__(self, parser, *_):
        from lsmkv.cli.meta import version_line

        print(version_line())
        parser.exit(0)


def build_parser():
    parser = Parser(
        prog="lsmkv",
        usage="lsmkv COMMAND DB ...",
        description="An ordered, persistent key-value store in a directory.\n\n" + OVERVIEW,
        epilog=f"{PLACES}\n\n{FIRST}\n{MEANING}",
    )
    parser.add_argument("--version", action=Version)
    commands = parser.add_subparsers(
        prog="lsmkv", dest="command", metavar="COMMAND", required=True, help=argparse.SUPPRESS
    )
    for build in (data, interchange, inspect, upkeep, learn, about):
        build(commands)
    return parser


def command(commands, form, run, summary, *, aliases=(), db=True, tells=""):
    """A subparser for a form like "get DB KEY...": what is called, and the order of what follows."""
    name = form.split()[0]
    description = summary[0].upper() + summary[1:] + "."
    usage = f"lsmkv {form} [options]"
    parser = commands.add_parser(name, aliases=aliases, usage=usage, description=description, epilog=tells or None)
    parser.set_defaults(run=run)
    if db:
        parser.add_argument("db", metavar="DB", help="directory of the store; @ stands for $LSMKV_DB")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    return parser


def key_format(parser):
    parser.add_argument("--key-format", choices=NAMES, default="utf8", metavar="FORMAT", help="one of %(choices)s")


def value_format(parser):
    parser.add_argument("--value-format", choices=NAMES, default="utf8", metavar="FORMAT", help="one of %(choices)s")


def span(parser, verb):
    parser.add_argument("--start", metavar="KEY", help=f"{verb} from this key on")
    parser.add_argument("--stop", metavar="KEY", help=f"{verb} up to this key, the key itself left out")
    parser.add_argument("--prefix", metavar="KEY", help=f"{verb} the keys that begin with this")


def consent(parser):
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def data(commands):
    put = command(
        commands,
        "put DB KEY [VALUE]",
        "data:put",
        "store a value under a key",
        aliases=["insert", "set"],
        tells=FORMATS,
    )
    put.add_argument("key", metavar="KEY")
    put.add_argument("value", metavar="VALUE", nargs="?", help="when left out, all of standard input")
    put.add_argument("--sync", action="store_true", help="return only when the value is on the disk")
    key_format(put)
    value_format(put)

    get = command(
        commands,
        "get DB KEY...",
        "data:get",
        "print the value of a key",
        aliases=["retrieve"],
        tells="Into a pipe go the exact bytes of a value and nothing else. Several keys: a line KEY<TAB>VALUE each.\n"
        "Exit code 1: a key is not there.\n\n" + FORMATS,
    )
    get.add_argument("keys", metavar="KEY", nargs="+")
    key_format(get)
    value_format(get)

    delete = command(
        commands,
        "delete DB [KEY...]",
        "data:delete",
        "delete keys, or a range of keys",
        aliases=["rm"],
        tells="A range needs --yes, or an answer on a terminal. Exit code 1: a named key was not there.\n\n" + FORMATS,
    )
    delete.add_argument("keys", metavar="KEY", nargs="*")
    span(delete, "delete")
    delete.add_argument("--all", action="store_true", help="delete every key")
    consent(delete)
    key_format(delete)

    exists = command(
        commands, "exists DB KEY", "data:exists", "tell whether a key is there: exit code 0 yes, 1 no", tells=FORMATS
    )
    exists.add_argument("key", metavar="KEY")
    key_format(exists)

    scan = command(
        commands,
        "scan DB",
        "data:scan",
        "print keys and values in key order",
        aliases=["keys", "ls"],
        tells="A line KEY<TAB>VALUE each; under the names keys and ls a line KEY each. Keys and values that hold tabs\n"
        "or line ends are told apart with --json, --key-format and --value-format, or lsmkv export.\n\n" + FORMATS,
    )
    span(scan, "scan")
    scan.add_argument("--reverse", action="store_true", help="last key first")
    scan.add_argument("--limit", type=whole, metavar="N", help="end after N keys")
    scan.add_argument("--keys-only", action="store_true", help="leave the values out")
    scan.add_argument("--count", action="store_true", help="only print how many keys there are")
    key_format(scan)
    value_format(scan)


IMPORT = """\
  txt    each line is a key, its number the value. --key lineno: its number is the key, the line the value
  jsonl  a JSON object a line. Without --key, the fields "key" and "value"
  csv    the first row names the columns (--no-header: they are 1, 2, 3 ...). Without --key, the first column
  tsv    the same with tabs; no quotes

With --key and without --value, the value is the whole row as a JSON object. What lsmkv export wrote comes back as
it was. The format is taken from the file's name; .ids, no suffix and others count as txt only with --format txt.
"""


def interchange(commands):
    load = command(
        commands, "import DB FILE...", "interchange:load", "store the rows of files", tells=IMPORT + "\n" + FORMATS
    )
    load.add_argument("files", metavar="FILE", nargs="+", help="- is standard input")
    load.add_argument("--format", choices=["jsonl", "csv", "tsv", "txt"], help="instead of going by the file's name")
    load.add_argument("--key", metavar="FIELD", help="the field or column that is the key; lineno: the line's number")
    load.add_argument("--value", metavar="FIELD", help="the field or column that is the value")
    load.add_argument("--key-prefix", metavar="TEXT", default="", help="put this before every key")
    load.add_argument("--no-header", action="store_true", help="csv, tsv: the first row is data")
    load.add_argument("--encoding", default="utf-8", help="of jsonl, csv and tsv files (default: utf-8)")
    load.add_argument("--skip-bad", action="store_true", help="go on after a malformed line, and count it")
    key_format(load)
    value_format(load)

    export = command(
        commands,
        "export DB [FILE]",
        "interchange:export",
        "write keys and values to a file",
        tells="What is not UTF-8 is written in base64 and marked: in jsonl the fields are named key_base64 and\n"
        "value_base64, in csv and tsv the third column names what is. lsmkv import reads all of it back unchanged.\n\n"
        + FORMATS,
    )
    export.add_argument("file", metavar="FILE", nargs="?", default="-", help="default: standard output")
    export.add_argument("--format", choices=["jsonl", "csv", "tsv"], help="default: by the file's name, else jsonl")
    export.add_argument("--yes", action="store_true", help="replace FILE when it exists")
    span(export, "export")
    export.add_argument("--limit", type=whole, metavar="N", help="end after N keys")
    key_format(export)
    value_format(export)


def inspect(commands):
    info = command(commands, "info DB", "inspect:info", "tell how large a store is and what it is made of")
    info.add_argument(
        "--count", action="store_true", help="read everything: the exact number and size of the live keys"
    )
    levels = command(commands, "levels DB", "inspect:levels", "show where the records live, newest place first")
    levels.add_argument("--summary", action="store_true", help="one line a place instead of one a file")
    explain = command(
        commands, "explain DB KEY", "inspect:explain", "show the path of one get, place by place", tells=FORMATS
    )
    explain.add_argument("key", metavar="KEY")
    key_format(explain)


def upkeep(commands):
    command(commands, "flush DB", "upkeep:flush", "turn the log and the MemTable into a sorted table")
    compact = command(
        commands, "compact DB", "upkeep:compact", "merge the sorted runs, dropping what is overwritten and deleted"
    )
    compact.add_argument("--start", metavar="KEY", help="merge from this key on")
    compact.add_argument("--stop", metavar="KEY", help="merge up to this key")
    key_format(compact)
    command(commands, "verify DB", "upkeep:verify", "read every byte of every file and check it against its checksum")
    destroy = command(commands, "destroy DB", "upkeep:destroy", "remove a store and everything in it")
    consent(destroy)


def learn(commands):
    demo = command(
        commands,
        "demo",
        "meta:demo",
        "load real data, change it, merge it, kill a writer, and show what is left",
        db=False,
        tells="The data ships with Python: the names of the Unicode characters, and an index of every word in the\n"
        "standard library. Every figure is measured while you watch.",
    )
    demo.add_argument(
        "--path", metavar="DIR", help="where the store goes (default: in the directory for temporary files)"
    )
    demo.add_argument("--small", action="store_true", help="a few seconds, less data")
    demo.add_argument(
        "--keep", action=argparse.BooleanOptionalAction, default=True, help="leave the store there at the end"
    )
    demo.add_argument("--yes", action="store_true", help="replace a store that is at --path")


def about(commands):
    doctor = command(
        commands, "doctor [DB]", "meta:doctor", "tell what this build can do and whether this machine lets it", db=False
    )
    doctor.add_argument("db", metavar="DB", nargs="?", help="a store, or where one will be (default: here)")
    command(commands, "version", "meta:version", "print the version", db=False)


@functools.cache
def terminal_width():
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (AttributeError, OSError, ValueError):
        return 80


def whole(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number
