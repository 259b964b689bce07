"""argv in, exit code out. The one place where errors of every kind turn into a line and a number."""

from __future__ import annotations

import importlib
import os
import sys

from lsmkv.cli import exits
from lsmkv.cli.output import Output
from lsmkv.cli.parser import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        args = parse(argv)
    except SystemExit as stop:  # argparse has said what it had to say
        return said(int(stop.code or exits.DONE))
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    return answer(args)


def said(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return reader_left()
    except (OSError, ValueError):
        return exits.IO
    return code


def answer(args: Namespace) -> int:
    """Run one command; the exit code. Whatever goes wrong in it has been said when this returns."""
    out = Output(args.json)
    try:
        code = run(args, out)
        out.flush()
        return code
    except BrokenPipeError:
        return reader_left()
    except KeyboardInterrupt as stop:
        out.failure(args.command, exits.interrupted(stop))
        return exits.INTERRUPTED
    except Exception as error:
        if os.environ.get("LSMKV_TRACEBACK"):
            raise
        try:
            out.flush()  # what was found before the failure still goes out, and goes first
        except BrokenPipeError:
            return reader_left()
        except OSError:
            pass  # the failure at hand may be this one
        failure = exits.explain(error, getattr(args, "db", None), args.command)
        out.failure(args.command, failure)
        return int(failure.code)


def run(args: Namespace, out: Output) -> int:
    for name in ("db", "other"):
        if getattr(args, name, None) == "@":
            setattr(args, name, from_environment())
    module, function = args.run.split(":")
    return int(getattr(importlib.import_module(f"lsmkv.cli.{module}"), function)(args, out))


def from_environment() -> str:
    path = os.environ.get("LSMKV_DB")
    if not path:
        raise exits.UsageError("@ stands for $LSMKV_DB, which is not set", "export LSMKV_DB=/path/of/the/store")
    return path


def reader_left() -> int:
    """Whoever read our output has seen enough (`| head`): no complaint, also not from the interpreter's own exit."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, sys.stdout.fileno())
    os.close(quiet)
    return exits.DONE
