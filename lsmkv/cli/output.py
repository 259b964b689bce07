"""Data to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys

from lsmkv.report.text import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lsmkv.cli.exits import Failure


class Output:
    """Where a command speaks. `json`: one JSON document per answer; `terminal`: somebody is looking at stdout."""

    def __init__(self, json: bool = False) -> None:
        self.json = json
        self.terminal = sys.stdout.isatty()
        self.stream = sys.stdout.buffer
        self.colour = self.terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def raw(self, data: bytes) -> None:
        self.stream.write(data)

    def text(self, text: str = "") -> None:
        """Lines for people. A key in them has been escaped already; odd bytes of a path pass through."""
        self.stream.write((text + "\n").encode("utf-8", "surrogateescape"))

    def heading(self, text: str) -> None:
        self.text(f"\x1b[1m{text}\x1b[0m" if self.colour else text)

    def object(self, document: Any) -> None:
        self.stream.write(dumps(document) + b"\n")

    def flush(self) -> None:
        self.stream.flush()

    def note(self, text: str) -> None:
        """A remark that is not the answer."""
        say(text)

    def failure(self, command: str, failure: Failure) -> None:
        if self.json:
            problem = {"error": failure.text, "type": failure.kind, "exit": failure.code, **dict(failure.facts)}
            say(dumps(problem | ({"try": failure.hint} if failure.hint else {})).decode())
            return
        text = failure.text if failure.text.endswith((".", "!", "?")) else failure.text + "."
        hint = f" Try: {failure.hint}" if failure.hint and failure.hint not in text else ""
        say(f"lsmkv {command}: {text}{hint}")


def say(text: str) -> None:
    try:
        sys.stderr.write(printable(text) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody is listening


def printable(text: str) -> str:
    return escape(text.encode("utf-8", "surrogateescape")) if not text.isprintable() else text


def dumps(document: Any) -> bytes:
    """Compact, readable JSON. What cannot be UTF-8 (a path with odd bytes) is escaped."""
    import json

    text = json.dumps(document, ensure_ascii=False, separators=(", ", ": "), default=plain)
    return text.encode("utf-8", "backslashreplace")


def plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return escape(bytes(value))
    fields = getattr(value, "__dict__", None)
    return fields if fields else str(value)
