"""The bot in Telegram for tests: real SDK, store, decoder and indexer; a loopback Bot API."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.telegram.chat import TelegramChat, TelegramSettings
from bot.decoder import Decoder
from bot.indexing import Indexer
from bot.memory import ModelState, PhotoMemory
from bot.photos import Task
from bot.ports import Encoder
from storage.sqlite import SqliteStore
from tests.standins.botapi.server import BotApi, serving
from tests.standins.botapi.world import Chat, Message, Person, World

ROOT = Path(__file__).parent.parent


@dataclass
class Scene:
    """A bot at work in a world; Ann owns the family's supergroup, Bob is in it, Eve is not."""

    world: World
    api: BotApi
    store: SqliteStore
    memory: PhotoMemory
    ann: Person
    bob: Person
    eve: Person
    family: Chat

    async def indexed(self, *tasks: Task) -> None:
        """Everything posted was taken in, and (as far as `tasks` go) looked at."""
        await self.world.settled()
        async with asyncio.timeout(60):
            while True:
                (jobs,) = [await self._waiting(tasks)]
                if not jobs:
                    return
                await asyncio.sleep(0.02)

    async def _waiting(self, tasks: Sequence[Task]) -> int:
        status = await self.store.groups.status()
        embed = sum(group.waiting_embedding for group in status)
        read = sum(group.waiting_text for group in status)
        return (embed if Task.EMBED in tasks else 0) + (read if Task.READ in tasks else 0)

    async def remembered(self) -> int:
        """How many photos the memory holds, over all groups."""
        await self.world.settled()
        return sum(group.photos for group in await self.store.groups.status())

    async def asks(self, who: Person, text: str, **where: object) -> list[Message]:
        """Somebody says something, and gets the album (or photo) and the words under it."""
        chat = where.pop("chat", self.family)
        assert isinstance(chat, Chat)
        count = where.pop("count", 1)
        assert isinstance(count, int)
        self.world.say(chat, who, text, **where)  # type: ignore[arg-type]
        return await self.world.bot_says(chat, count)


@asynccontextmanager
async def scene(
    folder: Path,
    encoder: Encoder | None = None,
    world: World | None = None,
    indexing: bool = False,
    **chosen: object,
) -> AsyncIterator[Scene]:
    """A bot that has greeted the family."""
    world = world or World()
    ann, bob, eve = world.person("Ann"), world.person("Bob"), world.person("Eve")
    family = world.group("Family", ann, bob)
    async with serving(world) as api, at_work(folder, api, encoder, indexing, **chosen) as working:
        store, memory = working
        await world.bot_says(family)
        yield Scene(world, api, store, memory, ann, bob, eve, family)


@asynccontextmanager
async def at_work(
    folder: Path,
    api: BotApi,
    encoder: Encoder | None = None,
    indexing: bool = False,
    **chosen: object,
) -> AsyncIterator[tuple[SqliteStore, PhotoMemory]]:
    """The bot, from start to stop."""
    state = ModelState("starter", encoder, None if encoder else "There is none in this test.")
    settings = TelegramSettings(api.world.token, api.url, **chosen)  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqliteStore(folder / "box.db"))
        decoder = await stack.enter_async_context(Decoder())
        adapters: dict[str, TelegramChat] = {}
        memory = PhotoMemory(store, state, adapters, decoder)
        chat = await stack.enter_async_context(TelegramChat(memory, settings))
        adapters[chat.platform] = chat
        if indexing:
            indexer = Indexer(store, memory, adapters, decoder)
            await stack.enter_async_context(indexer.running())
        serving_chat = asyncio.create_task(chat.serve())
        try:
            yield store, memory
        finally:
            serving_chat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving_chat


@asynccontextmanager
async def bot_process(folder: Path, api: BotApi, **settings: str) -> AsyncIterator[list[str]]:
    """`python -m bot` as its owner starts it, with the starter model; what it logs."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        cwd=folder,
        env={
            **kept,
            "PYTHONPATH": str(ROOT),
            "MODEL": "starter",
            "TELEGRAM_TOKEN": api.world.token,
            "TELEGRAM_API_URL": api.url,
            **settings,
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said: list[str] = []

    async def listen() -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            said.append(line.decode())

    listening = asyncio.create_task(listen())
    try:
        yield said
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            code = await process.wait()
        await listening
    assert code == 0, "".join(said)
    assert "Traceback" not in "".join(said), "".join(said)
    assert api.world.token not in "".join(said), "a token never reaches a log"
