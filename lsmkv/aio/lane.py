"""lane: a way across the bridge on which calls never meet, for what serves one thread at a time.

    submit --append--> | job job job | --one, when the one before has landed--> bridge

Each call may be in another thread. They happen in the order they were asked for, also when tasks that asked for some
of them have been cancelled: what has not begun is left out, what has begun is waited for by the next.

Everything here runs in the loop's thread, but turn() and let_go()."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from lsmkv.aio.bridge import Bridge, Done, Job, Way


def turn(job: Job) -> bool:
    """In a thread: whether the job was still wanted, and so has run."""
    if job.abandoned:
        return False
    job.run()
    return True


class Lane(Way):
    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self._waiting: deque[Job] = deque()
        self._present: Job | None = None  # from its start until it has landed
        self._is_moving = False

    def here(self) -> Any:
        inbox = self.bridge.here()
        if self._present is not None and self._present.inbox is not inbox:
            raise RuntimeError("the loop that used this was closed while a call was on its way: begin another one")
        return inbox

    def submit(self, work: Callable[[], object], done: Done) -> Job:
        job = Job(self.here(), work, done)
        self._waiting.append(job)
        self._move()
        return job

    def let_go(self, held: list[Any]) -> None:
        self.bridge.let_go(held, self)

    def _move(self) -> None:
        """A loop and not a recursion: on a bridge that is over a job lands before submit() returns."""
        if self._is_moving:
            return
        self._is_moving = True
        try:
            while self._present is None and self._waiting:
                self._present = job = self._waiting.popleft()
                self.bridge.submit(partial(turn, job), partial(self._landed, job))
        finally:
            self._is_moving = False

    def _landed(self, job: Job, has_run: bool, failure: BaseException | None) -> None:
        try:
            if has_run:
                job.land()
        finally:
            self._present = None
            self._move()
