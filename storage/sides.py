"""The two sides of a move: where a memory is read from, and where it is written to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from storage.records import AnswerRecord, GroupIds, GroupRecord, MemoryRecord, PostRecord


class Reader(Protocol):
    """Reads a memory that nobody changes meanwhile. Raises StoreError."""

    @property
    def place(self) -> str:
        """Where it is, without secrets."""

    async def state(self) -> str:
        """Another one after nearly everything that can happen to a memory."""

    async def memory(self) -> MemoryRecord: ...

    async def photos(self) -> int:
        """How many there are."""

    async def groups(self) -> list[str]:
        """Their keys, the first one met first."""

    async def group(self, key: str) -> GroupRecord: ...

    async def ids(self, group: str) -> GroupIds: ...

    async def posts(self, group: str, ids: Sequence[int]) -> list[PostRecord]:
        """These posts, ascending."""

    async def answers(self, after: int, most: int) -> list[AnswerRecord]:
        """The first of those with a token above `after`."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a move has come."""

    groups: int = 0
    """That are there, with all but their posts."""
    posts: int = 0
    """Of the last of these groups."""
    photos: int = 0
    """In all."""
    token: int = 0
    """Of the last answer."""
    settled: bool = False
    """Whether all is there, and indexes too."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A move that isn't finished."""

    source: str
    """What its source was like at its beginning."""
    place: Place


class Writer(Protocol):
    """Writes a memory where there was none. What is done, and how far that is, are one transaction
    each. Raises StoreError."""

    @property
    def place(self) -> str:
        """Where it is, without secrets."""

    async def begun(self) -> Begun | None:
        """The move that was broken off, if one was. Raises StoreError where something else is."""

    async def begin(self, source: str, memory: MemoryRecord) -> None:
        """`source`: what the source is like."""

    async def add_group(self, group: GroupRecord, to: Place) -> None: ...

    async def add_posts(
        self, group: str, posts: Sequence[PostRecord], ids: GroupIds, to: Place
    ) -> None:
        """`ids`: all of the group, as the source has them. They keep their order."""

    async def add_answers(self, answers: Sequence[AnswerRecord], to: Place) -> None: ...

    async def settle(self, memory: MemoryRecord, to: Place) -> None:
        """Make the rest of what is there; new ids come behind all that were ever given."""

    async def finish(self) -> None:
        """Whoever opens it from now on finds a memory."""
