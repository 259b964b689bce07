"""flush, compact, verify, destroy."""

from __future__ import annotations

from lsmkv.cli.arguments.shared import consent, key_format, tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lsmkv.cli.parser import Declare


PACKED = """\
Options belong to who opens a store, so this command cannot know them. It goes
by the tables: where some are packed by LZ4 or zstd, so are new ones, and raw
ones beside those of LZ4 mean "auto". --compression says otherwise.
"""


def flush(declare: Declare) -> None:
    parser = declare(
        "flush DB",
        "upkeep:flush",
        "turn the log and the MemTable into a sorted table",
        examples=["lsmkv flush fruit.db"],
        tells=PACKED,
    )
    tables(parser)


def compact(declare: Declare) -> None:
    parser = declare(
        "compact DB",
        "upkeep:compact",
        "merge the sorted runs, dropping what is overwritten and deleted",
        examples=["lsmkv compact fruit.db", "lsmkv compact fruit.db --start a --stop c"],
        tells=PACKED,
    )
    parser.add_argument("--start", metavar="KEY", help="merge from this key on")
    parser.add_argument("--stop", metavar="KEY", help="merge up to this key")
    tables(parser)
    key_format(parser)


def verify(declare: Declare) -> None:
    declare(
        "verify DB",
        "upkeep:verify",
        "read every byte of every file and check it against its checksum",
        examples=["lsmkv verify fruit.db"],
        tells="Exit code 4: something is damaged; each damaged place is named. What nothing\n"
        "refers to in files of large values is not read, and how much that is is told.\n",
    )


def destroy(declare: Declare) -> None:
    parser = declare(
        "destroy DB",
        "upkeep:destroy",
        "remove a store and everything in it",
        examples=["lsmkv destroy fruit.db --dry-run", "lsmkv destroy fruit.db --yes"],
        tells="Needs --yes, or an answer on a terminal. A directory that holds other files\nis left alone.\n",
    )
    consent(parser)
