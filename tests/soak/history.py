"""A store and the model that says what it must hold. Each verb does something to both, or looks whether they agree.

A key is a number. What it holds is told by another number, its generation: value() makes the same bytes of both each
time, so the model of gigabytes is eight bytes a key, and a copy of it for a snapshot hardly shows beside the store's
own memory. Most values are short, some a page, few megabytes.
"""

import random
import zlib
from array import array

import lsmkv

SHORT, PAGE, LARGE = 220, 4096, 2 << 20
NOISE = random.Random(1).randbytes(LARGE + 4096)


class Violation(Exception):
    """The store does not hold what it must."""


def key(number):
    return b"%010d" % number


def value_bytes(number, generation):
    draw = zlib.crc32(b"%d %d" % (number, generation))
    kind, size = draw % 1000, draw // 1000
    if kind == 0:
        return PAGE * 16 + size % (LARGE - PAGE * 16)
    return PAGE if kind < 60 else size % SHORT


def value(number, generation):
    size = value_bytes(number, generation)
    at = (number * 31 + generation * 17) % 4000
    half = size // 2
    return (b"%d:%d" % (number, generation) + NOISE[at : at + half] + b"." * size)[:size]


class Model:
    """{number: generation} for the numbers below `records`; generations begin at 1."""

    def __init__(self, records):
        self.generations, self.count = array("q", bytes(8 * records)), 0

    def __len__(self):
        return self.count

    def __iter__(self):
        return (number for number, generation in enumerate(self.generations) if generation)

    def get(self, number):
        inside = 0 <= number < len(self.generations)
        return (self.generations[number] or None) if inside else None

    def set(self, number, generation):
        """None: the number leaves."""
        self.count += (generation is not None) - (self.get(number) is not None)
        self.generations[number] = generation or 0

    def copy(self):
        other = Model(0)
        other.generations, other.count = self.generations[:], self.count
        return other


class History:
    """records: how many keys there may be."""

    def __init__(self, path, records, seed, **options):
        self.path, self.records, self.options = path, records, options
        self.draw = random.Random(seed)
        self.model, self.live, self.generation = Model(records), 0, 0
        self.held = []  # snapshots, each with the model of its moment
        self.checked = self.done = 0
        self.db = lsmkv.open(path, **options)

    def agree(self, number, found, model, where):
        self.checked += 1
        generation = model.get(number)
        if found != (None if generation is None else value(number, generation)):
            size = None if found is None else len(found)
            raise Violation(
                f"{where}: key {number} of generation {generation} has a value of {size} bytes, another one"
            )

    # ---- writes ---------------------------------------------------------------------------------

    def note(self, number, generation):
        before = self.model.get(number)
        if before is not None:
            self.live -= len(key(number)) + value_bytes(number, before)
        self.model.set(number, generation)
        if generation is not None:
            self.live += len(key(number)) + value_bytes(number, generation)
        self.done += 1

    def fresh(self, number):
        self.generation += 1
        self.note(number, self.generation)
        return key(number), value(number, self.generation)

    def put(self, number):
        self.db.put(*self.fresh(number))

    def put_many(self, numbers):
        self.db.update([self.fresh(number) for number in numbers])

    def batch(self, numbers):
        with self.db.batch() as batch:
            for number in numbers:
                batch.put(*self.fresh(number))

    def delete(self, number):
        self.db.delete(key(number))
        self.note(number, None)

    def delete_range(self, start, stop):
        del self.db[key(start) : key(stop)]
        for number in range(start, stop):
            if self.model.get(number) is not None:
                self.note(number, None)

    # ---- reads ----------------------------------------------------------------------------------

    def get(self, number):
        self.agree(number, self.db.get(key(number)), self.model, "get")

    def scan(self, source, model, start, most):
        """From key `start` on, as far as `most` numbers: exactly the records that are there."""
        stop = start + most
        found = {int(name): given for name, given in source[key(start) : key(stop)].items()}
        for number in range(start, stop):
            self.agree(number, found.pop(number, None), model, "scan")
        if found:
            raise Violation(f"scan: keys outside of {start} .. {stop}: {sorted(found)[:5]}")

    def whole(self, source=None, model=None):
        """Everything, in order, and how much it is."""
        source, model = source or self.db, self.model if model is None else model
        numbers = iter(model)
        for name, given in source.items():
            number = next(numbers, None)
            if number is None or name != key(number):
                raise Violation(f"a whole scan: {name} where key {number} comes next")
            self.agree(number, given, model, "a whole scan")
        if next(numbers, None) is not None:
            raise Violation("a whole scan ends too early")

    # ---- snapshots, the end and a new beginning --------------------------------------------------

    def hold(self):
        self.held.append((self.db.snapshot(), self.model.copy()))

    def let_go(self):
        """Look at the oldest snapshot a last time."""
        if not self.held:
            return
        snapshot, model = self.held.pop(0)
        for _ in range(20):
            number = self.draw.randrange(self.records)
            self.agree(number, snapshot.get(key(number)), model, "get of a snapshot")
        self.scan(snapshot, model, self.draw.randrange(self.records), 200)
        snapshot.close()

    def reopen(self):
        while self.held:
            self.let_go()
        self.db.close()
        self.db = lsmkv.open(self.path, **self.options)
        if len(self.db) != len(self.model):
            raise Violation(f"after a reopen the store has {len(self.db)} records, not {len(self.model)}")
