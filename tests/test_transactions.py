"""Transactions: together or not at all, and as if each had run alone."""

import random
import sys
import threading

import pytest

import lsmkv

TINY = {"threads": 2, "segment_bytes": 4096, "table_bytes": 2048, "page_bytes": 128, "l0_segments": 1, "run_count": 2}


@pytest.fixture
def db(path):
    with lsmkv.open(path, options="teach") as db:
        db.update({b"a": b"1", b"b": b"2"})
        yield db


# ---- together or not at all -----------------------------------------------------------------


def test_its_own_writes_are_seen_inside_and_by_nobody_else(db):
    with db.transaction() as tx:
        tx[b"c"] = b"3"
        del tx[b"a"]
        assert dict(tx) == {b"b": b"2", b"c": b"3"} and len(tx) == 2 and tx.first() == (b"b", b"2") and tx.writes == 2
        assert list(tx.range(b"b", reverse=True)) == [b"c", b"b"] and tx.get_many([b"a", b"c"]) == [None, b"3"]
        assert dict(db) == {b"a": b"1", b"b": b"2"}
    assert dict(db) == {b"b": b"2", b"c": b"3"}


def test_an_exception_drops_it(db):
    with pytest.raises(ZeroDivisionError), db.transaction() as tx:
        tx.clear()
        raise ZeroDivisionError
    assert dict(db) == {b"a": b"1", b"b": b"2"} and tx.closed


def test_it_sees_the_state_of_its_beginning(db):
    with db.transaction() as tx:
        db[b"a"] = b"changed"
        db[b"c"] = b"new"
        assert dict(tx) == {b"a": b"1", b"b": b"2"}


def test_every_method_of_a_store_that_writes(db):
    with db.transaction() as tx:
        tx.put(b"c", b"3")
        tx |= {b"d": b"4"}
        tx.update({b"e": b"5"})
        tx.set_many([(b"f", b"6")])
        tx.delete_many([b"e", b"nobody"])
        tx.delete(b"nobody")
        tx.delete_range(b"f", b"g")
        assert tx.pop(b"a") == b"1" and tx.popitem() == (b"d", b"4") and tx.setdefault(b"x", b"y") == b"y"
        assert tx.add(b"n", b"1") and tx.incr(b"n") == 2 and tx.discard(b"x") and tx.put(b"z", b"") == 0
        assert tx.merge(b"b", b"!", op="concat") == b"2!" and tx.compare_and_set(b"z", b"", lsmkv.ABSENT)
    assert dict(db) == {b"b": b"2!", b"c": b"3", b"n": b"2"}


def test_one_frame_one_position(db):
    before = db.lsn
    with db.transaction(sync=True) as tx:
        tx.update({b"%d" % n: b"" for n in range(100)})
        assert db.lsn == before
    assert db.lsn > before and len(db) == 102 and db.stats()["lsn_durable"] == db.lsn


def test_a_transaction_that_wrote_nothing(db):
    before = db.lsn
    with db.transaction() as tx:
        assert tx[b"a"] == b"1"
        db[b"a"] = b"changed"
        after = db.lsn
    assert db.lsn == after > before, "it read one state: there is nothing to be in conflict about"


# ---- savepoints -----------------------------------------------------------------------------


def test_keeping_much_leaves_the_interpreter_to_others(db):
    """Small memtables are folded into larger ones then: the lock is not held for it."""
    ticks, over = [], threading.Event()

    def tick():
        while not over.wait(0.0005):
            ticks.append(len(ticks))

    thread = threading.Thread(target=tick)
    switch = sys.getswitchinterval()
    with db.transaction() as tx:
        thread.start()
        sys.setswitchinterval(60)  # only who gives the lock up by itself lets the thread run
        try:
            met = 0
            for i in range(40):
                tx.__enter__()
                tx.update({b"%d-%05d" % (i, j): b"v" * 100 for j in range(2000)})
                before = len(ticks)
                tx.__exit__(None, None, None)
                met += len(ticks) > before
        finally:
            sys.setswitchinterval(switch)
            over.set()
            thread.join()
    assert met and len(db) == 80002


