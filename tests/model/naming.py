"""Naming: namespaces come, are opened again, and go, with all that is in them."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

import lsmkv

from .game import DEFAULT_TTL, KIND, Game

NAME = st.sampled_from(["a", "b", "ü"])


class Naming(Game):
    @rule(name=NAME, kind=KIND, ttl=DEFAULT_TTL)
    def make_a_namespace(self, name, kind, ttl):
        if name not in self.world.spaces:
            with pytest.raises(KeyError):
                self.world.db.namespace(name, create=False)
            self.world.make_namespace(name, kind, ttl)
            self.world.note()

    @rule(name=NAME)
    def open_it_again(self, name):
        if name in self.world.spaces:
            again = self.world.open_namespace(name)
            assert list(again.items()) == self.world.spaces[name].items()
            again.close()

    @rule(name=NAME, other=KIND)
    def open_it_as_something_else(self, name, other):
        space = self.world.spaces.get(name)
        if space and space.kind is not other:
            with pytest.raises(lsmkv.CodecMismatchError):
                self.world.db.namespace(name, key=other.key_name, value=other.value_name)

    @rule(name=NAME)
    def drop_it(self, name):
        if name not in self.world.spaces:
            with pytest.raises(KeyError):
                self.world.db.drop_namespace(name)
            return
        for transaction in list(self.world.transactions):  # what becomes of them then is test_namespaces.py's
            self.world.abandon(transaction)
        space = self.world.stores[name]
        self.world.db.drop_namespace(name)
        assert space.closed
        with pytest.raises(lsmkv.ClosedError):
            len(space)
        self.world.forget_namespace(name)
        self.world.scans.clear()
        self.world.cursors.clear()
        self.world.note()
