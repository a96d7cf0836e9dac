"""Photos' own bytes, from whoever posted them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

from bot.errors import FetchFailed
from bot.photos import Job, PhotoRef
from bot.ports import ChatAdapter


async def fetch(adapters: Mapping[str, ChatAdapter], ref: PhotoRef) -> bytes:
    """Ask the right adapter for a photo's bytes. Raises FetchFailed, PhotoGone."""
    adapter = adapters.get(ref.platform)
    if adapter is None:
        raise FetchFailed(f"{ref.platform} is not switched on")
    return await adapter.fetch(ref)


class Originals:
    """A bounded memory of fetched bytes; the oldest go first. What several tasks want at the same
    time is fetched once."""

    def __init__(self, most: int, fetch: Callable[[Job], Awaitable[bytes]]) -> None:
        self._most = most
        self._fetch = fetch
        self._size = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._coming: dict[int, asyncio.Task[bytes]] = {}

    async def get(self, job: Job) -> bytes:
        """A photo's bytes. Raises FetchFailed."""
        if (kept := self._kept.get(job.photo)) is not None:
            return kept
        if job.photo not in self._coming:
            self._coming[job.photo] = asyncio.create_task(self._bring(job))
        return await asyncio.shield(self._coming[job.photo])

    async def close(self) -> None:
        """Fetch nothing more."""
        coming = list(self._coming.values())
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)

    async def _bring(self, job: Job) -> bytes:
        try:
            data = await self._fetch(job)
            self._keep(job.photo, data)
            return data
        finally:
            del self._coming[job.photo]

    def _keep(self, photo: int, data: bytes) -> None:
        self.drop(photo)
        self._kept[photo] = data
        self._size += len(data)
        while self._size > self._most:
            self.drop(next(iter(self._kept)))

    def clear(self) -> None:
        self._kept.clear()
        self._size = 0

    def drop(self, photo: int) -> None:
        self._size -= len(self._kept.pop(photo, b""))
