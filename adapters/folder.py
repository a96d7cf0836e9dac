"""A folder of photos as a platform: every file is a post, remembered once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from adapters.files import CHANNEL, Files, as_post, local_group, look_at, photo_files
from bot.decoder import Decoder
from bot.errors import FetchFailed
from bot.memory import PhotoMemory
from bot.photos import Post, Task

REPORT_SECONDS = 0.5
STALLED_SECONDS = 60.0
"""How long the process that indexes may finish nothing before it is no longer waited for."""

Progress = Callable[[int, int], None]
"""Told photos done and photos in all."""


@dataclass(slots=True)
class ImportSummary:
    """What an import did, photo by photo."""

    added: int = 0
    known: int = 0
    left_out: int = 0
    """Forgotten before, too old, or of somebody who opted out."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """(path, reason)"""
    waiting: dict[Task, int] = field(default_factory=dict)
    """Photos that can't be found by every signal yet."""


class FolderImport:
    """Remembers every photo in a folder and waits until all of them can be found."""

    def __init__(
        self,
        memory: PhotoMemory,
        files: Files,
        decoder: Decoder,
        awaited: Callable[[], tuple[Task, ...]],
    ) -> None:
        """`awaited` tells which tasks are worth waiting for; without a model, not EMBED."""
        self._memory = memory
        self._files = files
        self._decoder = decoder
        self._awaited = awaited
        self._paths: dict[int, Path] = {}
        self._new: set[int] = set()
        self._left_out = 0
        self._reported = 0.0

    async def run(self, folder: Path, group: str, author: str, progress: Progress) -> ImportSummary:
        """Raises SettingsError for a folder that can't be read. Can be stopped at any moment
        and run again: what is known stays, what is missing is added."""
        local_group(group)
        paths = await asyncio.to_thread(photo_files, folder)
        progress(0, len(paths))
        unreadable: list[tuple[str, str]] = []
        for seen, path in enumerate(paths, start=1):
            try:
                await self._remember(path, group.strip(), author)
            except OSError as error:
                unreadable.append((str(path), f"the file can't be read: {error.strerror}"))
            if time.monotonic() - self._reported > REPORT_SECONDS:
                progress(seen - await self._unfinished(), len(paths))
                self._reported = time.monotonic()
        await self._until_found(progress, len(paths))
        photos = await self._memory.photos(list(self._paths))
        refused = [(str(self._paths[p.id]), p.refused) for p in photos if p.refused is not None]
        added = len(self._new) - sum(p.id in self._new for p in photos if p.refused is not None)
        return ImportSummary(
            added=added,
            known=len(paths) - added - len(refused) - len(unreadable) - self._left_out,
            left_out=self._left_out,
            refused=refused + unreadable,
            waiting=await self._memory.unfinished(list(self._paths)),
        )

    async def _remember(self, path: Path, group: str, author: str) -> None:
        found = await asyncio.to_thread(look_at, path)
        post = as_post(found, group, author)
        if not await self._memory.knows(post.group, CHANNEL, post.message):
            post = as_post(found, group, author, await self._taken(post))
        remembered = await self._memory.remember(post)
        self._new.update(remembered.added)
        self._left_out += not (remembered.added or remembered.known)
        for photo in remembered.added + remembered.known:
            self._paths.setdefault(photo, path)

    async def _taken(self, post: Post) -> datetime | None:
        try:
            return await self._decoder.taken_at(await self._files.fetch(post.photos[0]))
        except FetchFailed:
            return None

    async def _until_found(self, progress: Progress, total: int) -> None:
        """Wait while anything awaited is being finished."""
        last, moved = -1, time.monotonic()
        while unfinished := await self._unfinished():
            if unfinished != last:
                last, moved = unfinished, time.monotonic()
            elif time.monotonic() - moved > STALLED_SECONDS:
                break
            progress(total - unfinished, total)
            await asyncio.sleep(REPORT_SECONDS / 2)
        progress(total - await self._unfinished(), total)

    async def _unfinished(self) -> int:
        counts = await self._memory.unfinished(list(self._paths))
        return max((counts[task] for task in self._awaited()), default=0)
