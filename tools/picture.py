"""Draws the pictures of the documentation: python tools/picture.py [FOLDER], which is docs/pictures.

A small store is filled from a seed, and its key-range map drawn once for light paper and once for dark.
"""

import random
import sys
from pathlib import Path

import lsmkv

ROOT = Path(__file__).resolve().parents[1]
SEED, WRITES = 11, 2680


def fill(db):
    """A shop: steady customers, orders that come in their order, sessions that come and go."""
    chance = random.Random(SEED)
    for number in range(WRITES):
        kind = chance.random()
        if kind < 0.45:
            db[b"customer:%04d" % chance.randrange(900)] = b"name" * chance.randrange(2, 9)
        elif kind < 0.75:
            db[b"order:%05d" % number] = b"item" * chance.randrange(2, 12)
        elif kind < 0.9:
            db[b"session:%04d" % chance.randrange(300)] = b"token" * 3
        else:
            db.delete(b"session:%04d" % chance.randrange(300))


def draw(folder):
    with lsmkv.open(None, options="teach", run_count=4) as db:
        fill(db)
        for theme in ("light", "dark"):
            (folder / f"levels-{theme}.svg").write_text(db.levels.svg("age", theme=theme) + "\n", "utf-8")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    target.mkdir(parents=True, exist_ok=True)
    draw(target)
