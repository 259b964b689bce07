"""Kinds: what keys and values are. Both are numbered, so that a failing history is a list of small numbers."""

import random

from lsmkv import codecs

KEYS = 64
VALUES = 64
SMALL = 60  # values below that number are at most 3000 bytes


def _filled(firsts, make):
    """`firsts`, then what make(dice) gives, without repetition: KEYS of them."""
    dice, keys = random.Random(7), list(firsts)
    while len(keys) < KEYS:
        key = make(dice)
        if key not in keys:
            keys.append(key)
    return keys


def _some_bytes(dice):
    return bytes(dice.choice(b"\0\1ab\xfe\xff") for _ in range(dice.randrange(1, 6)))


def _some_text(dice):
    return "".join(dice.choice("\0\x01abé\uffff\U0001f600") for _ in range(dice.randrange(1, 5)))


NAMES = ["", "\0", "a", "a\0", "aa", "ab", "b", "é"]

KEYS_OF = {
    # Close ones, so that bounds and prefixes matter; long ones, so that pages and fences do.
    "bytes": _filled(
        [b"", b"\0", b"a", b"a\0", b"aa", b"ab", b"b", b"\xfe", b"\xff", b"\xff\xff", b"\xff\xff\0", b"a" * 300]
        + [b"key%02d" % n for n in range(24)],
        _some_bytes,
    ),
    "str": _filled(NAMES + [f"key{n:02}" for n in range(24)], _some_text),
    "(str,i64)": _filled(
        [(name, number) for name in NAMES[:4] for number in (-(2**63), -1, 0, 1, 2**63 - 1)],
        lambda dice: (dice.choice(NAMES), dice.randrange(-9, 9)),
    ),
    "desc(i64)": _filled([0, 1, -1, 255, 256, -(2**63), 2**63 - 1], lambda dice: dice.randrange(-40, 40)),
}


def _value_bytes(n):
    if n >= SMALL:
        return b"%d" % n * 40_000  # larger than what is copied at once
    return (b"%d" % n, b"", b"v%d" % n, bytes([n]) * (n * 50), b" %d " % -n, b"1_0")[n % 6]


def _value_json(n):
    if n >= SMALL:
        return [n] * 20_000
    return (n, None, {"name": f"n{n}", "tags": [n]}, "é" * n, [n, [str(n)]], n / 4, {}, -n)[n % 8]


VALUES_OF = {"bytes": _value_bytes, "str": lambda n: _value_bytes(n).decode("latin-1"), "json": _value_json}


class Kind:
    """The codecs of one key space, and the objects they are for."""

    def __init__(self, key_name, value_name):
        self.key_name, self.value_name = key_name, value_name
        self._keys, self._value_of = KEYS_OF[key_name], VALUES_OF[value_name]
        self._codec = codecs.value(value_name)

    def __repr__(self):
        return f"{self.key_name} to {self.value_name}"

    def key(self, n):
        return None if n is None else self._keys[n]

    def value(self, n):
        return self._value_of(n)

    def encode(self, value):
        return bytes(self._codec.encode(value))

    def rank(self, key):
        """Where the key stands: the store is in the order of this."""
        return -key if self.key_name == "desc(i64)" else key

    @property
    def keeps_text(self):
        """Numbers are kept as decimal text: incr() reads and writes that."""
        return self.value_name != "json"

    def prefix(self, n):
        """A prefix as prefix() takes it, and which keys begin with it; None when keys of this kind have none."""
        key = self._keys[n]
        if self.key_name == "desc(i64)":
            return None
        if self.key_name == "(str,i64)":
            part = key[: n % 3]
            return part, lambda other: other[: len(part)] == part
        return key, lambda other: other.startswith(key)


KINDS = [Kind(key, value) for key in KEYS_OF for value in VALUES_OF]
