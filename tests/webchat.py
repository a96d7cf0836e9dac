"""A web chat for tests: the real store, log and files, on a port of its own, without a model."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

from adapters.files import Files
from adapters.web import WebChat
from adapters.web_files import Preview
from adapters.web_owner import OwnersPage
from bot.decoder import Decoder
from bot.images import MAX_BYTES
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from storage.chatlog import ChatLog
from storage.sqlite import SqliteStore
from tests import kept


@dataclass(frozen=True)
class Running:
    """A chat that answers at `address`."""

    address: str
    memory: PhotoMemory
    model: ModelState
    log: ChatLog
    folder: Path
    preview: Preview
    store: SqliteStore


@asynccontextmanager
async def running_chat(
    folder: Path,
    password: str = "",
    port: int = 0,
    preview: Preview | None = None,
    language: str = "en",
    retention: timedelta | None = None,
    owner: str = "",
) -> AsyncIterator[Running]:
    """Serve a chat whose data lies in `folder`."""
    model = ModelState("none", problem="There is none in this test.")
    async with (
        SqliteStore(folder / "shoebox.db") as store,
        ChatLog(folder / "web" / "chat.db") as log,
        Decoder() as decoder,
    ):
        files = Files(folder, MAX_BYTES)
        memory = PhotoMemory(
            store,
            model,
            {files.platform: files},
            decoder,
            language,
            retention=retention,
            models_folder=kept.models(),
        )
        shown = preview or decoder.preview
        page = OwnersPage(memory, decoder.preview, owner) if owner else None
        chat = WebChat(memory, log, shown, folder, "127.0.0.1", port, password, page)
        async with chat:
            serving = asyncio.create_task(chat.serve())
            try:
                yield Running(chat.address, memory, model, log, folder, shown, store)
            finally:
                serving.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await serving
                if page is not None:
                    await page.close()


def jpeg(colour: str = "red", **exif: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(file, "JPEG", **exif)
    return file.getvalue()


class Visitor:
    """Somebody's browser, as far as HTTP goes."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session = session
        self.address = address

    async def get(self, path: str, **options: Any) -> tuple[int, bytes, Any]:
        async with self.session.get(self.address + path, **options) as response:
            return response.status, await response.read(), response.headers

    async def upload(self, data: Any, name: str = "tea.jpg", **options: Any) -> tuple[int, Any]:
        address = self.address + "upload"
        async with self.session.post(
            address, params={"name": name}, data=data, **options
        ) as response:
            return response.status, await response.json()

    async def send(
        self,
        text: str,
        *uploads: str,
        author: str = "Anna",
        group: str = "family",
        answers: object = None,
    ) -> tuple[int, Any]:
        content: dict[str, Any] = {"group": group, "author": author, "text": text}
        content["uploads"] = uploads
        content |= {} if answers is None else {"answers": answers}
        async with self.session.post(self.address + "post", json=content) as response:
            return response.status, await response.json()

    async def log_in(self, password: str, to: str = "/") -> tuple[int, Any]:
        async with self.session.post(
            self.address + "login",
            params={"next": to},
            data={"password": password},
            allow_redirects=False,
        ) as response:
            return response.status, response.headers

    async def post_photo(self, text: str, data: bytes | None = None, **who: str) -> None:
        status, reply = await self.upload(jpeg() if data is None else data)
        assert status == 200, reply
        assert await self.send(text, reply["token"], **who) == (200, {"hints": []})


@asynccontextmanager
async def visiting(chat: Running) -> AsyncIterator[Visitor]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Visitor(session, chat.address)
