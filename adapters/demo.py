"""Fills a group of the web chat with drawn scenes, through the very door that people post by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from adapters.web_files import Preview, WebFiles
from adapters.web_rooms import Rooms
from bot.memory import PhotoMemory
from bot.starter.album import Picture, album
from storage.chatlog import ChatLog

GROUP = "demo"

Progress = Callable[[int, int], None]
"""Called with posts done and posts in all."""


async def fill(memory: PhotoMemory, preview: Preview, folder: Path, progress: Progress) -> None:
    """Post what is missing of the album. Call it before the chat is served.

    A run that was stopped goes on where it was. Raises NoEmojiFont where nothing can be drawn.
    """
    posting = datetime.now(UTC)
    files = WebFiles(folder, preview)
    async with ChatLog(folder / "web" / "chat.db", clock=lambda: posting) as log:
        rooms = Rooms(memory, log, files)
        await files.prepare()
        done = len([m for m in await log.recent(GROUP, limit=1000) if m.attachments])
        pictures = await asyncio.to_thread(lambda: list(album(posting)))
        for number, picture in enumerate(pictures[done:], done + 1):
            posting = picture.posted_at
            upload = await files.receive(picture.name, _chunks(picture))
            await rooms.post(GROUP, picture.author, picture.caption, [upload.token])
            progress(number, len(pictures))
        await files.close()


async def _chunks(picture: Picture) -> AsyncIterator[bytes]:
    yield picture.jpeg
