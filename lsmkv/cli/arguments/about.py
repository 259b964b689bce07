"""doctor, completion, version."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lsmkv.cli.parser import Declare


def doctor(declare: Declare) -> None:
    parser = declare(
        "doctor [DB]",
        "meta:doctor",
        "tell what this build can do and whether this machine lets it",
        db=False,
        tells="Where DB is a store it is opened too, for reading: one that is damaged and\n"
        "cannot be opened is told, with exit code 4. lsmkv verify reads what is in it.\n",
        examples=["lsmkv doctor", "lsmkv doctor /mnt/disk/fruit.db"],
    )
    parser.add_argument("db", metavar="DB", nargs="?", help="a store, or where one will be (default: here)")


def completion(declare: Declare) -> None:
    parser = declare(
        "completion SHELL",
        "completion:completion",
        "print a script that completes lsmkv's words in a shell",
        db=False,
        examples=[
            "source <(lsmkv completion bash)",
            "lsmkv completion zsh > ~/.zfunc/_lsmkv    (a directory of $fpath)",
            "lsmkv completion fish > ~/.config/fish/completions/lsmkv.fish",
        ],
    )
    parser.add_argument("shell", metavar="SHELL", choices=["bash", "zsh", "fish"], help="one of %(choices)s")


def version(declare: Declare) -> None:
    declare("version", "meta:version", "print the version", db=False, examples=["lsmkv version --json"])
