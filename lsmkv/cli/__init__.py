"""The command line: `lsmkv COMMAND DB ...`.

    main.py         argv in, exit code out; every error becomes one line
    parser.py       the commands and their arguments
    data.py         put get delete exists scan          inspect.py   info levels explain     options.py   options
    interchange.py  import export                       upkeep.py    flush compact verify destroy
    readers.py      files -> pairs                      meta.py      doctor version demo
    writers.py      pairs -> files
    formats.py      bytes <-> what a person types       output.py    data to stdout, the rest to stderr
    progress.py     a line on a terminal                exits.py     exit codes and their sentences
    salvage.py      a walk past damage

A module here imports the next one only when a command needs it: `lsmkv get` starts in milliseconds.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    from lsmkv.cli.main import main

    return main(argv)
