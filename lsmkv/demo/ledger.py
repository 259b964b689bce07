"""What must be in a store, without keeping a copy of it: a number of pairs and an order-free checksum of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from zlib import crc32

from lsmkv.cli.progress import Progress

Pair = tuple[bytes, bytes]


class Ledger:
    """add and remove follow the writes; `of` reads a store. Two ledgers are equal when the contents are."""

    def __init__(self) -> None:
        self.pairs = self.total = self.bytes = 0

    def add(self, pairs: Collection[Pair]) -> None:
        for key, value in pairs:
            self.total += crc32(value, crc32(key))
            self.bytes += len(key) + len(value)
        self.pairs += len(pairs)

    def remove(self, pairs: Collection[Pair]) -> None:
        for key, value in pairs:
            self.total -= crc32(value, crc32(key))
            self.bytes -= len(key) + len(value)
        self.pairs -= len(pairs)

    @classmethod
    def of(cls, items: Iterable[Pair], progress: Progress) -> Ledger:
        """The ledger of everything a scan returns; ValueError when two keys are out of order."""
        ledger, before = cls(), b""
        for key, value in items:
            if ledger.pairs and key <= before:
                raise ValueError("the scan returned keys out of order")
            before = key
            ledger.total += crc32(value, crc32(key))
            ledger.bytes += len(key) + len(value)
            ledger.pairs += 1
            if ledger.pairs % 16384 == 0:
                progress.update(ledger.pairs)
        return ledger

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ledger):
            return NotImplemented
        return (self.pairs, self.total, self.bytes) == (other.pairs, other.total, other.bytes)
