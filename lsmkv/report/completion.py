"""Keys that a notebook offers after `db[`: the first ones, as they are. IPython writes bytes as b'...' and leaves out
what does not begin as typed."""

from __future__ import annotations

import time
from itertools import takewhile
from typing import Any

from lsmkv import _core

MOST = 100
LONGEST = 200  # nobody completes a longer key
SECONDS = 0.05


def keys(db: _core.LSM[Any, Any]) -> list[Any]:
    """At most MOST keys, and those that come within SECONDS."""
    until = time.monotonic() + SECONDS
    found = takewhile(lambda _: time.monotonic() < until, db.keys().limit(MOST))
    return [key for key in found if not isinstance(key, bytes | str) or len(key) <= LONGEST]
