"""Kill a writing process with SIGKILL and find out whether anything it had acknowledged is missing."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time

from lsmkv import LSM
from lsmkv.demo.writer import key_of, value_of


def kill_a_writer(path: str, shortest: float, longest: float) -> tuple[int, float]:
    """(acknowledged, seconds): how many writes a process had acknowledged when it was killed, and how long it wrote."""
    command = [sys.executable, "-m", "lsmkv.demo.writer", path]
    pipe, theirs = os.pipe()
    child = subprocess.Popen(command, stdout=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    try:
        heard = os.read(pipe, 1 << 16)  # nothing: it died by itself, and its stderr says why
        began = time.monotonic()
        moment = began + random.uniform(shortest, longest)
        amount = len(heard)
        while heard and (left := moment - time.monotonic()) > 0:
            if select.select([pipe], [], [], left)[0]:
                heard = os.read(pipe, 1 << 16)
                amount += len(heard)
        wrote = time.monotonic() - began
        child.send_signal(signal.SIGKILL)
        while heard := os.read(pipe, 1 << 16):  # what was still in the pipe counts
            amount += len(heard)
    finally:
        child.kill()
        status = child.wait()
        os.close(pipe)
    if status != -signal.SIGKILL:
        raise RuntimeError(f"the writing process ended by itself with status {status}")
    return amount // 8, wrote


def survivors(db: LSM[bytes, bytes], acknowledged: int) -> tuple[int, int]:
    """(kept, extra): acknowledged writes that are there with the right value; writes beyond them."""
    kept = extra = 0
    expected = 1
    for key, value in db.prefix(b"kill/").items():
        if key == key_of(expected) and value == value_of(expected):
            kept += expected <= acknowledged
            extra += expected > acknowledged
            expected += 1
        else:
            break  # a gap, or a wrong value: what follows does not count as kept
    return kept, extra
