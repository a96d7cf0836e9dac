"""Threads for work of which only so much may run at once, urgent things first."""

from __future__ import annotations

import asyncio
import itertools
import os
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from enum import IntEnum
from typing import Any, TypeVar

T = TypeVar("T")
NICEST = 19


class Urgency(IntEnum):
    """Who goes first."""

    NOW = 1
    WHENEVER = 2
    END = 3


_Item = tuple[Urgency, int, "Future[Any]", Callable[[], Any]]


class Closed(Exception):
    """The threads were closed before, or while, this work waited for them."""


class Threads:
    """Runs callables in the order they come, what is urgent first; it waits only for what is in
    progress.

    A caller that is cancelled withdraws work that has not begun; work in progress ends unheard.
    """

    def __init__(self, name: str, count: int = 1, niceness: int = 0) -> None:
        """`niceness`: how far they step back for the process's other threads, on Linux, where each
        thread has its own (setpriority(2))."""
        self._waiting: queue.PriorityQueue[_Item] = queue.PriorityQueue()
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._closed = False
        self._niceness = niceness
        self._threads = [
            threading.Thread(target=self._work, name=name, daemon=True) for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, urgency: Urgency, call: Callable[[], T]) -> T:
        """What `call` returns or raises. Raises Closed when the threads end first."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise Closed
            self._waiting.put((urgency, next(self._order), future, call))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let work in progress end, fail all that waits, end all threads. Blocks; idempotent."""
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._waiting.put((Urgency.END, next(self._order), Future(), lambda: None))
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _work(self) -> None:
        if self._niceness and sys.platform == "linux":
            own = threading.get_native_id()
            nicer = os.getpriority(os.PRIO_PROCESS, own) + self._niceness
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, own, min(nicer, NICEST))
        while True:
            urgency, _, future, call = self._waiting.get()
            if urgency is Urgency.END:
                break
            if future.set_running_or_notify_cancel():
                try:
                    if self._closed:
                        raise Closed
                    result = call()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del future, call
