"""info, stat, levels, tables, explain, options."""

from __future__ import annotations

from lsmkv.cli.arguments.shared import FORMATS, key_format, positive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lsmkv.cli.parser import Declare


def info(declare: Declare) -> None:
    parser = declare(
        "info DB",
        "inspect:info",
        "tell how large a store is and what it is made of",
        examples=["lsmkv info fruit.db"],
    )
    parser.add_argument(
        "--count", action="store_true", help="read everything: the exact number and size of the live keys"
    )


def stat(declare: Declare) -> None:
    parser = declare(
        "stat DB",
        "stat:stat",
        "show the counters of a store",
        examples=["lsmkv stat fruit.db", "lsmkv stat fruit.db --watch 2"],
        tells="Another process that writes keeps counters of its own; what is shown of them is\n"
        "what its writes have left in the files. With --watch the last column is the\n"
        "change since the look before; Ctrl-C ends it.\n",
    )
    parser.add_argument("--watch", type=positive, metavar="SECONDS", help="look again and again")


def levels(declare: Declare) -> None:
    parser = declare(
        "levels DB",
        "inspect:levels",
        "show where the records live, newest place first",
        examples=["lsmkv levels fruit.db", "lsmkv levels fruit.db --summary"],
        tells="With --json key_min and key_max are null where keys are not sorted or there are\n"
        "none: in segments of the log, in files of large values.\n",
    )
    parser.add_argument("--summary", action="store_true", help="one line a place instead of one a file")


def tables(declare: Declare) -> None:
    declare(
        "tables DB",
        "inspect:tables",
        "list the sorted tables, newest run first, and the files of large values",
        examples=["lsmkv tables fruit.db", "lsmkv tables fruit.db --json | jq '.[].file'"],
    )


def explain(declare: Declare) -> None:
    parser = declare(
        "explain DB KEY",
        "inspect:explain",
        "show the path of one get, place by place",
        examples=["lsmkv explain fruit.db apple"],
        tells=FORMATS,
    )
    parser.add_argument("key", metavar="KEY", help="the key")
    key_format(parser)


def options(declare: Declare) -> None:
    parser = declare(
        "options [DB]",
        "options:options",
        "show the options a store is opened with, its codecs and its namespaces",
        db=False,
        examples=["lsmkv options", "lsmkv options fruit.db", "lsmkv options fruit.db --json | jq .options.page_bytes"],
        tells="Options belong to who opens the store. These are the defaults, and those that\n"
        "the commands here open DB with: they differ in compression, which follows the\n"
        "tables of the store. The codecs and the namespaces are the store's own.\n",
    )
    if not declare.shell:
        parser.add_argument("db", metavar="DB", nargs="?", help="a store; without one, the defaults are shown")
