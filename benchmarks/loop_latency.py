"""How long an event loop is kept from a task while lsmkv.aio works: python benchmarks/loop_latency.py [--records N]
[--rounds N].

One task awaits asyncio.sleep(0) again and again and takes the time of each turn; meanwhile another one scans all
records, gets them one by one, gets a hundred at a time, writes them, compacts. Two controls tell what the machine does
to such a task by itself: nothing else going on, and a thread that counts in Python (which may keep the lock for 5 ms).

Beside other programs a turn is mostly late because a thread of ours waits for a core. Linux counts for each thread
how long it ran and how long it waited for a core (schedstat). "own" is a turn less the longest that one thread waited
during it, and no more than all threads that may take the interpreter lock have run during it: who holds the lock
without running does so for lack of a core. That is an estimate, so a third control holds the lock for long stretches on
purpose: where "own" does not show those, it shows nothing about lsmkv either, and only the raw columns count."""

import argparse
import asyncio
import os
import sys
import threading
import time

import lsmkv.aio

TICK = 4e6  # schedstat of a running thread may be so old


def threads():
    """{thread: (ns it has run, ns it has waited for a core)} of those which may take the interpreter lock."""
    seen = {}
    for thread in threading.enumerate():
        try:
            with open(f"/proc/self/task/{thread.native_id}/schedstat") as opened:
                ran, waited = map(int, opened.read().split()[:2])
                seen[thread.native_id] = ran, waited
        except (OSError, IndexError, ValueError):  # ended, or another system
            pass
    return seen


def own(turn, before, now):
    """What of a turn cannot be laid to the machine."""
    if turn < 1e6:
        return turn
    ran = sum(now[one][0] - before.get(one, (0, 0))[0] for one in now)
    waited = max((now[one][1] - before.get(one, now[one])[1] for one in now), default=0)
    return max(min(turn - waited, ran + TICK), 0)


class Pulse:
    """The turns of the loop, in nanoseconds, from `async with` to its end."""

    async def __aenter__(self):
        self.turns, self.own, self.started = [], [], time.perf_counter()
        self.task = asyncio.ensure_future(self.beat())
        return self

    async def beat(self):
        seen = threads()
        while True:
            before = time.perf_counter_ns()
            await asyncio.sleep(0)
            turn = time.perf_counter_ns() - before
            self.turns.append(turn)
            if turn > 1e6 or len(self.turns) % 100 == 0:
                now = threads()
                self.own.append(own(turn, seen, now))
                seen = now

    async def __aexit__(self, *error):
        self.took = time.perf_counter() - self.started
        self.task.cancel()
        await asyncio.wait([self.task])
        self.turns.sort()

    def at(self, share):
        return self.turns[min(int(len(self.turns) * share), len(self.turns) - 1)] / 1e6


async def nothing(db, records):
    await asyncio.sleep(1)


async def counting_thread(db, records):
    stop = threading.Event()

    def count():
        n = 0
        while not stop.is_set():
            for _ in range(1000):
                n += 1

    thread = threading.Thread(target=count)
    thread.start()
    await asyncio.sleep(1)
    stop.set()
    thread.join()


async def known_holds(db, records):
    stop = threading.Event()

    def hold():
        while not stop.is_set():
            sum(range(1_000_000))  # one call in C: the lock is not given up
            time.sleep(0.02)

    thread = threading.Thread(target=hold)
    thread.start()
    await asyncio.sleep(2)
    stop.set()
    thread.join()


async def scan(db, records):
    n = 0
    async for _ in db.items():
        n += 1
    assert n == records


async def get(db, records):
    for i in range(0, records, max(records // 5000, 1)):
        assert await db.get(key(i)) is not None


async def get_hundred_at_a_time(db, records):
    for i in range(0, records - 100, max(records // 50, 1)):
        await asyncio.gather(*(db.get(key(i + j)) for j in range(100)))


async def get_many(db, records):
    await db.get_many([key(i) for i in range(0, records, 10)])


async def update(db, records):
    part = records // 10
    await db.update([(key(i), bytes(100)) for i in range(part)])


async def update_from_generator(db, records):
    await db.update((key(i), bytes(100)) for i in range(records // 10))


async def compact(db, records):
    await db.compact()


async def count(db, records):
    assert await db.keys().count() == records


WORK = [
    nothing,
    counting_thread,
    known_holds,
    scan,
    get,
    get_hundred_at_a_time,
    get_many,
    update,
    update_from_generator,
    compact,
    scan,
    count,
]


def key(i):
    return b"%016x" % (i * 0x9E3779B97F4A7C15 % 2**64)


async def main(records, rounds):
    print(
        f"{records} records, Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    words = ("took s", "turns", "p50 ms", "p99", "p99.9", "max", "> 5 ms", "own max", "> 5 ms")
    head = "".join(f"{word:>9}" for word in words)
    print(f"{'':34}{head}")
    for i in range(rounds):
        async with lsmkv.aio.open(None) as db:
            await db.update((key(i), os.urandom(50) + bytes(50)) for i in range(records))
            for work in WORK:
                async with Pulse() as pulse:
                    await work(db, records)
                figures = "".join(f"{pulse.at(share):9.3f}" for share in (0.5, 0.99, 0.999, 1))
                late = sum(turn > 5e6 for turn in pulse.turns)
                own = f"{max(pulse.own, default=0) / 1e6:9.3f}{sum(turn > 5e6 for turn in pulse.own):9}"
                name = f"{i}: {work.__name__.replace('_', ' ')}"
                print(f"{name:34}{pulse.took:9.2f}{len(pulse.turns):9}{figures}{late:9}{own}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    asyncio.run(main(asked.records, asked.rounds))