def test_an_inner_block_is_undone_alone(db):
    with db.transaction() as tx:
        tx[b"c"] = b"3"
        with pytest.raises(ZeroDivisionError), tx:
            tx[b"c"] = b"other"
            tx.clear()
            assert not tx
            raise ZeroDivisionError
        assert dict(tx) == {b"a": b"1", b"b": b"2", b"c": b"3"} and tx.writes == 1
        with tx:
            tx[b"d"] = b"4"
            with tx:
                tx[b"e"] = b"5"
            with pytest.raises(KeyError), tx:
                tx[b"f"] = b"6"
                tx[b"nobody"]
    assert dict(db) == {b"a": b"1", b"b": b"2", b"c": b"3", b"d": b"4", b"e": b"5"}


def test_many_nested_blocks(db):
    def nest(tx, depth):
        if depth:
            with tx:
                tx[b"%03d" % depth] = b"%d" % depth
                nest(tx, depth - 1)
                if depth % 3 == 0:
                    raise ZeroDivisionError

    def kept(tx, depth):
        try:
            nest(tx, depth)
        except ZeroDivisionError:
            pass

    with db.transaction() as tx:
        for depth in (1, 2, 90, 91):
            kept(tx, depth)
        assert list(tx) == [b"001", b"002", b"091", b"a", b"b"] or list(tx) == [b"001", b"002", b"a", b"b"]
        expected = dict(tx)
    assert dict(db) == expected


# ---- conflicts ------------------------------------------------------------------------------

READS = {
    "[]": lambda d: d[b"a"],
    "get": lambda d: d.get(b"a"),
    "in": lambda d: b"a" in d,
    "get_many": lambda d: d.get_many([b"z", b"a"]),
    "get_view": lambda d: d.get_view(b"a"),
    "ttl": lambda d: d.ttl(b"a"),
    "iteration": list,
    "items": lambda d: list(d.items()),
    "reversed": lambda d: next(reversed(d[:b"b"])),
    "first": lambda d: d.first(),
    "floor": lambda d: d.floor(b"aa"),
    "ceiling": lambda d: d.ceiling(b""),
    "prefix": lambda d: list(d.prefix(b"a")),
    "a cursor": lambda d: d.cursor().first(),
    "incr": lambda d: d.incr(b"a"),
    "add": lambda d: d.add(b"a", b""),
    "discard": lambda d: d.discard(b"a"),
    "del": lambda d: d.__delitem__(b"a"),
    "popitem": lambda d: d.popitem(last=False),
    "compare_and_set": lambda d: d.compare_and_set(b"a", b"?", b""),
}

