"""Whose photos the owner of the server may see: this machine's, and of chats that they are in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from adapters.files import LOCAL
from adapters.sight import Sight
from bot.errors import ShoeboxError
from bot.memory import PhotoMemory
from bot.photos import EVERYONE, Group, StoredPhoto

FRESH_SECONDS = 60.0
"""How long a platform's answer holds for what a page that was opened then shows piece by piece."""

_log = logging.getLogger(__name__)


class Platform(Protocol):
    """A chat platform that knows who is in which group; see LiveChat."""

    async def sights(self, user: int) -> list[Sight]: ...

    async def is_posted(self, photo: StoredPhoto) -> bool: ...


class Sights:
    """The database is the owner's to read anyway; that hands them nobody's private photos."""

    def __init__(
        self,
        memory: PhotoMemory,
        platforms: Mapping[str, tuple[Platform, int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`platforms`: those on which it is known who the owner is, with that user's id."""
        self._memory = memory
        self._platforms = platforms
        self._clock = clock
        self._asking = asyncio.Lock()
        self._known: dict[str, Sight] = {}
        self._asked = -FRESH_SECONDS

    async def all(self) -> list[Sight]:
        """Asked now. Raises StoreError."""
        async with self._asking:
            return await self._ask()

    async def of(self, group: str) -> Sight | None:
        """What may be seen of a group, if anything, as told within the last minute. Raises
        StoreError."""
        async with self._asking:
            if self._clock() - self._asked >= FRESH_SECONDS:
                await self._ask()
            return self._known.get(group)

    async def is_posted(self, photo: StoredPhoto) -> bool:
        """Whether a photo may still be shown, as far as its platform tells."""
        if photo.post.group.startswith(LOCAL):
            return True
        asked = self._platforms.get(photo.post.group.partition(":")[0])
        return asked is not None and await asked[0].is_posted(photo)

    async def _ask(self) -> list[Sight]:
        local = [
            Sight(Group(group.id, group.name or group.id.removeprefix(LOCAL)), EVERYONE)
            for group in await self._memory.groups.present(LOCAL)
        ]
        told = await asyncio.gather(
            *(self._told(name, *who) for name, who in self._platforms.items())
        )
        sights = [*local, *(sight for some in told for sight in some)]
        self._known = {sight.group.id: sight for sight in sights}
        self._asked = self._clock()
        return sights

    async def _told(self, name: str, platform: Platform, user: int) -> list[Sight]:
        try:
            return await platform.sights(user)
        except ShoeboxError as error:
            _log.error("what the owner may see in %s can't be told: %s", name, error)
        except Exception:
            _log.exception("what the owner may see in %s can't be told", name)
        return []
