"""The bot in Telegram for tests: real SDK, store, decoder and indexer; a loopback Bot API."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.exports.files import ExportFiles
from adapters.telegram.chat import TelegramChat, TelegramSettings
from bot.decoder import Decoder
from bot.images import MAX_BYTES
from bot.indexing import Indexer
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import Task
from bot.ports import ChatAdapter, Encoder
from storage.sqlite import SqliteStore
from tests import kept
from tests.pictures import photo
from tests.standins.telegram import Api, Chat, Message, TelegramWorld, User

ROOT = Path(__file__).parent.parent


@asynccontextmanager
async def serving(world: TelegramWorld) -> AsyncIterator[Api]:
    """A world with its API up."""
    api = Api(world)
    await api.start()
    try:
        yield api
    finally:
        await api.stop()


async def until(holds: Callable[[], bool], timeout: float = 20) -> None:
    """Wait for a condition that something else brings about."""
    async with asyncio.timeout(timeout):
        while not holds():
            await asyncio.sleep(0.01)


@dataclass
class Scene:
    """A bot at work in a world; Ann owns the family's supergroup, Bob is in it, Eve is not."""

    world: TelegramWorld
    api: Api
    store: SqliteStore
    memory: PhotoMemory
    ann: User
    bob: User
    eve: User
    family: Chat

    def group(
        self,
        title: str,
        *people: User,
        kind: str = "supergroup",
        forum: bool = False,
        protected: bool = False,
    ) -> Chat:
        """A group that the first of them owns and adds the bot to."""
        chat = self.world.group(title, people, kind, forum, protected)
        self.world.add_bot(chat, people[0])
        return chat

    def cakes(self, number: int) -> list[Message]:
        """Photos of Ann's that their captions alone find, the newest first."""
        return [
            self.world.post_photo(self.family, self.ann, photo(n), "cake") for n in range(number)
        ]

    async def indexed(self, *tasks: Task) -> None:
        """Everything posted was taken in, and (as far as `tasks` go) looked at."""
        await self.world.idle()
        async with asyncio.timeout(60):
            while True:
                status = await self.store.groups.status()
                waiting = {
                    Task.EMBED: sum(group.waiting_embedding for group in status),
                    Task.READ: sum(group.waiting_text for group in status),
                }
                if not any(waiting[task] for task in tasks):
                    return
                await asyncio.sleep(0.02)

    async def remembered(self) -> int:
        """How many photos the memory holds, over all groups."""
        await self.world.idle()
        return sum(group.photos for group in await self.store.groups.status())

    async def asks(self, who: User, text: str, **where: object) -> list[Message]:
        """Somebody says something, and gets the album (or photo) and the words under it."""
        chat = where.pop("chat", self.family)
        assert isinstance(chat, Chat)
        count = where.pop("count", 1)
        assert isinstance(count, int)
        self.world.say(chat, who, text, **where)  # type: ignore[arg-type]
        return await self.world.bot_sends(chat, count)


@asynccontextmanager
async def scene(
    folder: Path,
    encoder: Encoder | None = None,
    world: TelegramWorld | None = None,
    indexing: bool = False,
    **chosen: object,
) -> AsyncIterator[Scene]:
    """A bot that has greeted the family."""
    world = world or TelegramWorld()
    ann, bob, eve = (world.user(name) for name in ("Ann", "Bob", "Eve"))
    family = world.group("Family", [ann, bob])
    world.add_bot(family, ann)
    for person in (ann, bob, eve):
        world.private(person)
    async with serving(world) as api, at_work(folder, api, encoder, indexing, **chosen) as working:
        store, memory = working
        await world.bot_sends(family)
        yield Scene(world, api, store, memory, ann, bob, eve, family)


@asynccontextmanager
async def at_work(
    folder: Path,
    api: Api,
    encoder: Encoder | None = None,
    indexing: bool = False,
    **chosen: object,
) -> AsyncIterator[tuple[SqliteStore, PhotoMemory]]:
    """The bot, from start to stop."""
    state = ModelState("starter", encoder, None if encoder else "There is none in this test.")
    settings = TelegramSettings(api.state.token, api.url, **chosen)  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqliteStore(folder / "box.db"))
        decoder = await stack.enter_async_context(Decoder())
        exports = ExportFiles(MAX_BYTES)
        stack.callback(exports.close)
        adapters: dict[str, ChatAdapter] = {exports.platform: exports}
        memory = PhotoMemory(store, state, adapters, decoder, models_folder=kept.models())
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


@dataclass
class BotProcess:
    """`python -m bot` while it runs."""

    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)
    """Lines of its log."""

    async def says(self, words: str, timeout: float = 60) -> None:
        """Wait until its log says it."""
        try:
            await until(lambda: any(words in line for line in self.said), timeout)
        except TimeoutError:
            raise AssertionError("".join(self.said)) from None

    async def kill(self) -> None:
        """End it as a power cut does: nothing can be tidied up any more."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def bot_process(
    folder: Path, api: Api, *arguments: str, **settings: str
) -> AsyncIterator[BotProcess]:
    """`python -m bot` as its owner starts it, with the starter model, until SIGTERM."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd=folder,
        env={
            **kept,
            "PYTHONPATH": str(ROOT),
            "METRICS_PORT": "0",
            "MODEL": "starter",
            "TELEGRAM_TOKEN": api.state.token,
            "TELEGRAM_API_URL": api.url,
            **settings,
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    bot = BotProcess(process)

    async def listen() -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            bot.said.append(line.decode())

    listening = asyncio.create_task(listen())
    try:
        yield bot
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            code = await process.wait()
        await listening
    log = "".join(bot.said)
    assert code in (0, -signal.SIGKILL), log
    assert "Traceback" not in log, log
    assert api.state.token not in log, "a token never reaches a log"
