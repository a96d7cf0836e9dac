"""What an export holds, message by message, in the words of the core."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from bot.photos import Post


@dataclass(frozen=True, slots=True)
class Entry:
    """A post whose photos can all be read."""

    post: Post
    files: tuple[str, ...]
    """Where each photo lies in the package."""


@dataclass(frozen=True, slots=True)
class Said:
    """Words in reply to the message `about`."""

    group: str
    channel: str
    about: str
    message: str
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Left:
    """What can't be imported, and why."""

    where: str
    reason: str


Found = Entry | Said | Left


class ChatReader(Protocol):
    """Understands one chat of an export."""

    @property
    def title(self) -> str: ...

    @property
    def group_name(self) -> str:
        """What people call the group that the chat is, or is a part of."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What the chat may be chosen by, besides its title."""
        ...

    @property
    def group(self) -> str | None:
        """The core's id of the group that it goes into; None if it can't go into any."""
        ...

    @property
    def why_not(self) -> str:
        """Why there is no group."""
        ...

    def read(self, message: Any) -> Iterator[Found]:
        """What a message holds; some may be given out with a later one."""
        ...

    def rest(self) -> Iterator[Found]:
        """What was held back, once there are no more messages."""
        ...


def clean(words: Any) -> str:
    """Text as written; JSON can hold halves of characters, which no database takes."""
    return words.encode("utf-8", "replace").decode() if isinstance(words, str) else ""


def whole_number(value: Any) -> int | None:
    """An id, which some exporters write as text; None for what can't be one."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
        return value
    return None
