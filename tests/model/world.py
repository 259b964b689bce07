"""World: a store, its namespaces and transactions, each beside its model."""

import tempfile
from collections import namedtuple
from itertools import count
from pathlib import Path

import pytest

import lsmkv

from .history import History, picture
from .space import FrozenSpace, Space
from .transaction import Transaction

Mirror = namedtuple("Mirror", "subject model kind")

Pair = namedtuple(
    "Pair", "subject model"
)  # a transaction in its block, or a snapshot; the model may be a dict of spaces


def outcome(act, on):
    """What an act gives: ("gave", answer) or ("raised", type)."""
    try:
        return "gave", act(on)
    except (KeyError, TypeError, ValueError) as error:
        return "raised", type(error)


def leave(subject, error=None):
    """The end of a block of a transaction, clean or by an exception, which is not swallowed."""
    assert not subject.__exit__(type(error) if error else None, error, None)


class World:
    def __init__(self, kind, options, ttl):
        self.kind, self.options = kind, options
        self.clock = lsmkv.ManualClock()
        self.home = tempfile.TemporaryDirectory(prefix="lsmkv-model-")
        self.path = Path(self.home.name, "store")
        self.journal, self.history, self._ids = [], History(), count()
        self.spaces, self.stores = {}, {}  # by name; None is the default one
        self.transactions, self.snapshots = [], []
        self.scans = []  # (iterator, what it must still yield)
        self.cursors = []  # (cursor, its model, kind)
        self.lent = []  # (memoryview, what it must show)
        self.spaces[None] = self._space(kind, ttl)
        self.history.add(0, picture(self.spaces))
        self.open(options)

    def _space(self, kind, ttl):
        return Space(next(self._ids), kind, self.clock, ttl, self.journal)

    # ---- its life -------------------------------------------------------------------------------

    def open(self, options):
        """Anew, with the namespaces that are there."""
        ttl = self.spaces[None].default_ttl
        kind = self.kind
        self.stores[None] = lsmkv.open(
            self.path, key=kind.key_name, value=kind.value_name, clock=self.clock, ttl=ttl, **options
        )
        for name in self.spaces:
            if name is not None:
                self.stores[name] = self.open_namespace(name)
        self.history.promise()

    def close(self):
        """What was held has ended with it; lent values have not."""
        self.db.close()
        assert all(pair.subject.closed for pair in self.transactions + self.snapshots)
        assert all(outcome(lambda scan: list(scan), scan)[0] in ("gave", "raised") for scan, _ in self.scans)
        for cursor, _, _ in self.cursors:
            assert outcome(lambda cursor: cursor.first(), cursor)[0] == "raised" and not cursor.valid
        for held in (self.transactions, self.snapshots, self.scans, self.cursors):
            held.clear()

    def remove(self):
        self.db.close()
        self.home.cleanup()

    @property
    def db(self):
        return self.stores[None]

    @property
    def keeps_a_log(self):
        return self.options.get("durability") != "none"

    # ---- namespaces -----------------------------------------------------------------------------

    def make_namespace(self, name, kind, ttl):
        self.spaces[name] = self._space(kind, ttl)
        self.journal.append((None, name))
        self.stores[name] = self.open_namespace(name)

    def open_namespace(self, name):
        space = self.spaces[name]
        return self.db.namespace(name, key=space.kind.key_name, value=space.kind.value_name, ttl=space.default_ttl)

    def forget_namespace(self, name):
        del self.spaces[name], self.stores[name]
        self.journal.append((None, name))

    def listing(self):
        """As namespaces() has it."""
        return {
            name: {"key": space.kind.key_name, "value": space.kind.value_name, "ttl": space.default_ttl}
            for name, space in self.spaces.items()
            if name is not None
        }

    # ---- what can be read and written -----------------------------------------------------------

    def live(self):
        """Every store of it: the default key space and the namespaces."""
        return [Mirror(self.stores[name], space, space.kind) for name, space in self.spaces.items()]

    def inside(self, pair, spaces):
        """Every key space as a snapshot or a transaction sees it: those there were when it began."""
        mirrors = []
        for name, space in self.spaces.items():
            if space.ident in spaces:
                subject = pair.subject if name is None else pair.subject.namespace(self.stores[name])
                mirrors.append(Mirror(subject, spaces[space.ident], space.kind))
        return mirrors

    def writable(self):
        return self.live() + [
            mirror for transaction in self.transactions for mirror in self.inside(transaction, transaction.model.spaces)
        ]

    def frozen(self):
        return [mirror for snapshot in self.snapshots for mirror in self.inside(snapshot, snapshot.model)]

    def begin(self):
        subject = self.db.transaction()
        subject.__enter__()
        self.transactions.append(Pair(subject, Transaction(list(self.spaces.values()), self.journal)))
        return self.transactions[-1]

    def commit(self, transaction):
        """Its block ends: as the model says, or in doubt either way."""
        subject, model = transaction
        while model.savepoints:
            leave(subject)
            model.keep()
        fate = model.fate(self.spaces.values())
        try:
            leave(subject)
        except lsmkv.ConflictError:
            assert fate != "commits", "nothing that it read was touched"
        else:
            assert fate != "conflicts", "what it read is no longer so"
            model.commit(self.spaces.values())
            self.note()
        self._over(transaction)

    def abandon(self, transaction):
        for _ in range(len(transaction.model.savepoints) + 1):
            leave(transaction.subject, ZeroDivisionError())
        self._over(transaction)

    def _over(self, transaction):
        assert transaction.subject.closed
        with pytest.raises(ValueError):
            len(transaction.subject)
        self.transactions.remove(transaction)
        self.scans.clear()

    def freeze(self):
        model = {space.ident: FrozenSpace(space) for space in self.spaces.values()}
        self.snapshots.append(Pair(self.db.snapshot(), model))

    def all_or_nothing(self, act):
        """Whether it could be done to the models; when one of them raises, all are as before."""
        before, written = {name: dict(space.cells) for name, space in self.spaces.items()}, len(self.journal)
        try:
            act()
        except TypeError:
            for name, cells in before.items():
                self.spaces[name].cells = cells
            del self.journal[written:]
            return False
        return True

    # ---- what has been --------------------------------------------------------------------------

    def note(self, sync=None):
        """Keep the present state, if it is a new one. sync: as the write that led to it was told."""
        present = picture(self.spaces)
        if present != self.history.pictures[-1]:
            self.history.add(self.db.lsn, present)
        if self.keeps_a_log and (sync or (sync is None and self.options.get("durability") == "always")):
            self.history.promise()
