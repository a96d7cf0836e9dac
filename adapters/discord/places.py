"""Where a message was posted: the core's ids of guilds, channels and people, and back."""

from __future__ import annotations

from dataclasses import dataclass

PLATFORM = "discord"
PREFIX = f"{PLATFORM}:"
CLOSED = "private"


def group_id(guild: int) -> str:
    """The core's id of a guild."""
    return f"{PREFIX}{guild}"


def guild_id(group: str) -> int:
    """Discord's id of a group of the core."""
    return int(group.removeprefix(PREFIX))


def person_id(user: int) -> str:
    """The core's id of a user."""
    return f"{PREFIX}{user}"


@dataclass(frozen=True, slots=True)
class Place:
    """A channel, or a thread in one. Its key tells what Discord no longer tells of threads that
    are archived: which channel they belong to, and whether only their members see them. Neither
    ever changes."""

    channel: int
    """The channel whose permissions hold, for a thread its parent."""
    thread: int | None = None
    closed: bool = False
    """A private thread: seen by its members, and by who may manage threads."""

    @property
    def id(self) -> int:
        """Discord's id of what messages were posted in."""
        return self.channel if self.thread is None else self.thread

    @property
    def key(self) -> str:
        """`channel`, `channel/thread` or `channel/thread/private`: what posts are kept under."""
        if self.thread is None:
            return str(self.channel)
        return f"{self.channel}/{self.thread}" + (f"/{CLOSED}" if self.closed else "")

    @staticmethod
    def of(key: str) -> Place:
        channel, _, rest = key.partition("/")
        thread, _, closed = rest.partition("/")
        return Place(int(channel), int(thread) if thread else None, closed == CLOSED)
