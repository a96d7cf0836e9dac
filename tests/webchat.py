"""A web chat for tests: the real store, log and files, on a port of its own, without a model."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.files import Files
from adapters.web import WebChat
from adapters.web_files import Preview
from bot.decoder import Decoder
from bot.images import MAX_BYTES
from bot.memory import ModelState, PhotoMemory
from storage.chatlog import ChatLog
from storage.sqlite import SqliteStore


@dataclass(frozen=True)
class Running:
    """A chat that answers at `address`."""

    address: str
    memory: PhotoMemory
    model: ModelState
    log: ChatLog
    folder: Path
    preview: Preview


@asynccontextmanager
async def running_chat(
    folder: Path, password: str = "", port: int = 0, preview: Preview | None = None
) -> AsyncIterator[Running]:
    """Serve a chat whose data lies in `folder`."""
    model = ModelState("none", problem="There is none in this test.")
    async with (
        SqliteStore(folder / "shoebox.db") as store,
        ChatLog(folder / "web" / "chat.db") as log,
        Decoder() as decoder,
    ):
        files = Files(folder, MAX_BYTES)
        memory = PhotoMemory(store, model, {files.platform: files})
        shown = preview or decoder.preview
        chat = WebChat(memory, log, shown, folder, "127.0.0.1", port, password)
        async with chat:
            serving = asyncio.create_task(chat.serve())
            try:
                yield Running(chat.address, memory, model, log, folder, shown)
            finally:
                serving.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await serving
