"""demo, shell."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lsmkv.cli.parser import Declare


def demo(declare: Declare) -> None:
    parser = declare(
        "demo",
        "meta:demo",
        "load real data, change it, merge it, kill a writer, and show what is left",
        db=False,
        examples=["lsmkv demo", "lsmkv demo --small --no-keep"],
        tells="The data ships with Python: the names of the Unicode characters, and an index\n"
        "of every word in the standard library. Every figure is measured while you watch.\n",
    )
    parser.add_argument(
        "--path", metavar="DIR", help="where the store goes (default: in the directory for temporary files)"
    )
    parser.add_argument("--small", action="store_true", help="a few seconds, less data")
    parser.add_argument("--no-keep", dest="keep", action="store_false", help="remove the store at the end")
    parser.add_argument("--yes", action="store_true", help="replace a store that is at --path")


def shell(declare: Declare) -> None:
    declare(
        "shell DB",
        "shell:shell",
        "type commands at a prompt, without lsmkv and DB",
        examples=["lsmkv shell fruit.db", "printf 'put a 1\\nget a\\n' | lsmkv shell fruit.db"],
        tells="help lists the commands, help COMMAND tells more. Words are quoted as in a\n"
        "shell. Tab completes commands, options and keys. Ctrl-C drops the line or stops\n"
        "the command, Ctrl-D or quit leaves. Every command opens the store for itself, so\n"
        "a prompt that waits keeps nobody out. Read from a pipe, the first command that\n"
        "fails (exit code 2 and above) ends the shell with its exit code. --json is for\n"
        "every command typed.\n",
    )
