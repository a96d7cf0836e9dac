"""A folder of photos as a platform: every file is a post, remembered once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from adapters.files import CHANNEL, Files, as_post, local_group, look_at, photo_files
from adapters.importing import ImportSummary, Progress, Watch
from bot.decoder import Decoder
from bot.errors import FetchFailed
from bot.memory import PhotoMemory
from bot.photos import Post, Task


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

    async def run(self, folder: Path, group: str, author: str, progress: Progress) -> ImportSummary:
        """Raises SettingsError for a folder that can't be read. Can be stopped at any moment
        and run again: what is known stays, what is missing is added."""
        local_group(group)
        paths = await asyncio.to_thread(photo_files, folder)
        watch = Watch(self._memory, self._awaited, progress, len(paths))
        unreadable: list[tuple[str, str]] = []
        for seen, path in enumerate(paths, start=1):
            try:
                await self._remember(path, group.strip(), author)
            except OSError as error:
                unreadable.append((str(path), f"the file can't be read: {error.strerror}"))
            await watch.saw(seen, list(self._paths))
        await watch.until_found(list(self._paths))
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

    async def look(self, folder: Path, group: str, progress: Progress) -> ImportSummary:
        """What `run` would do; nothing is kept. Raises SettingsError."""
        local = local_group(group)
        paths = await asyncio.to_thread(photo_files, folder)
        summary, seen = ImportSummary(dry=True), set[str]()
        progress(0, len(paths))
        for number, path in enumerate(paths, start=1):
            try:
                content = (await asyncio.to_thread(look_at, path)).content
            except OSError as error:
                summary.refused.append((str(path), f"the file can't be read: {error.strerror}"))
            else:
                known = content in seen or await self._memory.knows(local, CHANNEL, content)
                seen.add(content)
                summary.known += known
                summary.added += not known
            progress(number, len(paths))
        return summary

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