CHANGES = {
    "a new value": lambda db: db.put(b"a", b"new"),
    "a deletion": lambda db: db.delete(b"a"),
    "a range deletion": lambda db: db.delete_range(b"", b"aa"),
    "and a flush": lambda db: (db.put(b"a", b"new"), db.flush()),
    "and a compaction": lambda db: (db.delete(b"a"), db.flush(), db.compact()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_what_was_read_and_changed_is_a_conflict(db, read, change):
    with pytest.raises(lsmkv.ConflictError, match="Run it again, or let transact"), db.transaction() as tx:
        read(tx)
        change(db)
        tx[b"mine"] = b""
    assert b"mine" not in db


@pytest.mark.parametrize("read", [list, lambda d: d.last(), len, bool, lambda d: d[b"b":].count()])
def test_a_key_that_appears_where_nothing_was(path, read):
    with lsmkv.open(path) as db:
        with pytest.raises(lsmkv.ConflictError), db.transaction() as tx:
            read(tx)
            db[b"c"] = b"new"
            tx[b"mine"] = b""


def test_what_was_not_read_is_none(db):
    with db.transaction() as tx:
        assert tx[b"a"] == b"1" and list(tx[b"a":b"aa"]) == [b"a"] and tx.floor(b"aa") == (b"a", b"1")
        db[b"b"] = b"changed"
        db[b"c"] = b"new"
        db.flush()
        tx[b"mine"] = b""
    assert b"mine" in db


def test_writes_alone_never_conflict(db):
    with db.transaction() as tx:
        tx[b"a"] = b"mine"
        tx.delete(b"b")
        tx.delete_range(b"x", b"z")
        assert tx[b"a"] == b"mine", "its own write has answered"
        db.update({b"a": b"theirs", b"b": b"theirs", b"y": b"theirs"})
    assert dict(db) == {b"a": b"mine"}


def test_two_that_read_what_the_other_writes(db):
    """Write skew: each alone would have been fine."""
    one, two = db.transaction(), db.transaction()
    with pytest.raises(lsmkv.ConflictError), one, two:
        one[b"a"] = one[b"b"] + b"!"
        two[b"b"] = two[b"a"] + b"!"
    assert dict(db) == {b"a": b"1", b"b": b"1!"}, "the inner block ended first"


def test_a_read_that_was_undone_is_a_read(db):
    with pytest.raises(lsmkv.ConflictError), db.transaction() as tx:
        with pytest.raises(ZeroDivisionError), tx:
            if tx[b"a"]:
                raise ZeroDivisionError
        db[b"a"] = b"changed"
        tx[b"mine"] = b""


# ---- transact -------------------------------------------------------------------------------


def test_transact_returns_what_the_function_does(db):
    assert db.transact(lambda tx: tx.incr(b"a")) == 2 and db[b"a"] == b"2"


def test_transact_runs_again(db):
    runs = []

    def work(tx):
        runs.append(tx[b"a"])
        if len(runs) < 3:
            db.incr(b"a")
        return tx.incr(b"a")

    assert db.transact(work) == 4 and runs == [b"1", b"2", b"3"]


def test_transact_gives_up(db):
    runs = []

    def work(tx):
        runs.append(tx[b"a"])
        db.incr(b"a")
        tx[b"mine"] = b""

    with pytest.raises(lsmkv.ConflictError, match="in each of 3 runs; nothing of it was written"):
        db.transact(work, retries=2)
    assert len(runs) == 3 and b"mine" not in db
    with pytest.raises(lsmkv.ConflictError, match="in each of 1 runs"):
        db.transact(work, 0)


def test_the_function_may_ask_for_another_run(db):
    runs = []

    def work(tx):
        runs.append(tx)
        tx[b"n"] = b"%d" % len(runs)
        if len(runs) < 2:
            raise lsmkv.ConflictError

    db.transact(work)
    assert db[b"n"] == b"2" and all(tx.closed for tx in runs)


def test_transact_drops_what_raises(db):
    def work(tx):
        tx.clear()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.transact(work)
    assert len(db) == 2


@pytest.mark.parametrize("wrong", [(), (7,), (len, -1), (len, "x"), (len, 1, True)])
def test_transact_with_wrong_arguments(db, wrong):
    with pytest.raises((TypeError, ValueError)):
        db.transact(*wrong)


# ---- its life -------------------------------------------------------------------------------


def test_before_and_after_its_block(db):
    tx = db.transaction()
    assert tx.closed and "not begun" in repr(tx)
    for state in ("inside its block", "over"):
        for call in (
            lambda: tx[b"a"],
            lambda: tx.put(b"a", b""),
            lambda: list(tx),
            lambda: tx.update({}),
            lambda: len(tx),
        ):
            with pytest.raises(lsmkv.ClosedError, match=state):
                call()
        if state == "over":
            break
        with tx:
            assert not tx.closed and "open" in repr(tx)
            scan = iter(tx)
    with pytest.raises((lsmkv.ClosedError, ValueError)):
        list(scan)
    with pytest.raises(lsmkv.ClosedError), tx:
        pass


def test_the_store_is_closed_meanwhile(db):
    with pytest.raises(lsmkv.ClosedError), db.transaction() as tx:
        tx[b"mine"] = b""
        db.close()
    assert tx.closed
    with pytest.raises(lsmkv.ClosedError):
        db.transaction()
    with pytest.raises(lsmkv.ClosedError):
        db.transact(len)


def test_read_only(path, db):
    db.close()
    with lsmkv.open(path, "r") as db, db.transaction() as tx:
        assert tx[b"a"] == b"1"
        with pytest.raises(lsmkv.ReadOnlyError):
            tx[b"a"] = b""


# ---- at random: a bank ----------------------------------------------------------------------

ACCOUNTS, TELLERS, TRANSFERS, START = 12, 4, 250, 100


class Bank:
    """Accounts in the store and in a namespace, and a book of every transfer, in which each says what it saw."""

    def __init__(self, db):
        self.db, self.savings, self.book = (
            db,
            db.namespace("savings", value="json"),
            db.namespace("book", key="i64", value="json"),
        )
        for number in range(ACCOUNTS):
            self.part(db, number)[self.name(number)] = START

    @staticmethod
    def name(number):
        return b"account %d" % number

    def part(self, of, number):
        """Where an account is, as `of` (the store, a snapshot, a transaction) sees it."""
        if number % 2 == 0:
            return of
        return self.savings if of is self.db else of.namespace(self.savings)

    def total(self, of):
        savings = self.savings if of is self.db else of.namespace(self.savings)
        accounts = list(of.prefix(b"account ").values()) + list(savings.values())
        assert len(accounts) == ACCOUNTS
        return sum(accounts)

    def transfer(self, tx, teller, source, target, amount):
        turn = tx.incr(b"turns")
        seen = [self.part(tx, number)[self.name(number)] for number in (source, target)]
        self.part(tx, source)[self.name(source)] -= amount
        self.part(tx, target)[self.name(target)] += amount
        tx.namespace(self.book)[turn] = [teller, source, target, amount, seen]
        return turn

    def replay(self):
        """Every transfer saw exactly what those before it, in the order of the book, had left."""
        accounts = [START] * ACCOUNTS
        for turn, (_, source, target, amount, seen) in self.book.items():
            assert seen == [accounts[source], accounts[target]], f"turn {turn}"
            accounts[source] -= amount
            accounts[target] += amount
        return accounts


@pytest.mark.parametrize("options", [{}, TINY, {**TINY, "table_source": "read"}], ids=["default", "tiny", "read"])
def test_a_bank(path, options):
    with lsmkv.open(path, value="json", **options) as db:
        bank, done, wrong = Bank(db), threading.Event(), []
        turns = [[] for _ in range(TELLERS)]

        def teller(number):
            dice = random.Random(number)
            for _ in range(TRANSFERS):
                source, target = dice.sample(range(ACCOUNTS), 2)
                amount = dice.randrange(1, 50)
                work = lambda tx: bank.transfer(tx, number, source, target, amount)  # noqa: B023, E731 - run at once
                turns[number].append(db.transact(work, retries=10_000))

        def auditor():
            while not done.is_set():
                with db.snapshot() as snapshot:
                    assert bank.total(snapshot) == START * ACCOUNTS
                assert db.transact(bank.total) == START * ACCOUNTS

        def keeper():
            while not done.is_set():
                db.flush()
                db.compact()

        def run(work, *arguments):
            try:
                work(*arguments)
            except BaseException as error:
                wrong.append(error)

        tellers = [threading.Thread(target=run, args=(teller, number)) for number in range(TELLERS)]
        others = [threading.Thread(target=run, args=(work,)) for work in (auditor, keeper)]
        for thread in tellers + others:
            thread.start()
        for thread in tellers:
            thread.join()
        done.set()
        for thread in others:
            thread.join()
        if wrong:
            raise wrong[0]

        count = TELLERS * TRANSFERS
        assert sorted(sum(turns, [])) == list(range(1, count + 1)) == list(bank.book), (
            "nobody's turn was lost or shared"
        )
        assert all(own == sorted(own) for own in turns)
        accounts = bank.replay()
        assert accounts == [bank.part(db, number)[bank.name(number)] for number in range(ACCOUNTS)]
        assert sum(accounts) == bank.total(db) == START * ACCOUNTS
