"""What is counted while the bot works, for whoever watches over it. How many and how long, never
who or what: no group, no person, no words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol

from bot.errors import FetchFailed, NotAPhoto, PhotoGone, StoreError
from bot.photos import Task
from bot.sandbox import SandboxBroken


class Asked(StrEnum):
    """Kinds of questions."""

    FIND = "find"
    SIMILAR = "similar"
    """Like a photo, with words or without."""
    WHICH = "which"
    MORE = "more"
    """What an earlier answer holds in reserve."""


class Failure(StrEnum):
    """Kinds of errors."""

    FETCH = "fetch_failed"
    """An original could not be had this time."""
    GONE = "gone"
    """An original is no more."""
    NOT_A_PHOTO = "not_a_photo"
    DECODER = "decoder_died"
    """Bytes took too long to open, or crashed their decoder twice."""
    STORE = "store"
    """The database refused something."""
    UNEXPECTED = "unexpected"
    """Our own fault; the log has a traceback."""

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Which kind an error is of."""
        for kind, failure in _KINDS:
            if isinstance(error, kind):
                return failure
        return cls.UNEXPECTED


_KINDS: tuple[tuple[type[Exception], Failure], ...] = (
    (PhotoGone, Failure.GONE),
    (FetchFailed, Failure.FETCH),
    (NotAPhoto, Failure.NOT_A_PHOTO),
    (SandboxBroken, Failure.DECODER),
    (StoreError, Failure.STORE),
)
"""The first that fits counts."""


class Meter(Protocol):
    """Counts. May be called in any thread, never fails, and takes no time."""

    def indexed(self, task: Task, photos: int) -> None:
        """That many photos are done with a task."""
        ...

    def answered(self, asked: Asked, seconds: float) -> None:
        """A question was answered."""
        ...

    def failed(self, error: Exception) -> None:
        """Something went wrong; only its kind is kept."""
        ...


class Silent:
    """A Meter where nobody watches."""

    def indexed(self, task: Task, photos: int) -> None:
        return None

    def answered(self, asked: Asked, seconds: float) -> None:
        return None

    def failed(self, error: Exception) -> None:
        return None


SILENT = Silent()


@contextmanager
def timed(meter: Meter, asked: Asked) -> Iterator[None]:
    """Measure how long a question takes that is answered in this block."""
    began = time.perf_counter()
    yield
    meter.answered(asked, time.perf_counter() - began)
