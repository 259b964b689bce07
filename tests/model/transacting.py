"""Transacting: transactions begin, nest, and end among everything else that goes on. Their reads and writes are those of
the other rules, which meet them by `where`."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import lsmkv

from .game import KEY, SMALL_VALUE
from .upkeep import Upkeep

MOST = 2
WHICH = st.integers(0, MOST - 1)

some_are_open = precondition(lambda self: self.world and self.world.transactions)


class Transacting(Upkeep):
    def transaction(self, which):
        return self.world.transactions[which % len(self.world.transactions)]

    @rule()
    def begin(self):
        if len(self.world.transactions) == MOST:
            self.commit(0)
        self.world.begin()

    @some_are_open
    @rule(which=WHICH)
    def open_a_savepoint(self, which):
        subject, model = self.transaction(which)
        assert subject.__enter__() is subject
        model.save()

    @some_are_open
    @rule(which=WHICH, clean=st.booleans())
    def close_a_savepoint(self, which, clean):
        subject, model = self.transaction(which)
        if model.savepoints:
            self.leave(subject, clean)
            model.keep() if clean else model.undo()

    @some_are_open
    @rule(which=WHICH)
    def commit(self, which):
        transaction = self.transaction(which)
        subject, model = transaction
        while model.savepoints:
            self.leave(subject, clean=True)
            model.keep()
        fate = model.fate(list(self.world.spaces.values()))
        try:
            self.leave(subject, clean=True)
        except lsmkv.ConflictError:
            assert fate != "commits", "nothing that it read was touched"
        else:
            assert fate != "conflicts", "what it read is no longer so"
            model.commit(self.world.spaces.values())
            self.world.note()
        self.over(transaction)

    @some_are_open
    @rule(which=WHICH)
    def abandon(self, which):
        transaction = self.transaction(which)
        for _ in range(len(transaction.model.savepoints) + 1):
            self.leave(transaction.subject, clean=False)
        self.over(transaction)

    def abandon_all(self):
        while self.world.transactions:
            self.abandon(0)

    @staticmethod
    def leave(subject, clean):
        error = None if clean else ZeroDivisionError()
        assert not subject.__exit__(type(error) if error else None, error, None)

    def over(self, transaction):
        assert transaction.subject.closed
        with pytest.raises(ValueError):
            len(transaction.subject)
        self.world.transactions.remove(transaction)
        self.scans.clear()

    @rule(k=KEY, v=SMALL_VALUE, others=st.integers(0, 4), retries=st.integers(0, 3))
    def transact(self, k, v, others, retries):
        """Run again as often as another writer comes between, up to `retries` times."""
        db, space, kind = self.world.live()[0]
        key, runs = kind.key(k), []

        def work(tx):
            assert tx.get(key) == space.get(key)
            runs.append(tx)
            if len(runs) <= others:
                db[key] = space[key] = kind.value((v + len(runs)) % 60)
                self.world.note()
            tx[key] = kind.value(v)
            return len(runs)

        if others > retries:
            with pytest.raises(lsmkv.ConflictError):
                db.transact(work, retries)
            assert len(runs) == retries + 1
        else:
            assert db.transact(work, retries=retries) == others + 1
            space[key] = kind.value(v)
            self.world.note()
        assert all(tx.closed for tx in runs)
