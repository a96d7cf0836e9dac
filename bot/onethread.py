"""One thread for work that must not run twice at once, urgent things first."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from enum import IntEnum
from typing import Any, TypeVar

T = TypeVar("T")


class Urgency(IntEnum):
    """Who goes first."""

    END = 0
    NOW = 1
    WHENEVER = 2


_Item = tuple[Urgency, int, "Future[Any]", Callable[[], Any]]


class Closed(Exception):
    """The thread was closed before, or while, this work waited for it."""


class OneThread:
    """Runs callables one after the other; what is urgent waits only for the one in progress.

    A caller that is cancelled withdraws work that has not begun; work in progress ends unheard.
    """

    def __init__(self, name: str) -> None:
        self._waiting: queue.PriorityQueue[_Item] = queue.PriorityQueue()
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, urgency: Urgency, call: Callable[[], T]) -> T:
        """What `call` returns or raises. Raises Closed when the thread ends first."""
        future: Future[T] = Future()
        self._put(urgency, future, call)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let the work in progress end, fail all that waits, end the thread. Blocks; idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._waiting.put((Urgency.END, next(self._order), Future(), lambda: None))
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _put(self, urgency: Urgency, future: Future[T], call: Callable[[], T]) -> None:
        with self._lock:
            if self._closed:
                raise Closed
            self._waiting.put((urgency, next(self._order), future, call))

    def _work(self) -> None:
        while True:
            urgency, _, future, call = self._waiting.get()
            if urgency is Urgency.END:
                break
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del future, call
        while not self._waiting.empty():
            _, _, future, _ = self._waiting.get()
            if future.set_running_or_notify_cancel():
                future.set_exception(Closed())
