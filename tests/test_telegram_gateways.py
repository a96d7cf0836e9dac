"""Several processes take part in Telegram with one memory: one polls, or all are called."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from adapters.telegram.chat import TelegramChat, TelegramSettings
from adapters.telegram.webhook import SECRET_HEADER, secret_of
from bot.decoder import Decoder
from bot.errors import FetchFailed, TokenRefused
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import PhotoRef
from bot.ports import ChatAdapter
from storage.pg import election, pool
from storage.postgres import PostgresStore
from storage.sqlite import SqliteStore
from tests.pictures import photo
from tests.postgres import Server
from tests.standins.telegram import Api, TelegramWorld
from tests.telegram import scene, serving, until
from tests.test_telegram_webhook import free_port
from tests.wire import Wire


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BEAT_SECONDS", "ANSWER_SECONDS", "SILENCE_SECONDS"):
        monkeypatch.setattr(election, name, getattr(election, name) / 5)


@dataclass
class Gateway:
    """One process's part."""

    chat: TelegramChat
    serving: asyncio.Task[None]
    memory: PhotoMemory

    @property
    def leads(self) -> bool:
        return self.chat._leads

    async def stop(self) -> None:
        self.serving.cancel()
        await asyncio.gather(self.serving, return_exceptions=True)


@contextlib.asynccontextmanager
async def gateway(
    url: str, api: Api, patience: float | None = None, **chosen: object
) -> AsyncIterator[Gateway]:
    settings = TelegramSettings(api.state.token, api.url, **chosen)  # type: ignore[arg-type]
    async with PostgresStore(url, patience=patience) as store:
        adapters: dict[str, ChatAdapter] = {}
        memory = PhotoMemory(store, ModelState("none", problem="none here"), adapters, Decoder())
        async with TelegramChat(memory, settings) as chat:
            adapters[chat.platform] = chat
            at = Gateway(chat, asyncio.create_task(chat.serve()), memory)
            try:
                yield at
            finally:
                await at.stop()


async def test_one_polls_and_the_next_takes_over(postgres_url: str) -> None:
    world = TelegramWorld()
    ann = world.user("Ann")
    family = world.group("Family", [ann])
    world.add_bot(family, ann)
    async with (
        serving(world) as api,
        gateway(postgres_url, api) as one,
        gateway(postgres_url, api) as other,
    ):
        await world.bot_sends(family)
        await until(lambda: one.chat.up and other.chat.up)
        first, second = (one, other) if one.leads else (other, one)
        assert [first.leads, second.leads] == [True, False]
        assert len(world.called("setMyCommands")) == 4, "offered by one of them"
        world.post_photo(family, ann, photo(1), "cake")
        world.say(family, ann, "/find cake")
        await world.bot_sends(family, 2)
        await first.stop()
        world.post_photo(family, ann, photo(2), "another cake")
        world.say(family, ann, "/find cake")
        await world.bot_sends(family, 3)
        assert [first.leads, second.leads] == [False, True]


async def test_posts_wait_at_telegram_while_the_database_is_away(
    postgres_server: Server, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "STATEMENT_SECONDS", 0.5)
    world = TelegramWorld()
    ann = world.user("Ann")
    family = world.group("Family", [ann])
    world.add_bot(family, ann)
    async with Wire(postgres_server.port).open() as wire:
        database = postgres_url.rpartition("/")[2]
        far = f"postgresql://shoebox:secret-word@127.0.0.1:{wire.port}/{database}"
        async with serving(world) as api, gateway(far, api, patience=0.3) as at:
            await world.bot_sends(family)
            await world.idle()
            wire.die()
            posted = [world.post_photo(family, ann, photo(n), "cake") for n in range(3)]
            await until(lambda: not at.chat.up or not at.leads)
            wire.cut()
            assert len(world.pending) == 3
            wire.revive()
            await world.idle(30)
            for message in posted:
                found = await at.memory.posted(
                    f"telegram:{family.id}", str(family.id), str(message.id)
                )
                assert len(found) == 1
            await until(lambda: at.chat.up and at.leads)


async def test_all_are_called_behind_one_address(postgres_url: str) -> None:
    world, port, other_port = TelegramWorld(), free_port(), free_port()
    ann = world.user("Ann")
    family = world.group("Family", [ann])
    world.add_bot(family, ann)
    url = f"http://127.0.0.1:{port}/hook"  # what a balancer would pass on to both
    async with (
        serving(world) as api,
        gateway(postgres_url, api, webhook_url=url, webhook_listen=("127.0.0.1", port)),
        gateway(
            postgres_url, api, webhook_url=url, webhook_listen=("127.0.0.1", other_port)
        ) as other,
    ):
        await world.bot_sends(family)
        assert world.webhook["secret"] == secret_of(world.token, url)
        assert world.token not in secret_of(world.token, url)
        at_the_other = {SECRET_HEADER: secret_of(world.token, url)}
        message = world.post_photo(family, ann, photo(1), "cake").json
        async with (
            aiohttp.ClientSession() as telegram,
            telegram.post(
                f"http://127.0.0.1:{other_port}/hook",
                json={"update_id": 1, "message": message},
                headers=at_the_other,
            ) as answer,
        ):
            assert answer.status == 200
        group = f"telegram:{family.id}"
        assert await other.memory.knows(group, str(family.id), str(message["message_id"]))
        await other.stop()
        assert world.webhook["url"] == url, "who stops leaves it to the others"
        world.say(family, ann, "/find cake")
        await world.bot_sends(family, 2)
        assert not world.called("deleteWebhook")


async def test_who_takes_no_part_fetches_photos(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.post_photo(at.family, at.ann, photo(1), "cake")
        assert await at.remembered() == 1
        async with at.store._db.read() as db:
            found = await db.execute_fetchall("SELECT platform, key, locator, name FROM photos")
        (row,) = found
        polls = len(at.world.called("getUpdates"))
        async with SqliteStore(tmp_path / "other.db") as store:
            memory = PhotoMemory(store, ModelState("none"), {}, Decoder())
            chat = TelegramChat(memory, TelegramSettings(at.world.token, at.api.url))
            async with chat:
                ref = PhotoRef(*row)
                with pytest.raises(FetchFailed, match="can't be reached yet"):
                    await chat.fetch(ref)
                assisting = asyncio.create_task(chat.assist())
                await until(lambda: chat.up)
                assert (await chat.fetch(ref))[:2] == b"\xff\xd8"
                assisting.cancel()
                await asyncio.gather(assisting, return_exceptions=True)
            refused = TelegramChat(memory, TelegramSettings("1:no-such-token", at.api.url))
            async with refused:
                with pytest.raises(TokenRefused, match="TELEGRAM_TOKEN"):
                    await refused.assist()
        assert len(at.world.called("setMyCommands")) == 4
        assert len(at.world.called("getUpdates")) - polls <= 1, "the bot's own"
