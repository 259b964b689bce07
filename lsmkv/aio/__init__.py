"""lsmkv for asyncio: the same names, awaited.

    >>> import asyncio
    >>> import lsmkv.aio

    >>> async def main():
    ...     async with lsmkv.aio.open(None) as db:          # a directory; None: a temporary store
    ...         await db.put(b"apple", b"red")
    ...         async with db.batch() as b:                 # collected in memory, applied together
    ...             b[b"pear"], b[b"plum"] = b"green", b"blue"
    ...         print(await db[b"apple"], await db.get(b"fig"))
    ...         async with db.snapshot() as before:
    ...             await db.delete(b"pear")
    ...             print([key async for key in before], await db[b"p":].count())
    ...         async for key, value in db[b"a":b"b"].items():
    ...             print(key, value)
    >>> asyncio.run(main())
    b'red' None
    [b'apple', b'pear', b'plum'] 1
    b'apple' b'red'

Transactions are blocks, or functions that run again when another writer came between:

    >>> async def move(tx, amount=30):                      # gets an AsyncTransaction; may run several times
    ...     left = await tx.incr("alice", -amount)
    ...     if left < 0:
    ...         raise ValueError("not that much")
    ...     return left, await tx.incr("bob", amount)
    >>> async def main():
    ...     async with lsmkv.aio.open(None, key="str", value="json") as db:
    ...         await db.update(alice=50, bob=0)
    ...         print(await db.transact(move))
    ...         async with db.transaction() as tx:
    ...             await tx.put("carol", 1)
    ...             async with tx:                          # a savepoint
    ...                 await tx.delete("bob")
    ...         print([key async for key in db])
    >>> asyncio.run(main())
    (20, 30)
    ['alice', 'carol']

What may wait for a disk, a lock or a merge is done by a few threads of the store, not in the loop's. They share the
interpreter lock with the loop, so it can still be late by as long as one of them holds it: benchmarks/loop_latency.py.
`async for` fetches chunks of up to 256 entries and lets the loop run between them. `help(lsmkv.aio.AsyncLSM)` says
the rest.

A hop to a thread and back costs tens of microseconds, many times what a get from memory does. So ask for many things
at once where you can: get_many(), batch(), update(), ranges, transact() with a plain function; or use lsmkv.open() and
its calls directly where a wait of some milliseconds (a sync, a full log segment) does no harm.
"""

from __future__ import annotations

from lsmkv.aio.batch import AsyncWriteBatch
from lsmkv.aio.blocks import Opening
from lsmkv.aio.cursor import AsyncCursor
from lsmkv.aio.opening import open as open
from lsmkv.aio.scan import AsyncIterator
from lsmkv.aio.snapshot import AsyncSnapshot
from lsmkv.aio.source import AsyncSource
from lsmkv.aio.store import AsyncLSM
from lsmkv.aio.target import AsyncTarget
from lsmkv.aio.transaction import AsyncTransaction
from lsmkv.aio.views import AsyncItemsView, AsyncKeysView, AsyncRangeView, AsyncValuesView, AsyncView

__all__ = [  # `open` is left out: a star import should not replace the builtin
    "AsyncWriteBatch",
    "AsyncCursor",
    "AsyncItemsView",
    "AsyncIterator",
    "AsyncKeysView",
    "AsyncLSM",
    "AsyncRangeView",
    "AsyncSnapshot",
    "AsyncSource",
    "AsyncTarget",
    "AsyncTransaction",
    "AsyncValuesView",
    "AsyncView",
    "Opening",
]
