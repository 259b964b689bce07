"""Wrong uses, each of which both type checkers must flag: a comment that silences nothing is an error. Never run."""

from __future__ import annotations

from collections.abc import Mapping

import lsmkv
from lsmkv import LSM, Options, codecs


def wanting_ints(m: Mapping[int, int]) -> None: ...


def opening() -> None:
    lsmkv.open(7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    lsmkv.open(None, "x")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    lsmkv.open(None, page_size=512)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    lsmkv.open(None, ttl="1 h")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    lsmkv.open(None, durability="yes")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    lsmkv.open(None, options="fast")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    lsmkv.open(None, key=codecs.json)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    lsmkv.open(None, value=codecs.i64)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Options("always")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Options(log_source="read")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Options().threads = 0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def bytes_and_str(db: LSM[bytes, bytes], text: LSM[str, str]) -> None:
    db["apple"] = b"red"  # type: ignore[index]  # pyright: ignore[reportArgumentType]
    db[b"apple"] = "red"  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    text[b"apple"] = "red"  # type: ignore[index]  # pyright: ignore[reportArgumentType]
    db.get("apple")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    del text[7]  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text.put("apple", b"red")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text.put("apple", "red", True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    text.put("apple", "red", ttl="1 h")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text.update({b"apple": "red"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text.pop()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    text.merge("apple", "s", op="join")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    first: str = text.first()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(first)
    wanting_ints(text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text["a":"b"] = "red"  # type: ignore[index]  # pyright: ignore[reportArgumentType]


def groups(db: LSM[str, str], users: LSM[int, bytes]) -> None:
    with db.batch() as batch:
        batch[7] = "v"  # type: ignore[index]  # pyright: ignore[reportArgumentType]
        batch.namespace(users)["k"] = b"v"  # type: ignore[index]  # pyright: ignore[reportArgumentType]
        print(batch["k"])  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    with db.snapshot() as then:
        then["k"] = "v"  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
        then.put("k", "v")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    with db.transaction() as tx:
        tx.flush()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        tx.namespace("users")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def awaited(db: lsmkv.aio.AsyncLSM[str, str]) -> None:  # type: ignore[name-defined]  # pyright: ignore[reportAttributeAccessIssue]
    """`import lsmkv` does not bring lsmkv.aio."""
