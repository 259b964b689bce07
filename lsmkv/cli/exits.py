"""Exit codes, and the sentence behind each failure: what, where, in what state things are, what to try next."""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DONE, NEGATIVE, USAGE, IO, DAMAGED, LOCKED, CONFLICT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130

MEANING = """\
exit codes:   0 done, 1 negative answer, 2 usage, 3 input or output failed,
              4 corruption or wrong format, 5 another process holds the store,
              6 conflict, 130 interrupted"""


OF_WHAT_IS_THERE = ("destroy", "diff", "dump", "export", "verify")  # a store made for them would be of no use

THAT_MAKE_A_STORE = ("put", "incr", "batch", "import", "load")  # and have just failed to


# kind: the error's class, and facts: (name, value) pairs, are for --json
Failure = namedtuple("Failure", "code kind text hint facts", defaults=("", ()))


class CommandError(Exception):
    """A failure a command has noticed itself."""

    code = IO

    def __init__(self, text: str, hint: str = "", **facts: object) -> None:
        super().__init__(text)
        self.text, self.hint, self.facts = text, hint, tuple(facts.items())


class UsageError(CommandError):
    code = USAGE


class DataError(CommandError):
    """Input or stored bytes that are not what the command was told they are."""

    code = DAMAGED


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a word on what had been done by then."""


def interrupted(stop: BaseException) -> Failure:
    return Failure(INTERRUPTED, "KeyboardInterrupt", " ".join(["interrupted", *map(str, stop.args)]))


def explain(error: BaseException, db: str | None = None, command: str = "") -> Failure:
    """The Failure that describes any exception."""
    if isinstance(error, CommandError):
        return Failure(error.code, type(error).__name__, error.text, error.hint, error.facts)
    store: str = getattr(error, "store", None) or db or "DB"
    code, hint = (IO, whereabouts(store, command)) if is_missing(error) else judge(error, store)
    facts = [(name, getattr(error, name, None)) for name in ("pid", "file", "offset", "recoverable")]
    return Failure(
        code, type(error).__name__, sentence(error), hint, tuple(fact for fact in facts if fact[1] is not None)
    )


def judge(error: BaseException, db: str) -> tuple[int, str]:
    import lsmkv

    if isinstance(error, lsmkv.LockedError):
        return LOCKED, f"lsmkv info {db} (reading works meanwhile), and this again when that process is done"
    if isinstance(error, lsmkv.CorruptionError):
        return DAMAGED, remedy(error, db) if cannot_open(error) else f"lsmkv verify {db}"
    if isinstance(error, lsmkv.CodecMismatchError):
        return DAMAGED, f"lsmkv options {db}"
    if isinstance(error, lsmkv.FormatError):
        return DAMAGED, f"ls -l {db}"
    if isinstance(error, getattr(lsmkv, "ConflictError", ())):
        return CONFLICT, "run the command again"
    if isinstance(error, lsmkv.DiskFullError):
        return IO, f"df -h {db}"
    if isinstance(error, lsmkv.OptionsError | OverflowError):
        return USAGE, ""
    if isinstance(error, FileExistsError) and isinstance(error, lsmkv.LsmkvError):
        return IO, ""  # its words say what to do
    if isinstance(error, PermissionError):
        return IO, f"ls -ld {nearest(str(error.filename or db))}"
    if isinstance(error, OSError | MemoryError | lsmkv.LsmkvError):
        return IO, ""
    if isinstance(error, ValueError):
        return USAGE, ""
    return IO, "LSMKV_TRACEBACK=1 shows where; please report it"


def cannot_open(error: BaseException) -> bool:
    """Did the store not even open? Then no command reads on."""
    return getattr(error, "opening", False)


def remedy(error: Any, db: str) -> str:
    return f"putting {error.file or 'that file'} back, or restoring all of {db}, from a backup"


def nearest(path: str) -> str:
    """The path, or where it would be made."""
    import os

    while not os.path.lexists(path):
        path = os.path.dirname(path) or "."
    return path


def whereabouts(db: str, command: str) -> str:
    """What to do about a store that is not there."""
    import os

    if not os.path.isdir(os.path.dirname(os.path.abspath(db))):
        return f"mkdir -p {os.path.dirname(db)}"
    if holds_something(db):
        return f"another path: {db} holds other things, and a store is a directory with a file CURRENT in it"
    if command in OF_WHAT_IS_THERE:
        return "another path: a store is a directory with a file CURRENT in it"
    if command in THAT_MAKE_A_STORE:
        return f"another path: {os.path.dirname(os.path.abspath(db))} takes no new directories"
    return f"lsmkv put {db} KEY VALUE (it makes the store)"


def holds_something(directory: str) -> bool:
    import os

    try:
        return bool(os.listdir(directory))
    except OSError:
        return False


def is_missing(error: BaseException) -> bool:
    """Is it the store that is not there?"""
    import lsmkv

    return isinstance(error, FileNotFoundError) and isinstance(error, lsmkv.LsmkvError)


def sentence(error: Any) -> str:
    """The error's own words, on one line, without Python's decoration."""
    if is_missing(error):
        text = f"there is no store at {error.filename}"
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror
        if error.filename and str(error.filename) not in text:
            text = f"{error.filename}: {text}"
    elif isinstance(error, MemoryError):
        text = str(error) or "out of memory"
    else:
        text = str(error)
        if not text or isinstance(error, LookupError | AttributeError | TypeError | AssertionError):
            text = f"{type(error).__name__}: {text}"
    pid, file = getattr(error, "pid", None), getattr(error, "file", None)
    if pid and str(pid) not in text:
        text += f" (process {pid})"
    if file and file not in text:
        text += f" ({file} at byte {getattr(error, 'offset', None)})"
    return " ".join(text.split())
