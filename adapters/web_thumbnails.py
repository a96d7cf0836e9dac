"""Small pictures for the owner's page: made when they are asked for, kept in memory alone."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from bot.errors import FetchFailed, PhotoGone
from bot.memory import PhotoMemory
from bot.photos import StoredPhoto

SIZES = {"small": 360, "large": 1600}
"""Pixels of the long side."""
MOST_BYTES = 64 * 2**20
KEPT_SECONDS = 600.0
"""After which it is asked again whether a photo is still posted."""
AT_ONCE = 2
"""Originals that are asked of one platform at the same time: the chats come first."""
REST_SECONDS = 30.0
"""How long what could not be had is not asked for again."""
MOST_RESTING = 2000

Resize = Callable[[bytes, int], Awaitable[bytes]]
"""Any picture's bytes and the longest side -> a JPEG that is safe to show. Raises NotAPhoto."""

IsPosted = Callable[[StoredPhoto], Awaitable[bool]]
"""Whether a photo is still where it was posted."""

_Key = tuple[int, int]


class Thumbnails:
    """What is wanted several times at once is made once. Who may see it is asked elsewhere."""

    def __init__(
        self,
        memory: PhotoMemory,
        resize: Resize,
        is_posted: IsPosted,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory = memory
        self._resize = resize
        self._is_posted = is_posted
        self._clock = clock
        self._size = 0
        self._kept: OrderedDict[_Key, tuple[float, bytes]] = OrderedDict()
        self._coming: dict[_Key, asyncio.Task[bytes]] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._resting: OrderedDict[int, float] = OrderedDict()
        self._paused: dict[str, float] = {}

    async def of(self, photo: StoredPhoto, longest: int) -> bytes:
        """A JPEG. Raises PhotoGone, FetchFailed, NotAPhoto."""
        key = photo.id, longest
        now = self._clock()
        at, jpeg = self._kept.get(key, (0.0, b""))
        if jpeg and now - at < KEPT_SECONDS:
            self._kept.move_to_end(key)
            return jpeg
        if max(self._resting.get(photo.id, now), self._paused.get(photo.ref.platform, now)) > now:
            raise FetchFailed("it could not be had a moment ago")
        if key not in self._coming:
            self._coming[key] = asyncio.create_task(self._make(photo, key))
            self._coming[key].add_done_callback(lambda _: self._coming.pop(key, None))
        return await asyncio.shield(self._coming[key])

    async def close(self) -> None:
        """Make no more."""
        coming = list(self._coming.values())
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)

    async def _make(self, photo: StoredPhoto, key: _Key) -> bytes:
        turn = self._turns.setdefault(photo.ref.platform, asyncio.Semaphore(AT_ONCE))
        async with turn:
            if not await self._is_posted(photo):
                raise PhotoGone("it is no longer posted")
            try:
                data = await self._memory.fetch(photo)
            except FetchFailed as failure:
                self._rest(photo, failure)
                raise
            jpeg = await self._resize(data, key[1])
        _, before = self._kept.pop(key, (0.0, b""))
        self._kept[key] = self._clock(), jpeg
        self._size += len(jpeg) - len(before)
        while self._size > MOST_BYTES:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._size -= len(oldest)
        return jpeg

    def _rest(self, photo: StoredPhoto, failure: FetchFailed) -> None:
        if isinstance(failure, PhotoGone):
            return
        now = self._clock()
        self._resting[photo.id] = now + REST_SECONDS
        while len(self._resting) > MOST_RESTING:
            self._resting.popitem(last=False)
        if failure.retry_after:
            self._paused[photo.ref.platform] = now + failure.retry_after
