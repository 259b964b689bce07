"""CPython's own tests of what a mapping is, run on a store of str. docs/api.md lists what of the stricter ones cannot
hold."""

import unittest

import pytest

import lsmkv

protocol = pytest.importorskip("test.mapping_tests", reason="this interpreter ships no test.mapping_tests")


class TestStore(protocol.BasicTestMappingProtocol):
    """Only test_constructor and test_update are overridden: they compare stores with ==, which is identity here."""

    def _reference(self):
        return {"1": "2", "key1": "value1", "key2": "(1, 2, 3)"}

    def _empty_mapping(self):
        db = lsmkv.open(None, key="str", value="str", options="low_memory", threads=0)
        self.addCleanup(db.close)
        return db

    def test_constructor(self):
        one, other = self._empty_mapping(), self._empty_mapping()
        assert one == one and one != other
        assert dict(one) == dict(other) == {}

    def test_update(self):
        real = self.assertEqual

        def by_content(first, second, *rest):
            stores = isinstance(first, lsmkv.LSM) and isinstance(second, lsmkv.LSM)
            real(*((dict(first), dict(second)) if stores else (first, second)), *rest)

        self.assertEqual = by_content
        super().test_update()


class TestTransaction(TestStore):
    """A transaction is as good a mapping as its store."""

    def _empty_mapping(self):
        db = super()._empty_mapping()
        transaction = db.transaction()
        transaction.__enter__()
        self.addCleanup(transaction.__exit__, None, None, None)
        return transaction

    def test_update(self):
        real = self.assertEqual

        def by_content(first, second, *rest):
            both = isinstance(first, lsmkv.Transaction) and isinstance(second, lsmkv.Transaction)
            real(*((dict(first), dict(second)) if both else (first, second)), *rest)

        self.assertEqual = by_content
        protocol.BasicTestMappingProtocol.test_update(self)


def test_these_tests_are_the_interpreters():
    names = unittest.TestLoader().getTestCaseNames(TestStore)
    own = {name for name in vars(TestStore) if name.startswith("test_")}
    assert own == {"test_constructor", "test_update"}
    assert len(names) >= 14
