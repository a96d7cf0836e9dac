"""The bot in the loopback Discord for tests: in this process or in one of its own, over real
sockets either way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import discord
import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.discord.chat import DiscordChat, DiscordSettings
from adapters.discord.places import group_id
from bot.decoder import Decoder
from bot.errors import StoreError
from bot.indexing import Indexer
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.sharing import Shards
from storage.sqlite import SqliteStore
from tests.pictures import photo
from tests.standins.discord import Channel, DiscordStandin, Guild, Message

ROOT = Path(__file__).parent.parent
SIGNATURE = re.compile(r"hm=[0-9a-f]{64}|\?ex=")


class Family:
    """A guild with a channel: Ann owns it, Bob is in it."""

    def __init__(self, world: DiscordStandin) -> None:
        self.world = world
        self.ann, self.bob = world.user("ann"), world.user("bob")
        self.guild: Guild = world.guild("Family", self.ann, self.bob)
        self.general: Channel = world.channel(self.guild, "general")
        self.posted: list[Message] = []

    @property
    def group(self) -> str:
        return group_id(self.guild.id)

    def post(self, words: str = "cake", where: Channel | None = None, photos: int = 1) -> Message:
        """Bob posts photos that nobody posted before."""
        files = [photo(10 * len(self.posted) + n) for n in range(photos)]
        message = self.world.post(where or self.general, self.bob, words, *files)
        self.posted.append(message)
        return message

    @property
    def keys(self) -> list[str]:
        """Ids of all attachments that are there now."""
        world, found = self.world.backend, list[str]()
        for message in self.posted:
            known = world.messages.get(message.channel_id, {}).get(message.id)
            found += [file["id"] for file in known.attachments] if known else []
        return sorted(found)


@dataclass
class Working:
    """The bot in this process."""

    store: SqliteStore
    memory: PhotoMemory
    chat: DiscordChat
    serving: asyncio.Task[None]
    folder: Path

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What its database holds."""
        return rows(self.folder / "box.db", query, *values)

    @property
    def keys(self) -> list[str]:
        """Ids of the attachments that it remembers."""
        return [key for (key,) in self.rows("SELECT key FROM photos ORDER BY key")]

    async def remembers(self, keys: Callable[[], list[str]], timeout: float = 15) -> None:
        """Wait until it remembers these, and nothing else."""
        try:
            await until(lambda: self.keys == keys(), timeout)
        except TimeoutError:
            assert self.keys == keys()

    def note(self, name: str) -> str | None:
        """What it has noted on the one guild that it knows."""
        found = self.rows("SELECT value FROM notes WHERE name = ?", name)
        return found[0][0] if found else None


@asynccontextmanager
async def working(
    folder: Path,
    world: DiscordStandin,
    url: str,
    indexing: bool = False,
    shards: Shards | None = None,
) -> AsyncIterator[Working]:
    """The bot, from start to stop. What it tells discord.py ends with it."""
    state = ModelState("starter", None, "There is none in this test.")
    async with AsyncExitStack() as stack:
        stack.enter_context(_discord_py())
        store = await stack.enter_async_context(SqliteStore(folder / "box.db"))
        decoder = await stack.enter_async_context(Decoder())
        adapters: dict[str, DiscordChat] = {}
        memory = PhotoMemory(store, state, adapters, decoder)
        settings = DiscordSettings(world.token, url, shards=shards)
        chat = await stack.enter_async_context(DiscordChat(memory, settings))
        adapters[chat.platform] = chat
        if indexing:
            indexer = Indexer(store, memory, adapters, decoder)
            await stack.enter_async_context(indexer.running())
        serving = asyncio.create_task(chat.serve())
        try:
            yield Working(store, memory, chat, serving, folder)
        finally:
            serving.cancel()
            async with asyncio.timeout(10):
                await asyncio.gather(serving, return_exceptions=True)
    assert world.gaps == []


@contextlib.contextmanager
def _discord_py() -> Iterator[None]:
    """Where it connects is its own matter again afterwards; sessions need no pauses here."""

    async def at_once(self: object, shard: int | None, *, initial: bool = False) -> None:
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Route, "BASE", Route.BASE)
        patch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)
        patch.setattr(discord.Client, "before_identify_hook", at_once)
        yield


def failing(store: SqliteStore, times: int) -> Callable[..., Any]:
    """The store's `remember`, which fails for some times."""
    remember, left = store.remember, [times]

    async def full(post: Any) -> object:
        if left[0]:
            left[0] -= 1
            raise StoreError("the disk is full")
        return await remember(post)

    return full


def rows(file: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What the memory of a bot that may be running holds; nothing before it is made."""
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        try:
            return list(db.execute(query, values))
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise


async def until(holds: Callable[[], object], timeout: float = 20) -> None:
    """Wait for a condition that something else brings about."""
    async with asyncio.timeout(timeout):
        while not holds():
            await asyncio.sleep(0.01)


@dataclass
class BotProcess:
    """`python -m bot` while it runs."""

    process: asyncio.subprocess.Process
    file: Path
    said: list[str] = field(default_factory=list)
    """Lines of its log."""

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What its database holds."""
        return rows(self.file, query, *values)

    async def says(self, words: str, timeout: float = 30, count: int = 1) -> None:
        """Wait until its log says it so often."""
        try:
            await until(lambda: sum(words in line for line in self.said) >= count, timeout)
        except TimeoutError:
            raise AssertionError("".join(self.said)) from None

    async def indexed(self, timeout: float = 90) -> None:
        """Everything that it remembers was looked at."""
        await until(lambda: self.rows("SELECT count(*) FROM jobs") == [(0,)], timeout)

    @property
    def troubles(self) -> list[str]:
        """What its log warns of, without the time; not that a starter is no real model."""
        lines = [line.rstrip()[24:] for line in self.said if "The starter model" not in line]
        return [line for line in lines if line.startswith(("WARNING", "ERROR"))]


@asynccontextmanager
async def bot_process(
    folder: Path, world: DiscordStandin, url: str, **settings: str
) -> AsyncIterator[BotProcess]:
    """`python -m bot` as its owner starts it, with the starter model, until SIGTERM. Its log must
    hold no traceback and no secret."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        cwd=folder,
        env={
            **kept,
            "PYTHONPATH": str(ROOT),
            "METRICS_PORT": "0",
            "MODEL": "starter",
            "DISCORD_TOKEN": world.token,
            "DISCORD_API_URL": url,
            **settings,
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    bot = BotProcess(process, folder / "data" / "shoebox.db")

    async def listen() -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            bot.said.append(line.decode())

    listening = asyncio.create_task(listen())
    try:
        yield bot
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await listening
    log = "".join(bot.said)
    assert process.returncode == 0, log
    assert "Traceback" not in log, log
    assert world.token not in log, log
    assert not SIGNATURE.search(log), log
    for interaction in world.backend.interactions.values():
        assert interaction.token not in log, log
    assert world.gaps == []
