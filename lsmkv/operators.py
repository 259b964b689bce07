"""The operations merge() knows by name: each takes the present value and the operand and gives the new value."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

NAMED: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "concat": operator.concat,
    "min": min,
    "max": max,
    "or": operator.or_,
}


def named(name: str) -> Callable[[Any, Any], Any]:
    """The operation called `name`; ValueError lists those there are."""
    try:
        return NAMED[name]
    except KeyError:
        raise ValueError(f"op={name!r}: it is a callable (value, operand), or one of {', '.join(NAMED)}") from None
