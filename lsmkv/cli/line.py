"""A line typed at a prompt: with readline, where Python has it, also history and Tab."""

from __future__ import annotations

import contextlib
import os
import time

from lsmkv.cli.catalog import catalog
from lsmkv.cli.parser import canonical
from lsmkv.cli.words import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from lsmkv.cli.catalog import Command
    from lsmkv.cli.shell import Session


HISTORY_LINES = 1000
KEYS, PATIENCE = 50, 0.15  # of one Tab: keys offered, seconds spent
BEFORE_KEY = ("--start", "--stop", "--prefix")
ELSEWHERE = {"--key-format", "--namespace"}  # keys are spelt or kept another way


class Line:
    readline: Any = None  # the module, where Python has it

    def __init__(self, session: Session, names: Sequence[str]) -> None:
        try:
            import readline
        except ImportError:
            return
        self.readline, self.history = readline, history_file()
        self.completer = Completer(catalog(names, shell=True), Keys(session.path))

    def __enter__(self) -> Line:
        if self.readline:
            libedit = "libedit" in (self.readline.__doc__ or "")
            self.readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
            self.readline.set_completer_delims(" \t\n")
            self.readline.set_completer(self.complete)
            self.readline.set_history_length(HISTORY_LINES)
            with contextlib.suppress(OSError):
                self.readline.read_history_file(self.history)
        return self

    def __exit__(self, *_: Any) -> None:
        """What was typed may be secret: the file is the user's alone. No history is no reason to fail."""
        if self.readline:
            with contextlib.suppress(OSError):
                os.makedirs(os.path.dirname(self.history), mode=0o700, exist_ok=True)
                os.close(os.open(self.history, os.O_CREAT | os.O_WRONLY, 0o600))
                self.readline.write_history_file(self.history)

    def read(self, prompt: str) -> str:
        return input(prompt)

    def complete(self, text: str, state: int) -> str | None:
        """The state-th way to go on, as readline asks for them."""
        if state == 0:
            before = self.readline.get_line_buffer()[: self.readline.get_begidx()]
            self.found = self.completer.candidates(before, text)
        return self.found[state] if state < len(self.found) else None


def history_file() -> str:
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        state = os.path.expanduser("~/.local/state")
    return os.path.join(state, "lsmkv", "history")


class Completer:
    """What can follow: commands, options, the words of an option, keys. keys(prefix) finds the last."""

    def __init__(self, commands: Sequence[Command], keys: Callable[[str], Sequence[str]]) -> None:
        self.commands = {command.name: command for command in commands}
        self.keys = keys

    def candidates(self, before: str, text: str) -> list[str]:
        return [f"{word} " for word in self.words(before.split(), text) if word.startswith(text)]

    def words(self, before: Sequence[str], text: str) -> Sequence[str]:
        if not before or before == ["help"]:
            return [*self.commands, *(() if before else ("help", "quit"))]
        command = self.commands.get(canonical(before[0]))
        if command is None:
            return []
        if text.startswith("-"):
            return [option.flag for option in command.options]
        wanted = next((option for option in command.options if option.flag == before[-1] and option.value), None)
        if wanted is not None and wanted.flag not in BEFORE_KEY:
            return list(wanted.choices)
        takes_key = wanted is not None or any(operand.name == "KEY" for operand in command.operands)
        return self.keys(text) if takes_key and not ELSEWHERE.intersection(before) else []


class Keys:
    """Keys that begin with something. A store that takes long to open or to search is not asked again."""

    def __init__(self, path: str) -> None:
        self.path, self.slow = path, False

    def __call__(self, prefix: str) -> list[str]:
        import lsmkv
        from lsmkv.cli.stores import raw

        if self.slow:
            return []
        found, began = [], time.monotonic()
        try:
            with raw(self.path) as db:
                for key in db.prefix(os.fsencode(prefix)).limit(KEYS):
                    found.append(key)
                    if time.monotonic() - began > PATIENCE:
                        break
        except (lsmkv.LsmkvError, OSError):
            pass  # the command itself will say what is wrong
        self.slow = time.monotonic() - began > 2 * PATIENCE
        return [word for word in map(typeable, found) if word]


def typeable(key: bytes) -> str | None:
    """The key as a word at the prompt, or None when it would need quotes."""
    try:
        word = key.decode()
        return word if word.isprintable() and not word.startswith("-") and split(word) == [word] else None
    except ValueError:
        return None
