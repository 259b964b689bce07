"""The process that gets killed: it writes numbered keys and acknowledges each one through its standard output.

Run as `python -m lsmkv.demo.writer STORE`. An acknowledgement is the number in eight bytes, written after the put
has returned. Nothing here flushes, syncs or closes: the kill comes in the middle.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import lsmkv


def key_of(number: int) -> bytes:
    return b"kill/%010d" % number


def value_of(number: int) -> bytes:
    return b"%d squared is %d" % (number, number * number)


def main(path: str) -> NoReturn:
    db = lsmkv.open(path, "w")
    number = 0
    while True:
        number += 1
        db[key_of(number)] = value_of(number)
        os.write(1, number.to_bytes(8, "little"))


if __name__ == "__main__":
    main(sys.argv[1])
