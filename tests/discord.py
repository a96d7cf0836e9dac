"""The bot in Discord for tests: real SDK, store, decoder and indexer; SimCord for Discord."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
from discord.http import Route
from simcord.enums import ChannelType

from adapters.discord.chat import DiscordSettings, Session
from adapters.discord.client import Client
from adapters.discord.places import group_id
from adapters.trouble import Trouble
from bot.decoder import Decoder
from bot.errors import FetchFailed
from bot.indexing import Indexer
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import PhotoRef, StoredPhoto
from bot.ports import Encoder
from storage.sqlite import SqliteStore
from tests import kept
from tests.pictures import photo

API = "https://discord.com/api/v10"
CDN = "https://cdn.simcord.invalid/api/v10"
"""SimCord's files are there; the bot takes it for the server that it was told to speak to."""


@dataclass
class Shown:
    """What one of the bot's messages shows."""

    texts: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    """Addresses in its media gallery."""
    spoilers: list[bool] = field(default_factory=list)
    buttons: dict[str, str] = field(default_factory=dict)
    """custom_id by label."""

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    @property
    def attachments(self) -> list[int]:
        """Ids of the attachments in the gallery."""
        return [int(url.split("/")[-2]) for url in self.pictures]

    @staticmethod
    def of(message: Any) -> Shown:
        found = Shown([message.content] if message.content else [])
        found._read(message.components)
        return found

    def _read(self, components: list[Any]) -> None:
        for each in components:
            part = each if isinstance(each, dict) else each.to_dict()
            match part["type"]:
                case 1 | 17:
                    self._read(part["components"])
                case 2:
                    self.buttons[part["label"]] = part["custom_id"]
                case 10:
                    self.texts.append(part["content"])
                case 12:
                    for item in part["items"]:
                        self.pictures.append(item["media"]["url"])
                        self.spoilers.append(bool(item.get("spoiler")))


@dataclass
class Scene:
    """A bot at work: Ann owns the family's guild, Bob and Eve are members of it."""

    env: simcord.Env
    guild: simcord.GuildHandle
    general: simcord.ChannelHandle
    ann: simcord.MemberActor
    bob: simcord.MemberActor
    eve: simcord.MemberActor
    store: SqliteStore
    memory: PhotoMemory
    session: Session
    folder: Path

    @property
    def group(self) -> str:
        return group_id(self.guild.id)

    async def post(
        self,
        who: simcord.MemberActor,
        words: str = "",
        *photos: bytes,
        where: simcord.ChannelHandle | None = None,
        name: str = "a.jpg",
    ) -> discord.Message:
        """Somebody posts photos (one, if none is given)."""
        data = photos or (photo(1),)
        files = [(name, each) for each in data]
        return await who.send(where or self.general, words, attachments=files)

    async def find(
        self,
        who: simcord.MemberActor,
        words: str,
        where: simcord.ChannelHandle | None = None,
        **options: Any,
    ) -> Shown:
        result = await who.slash(where or self.general, "find", words=words, **options)
        return Shown.of(result.response)

    async def remembered(self) -> list[StoredPhoto]:
        """All photos that the memory holds of the guild."""
        async with self.store._db.read() as db, db.execute("SELECT id FROM photos") as cursor:
            ids = [row[0] for row in await cursor.fetchall()]
        return await self.store.photos(ids)

    async def indexed(self) -> None:
        """Everything that was posted was looked at."""
        async with asyncio.timeout(60):
            while any(
                status.waiting_embedding or status.waiting_text
                for status in await self.store.groups.status()
            ):
                await asyncio.sleep(0.02)

    def channel(
        self, name: str, *hidden_from: simcord.MemberActor | simcord.RoleHandle
    ) -> simcord.ChannelHandle:
        """A text channel, closed to some."""
        closed = discord.PermissionOverwrite(view_channel=False)
        return self.guild.create_text_channel(name, overwrites=dict.fromkeys(hidden_from, closed))

    async def thread(
        self,
        parent: simcord.ChannelHandle,
        owner: simcord.MemberActor,
        private: bool = False,
    ) -> simcord.ChannelHandle:
        """A thread, whose only member is its owner."""
        kind = ChannelType.PRIVATE_THREAD if private else ChannelType.PUBLIC_THREAD
        made = self.env.backend.create_thread(parent.id, "thread", owner.id, type=kind)
        await self.env.settle()
        return simcord.ChannelHandle(self.env, self.guild, made)


def _inside(client: Client) -> Callable[[str], Awaitable[bytes]]:
    """Files lie in the same process."""

    async def get(url: str) -> bytes:
        try:
            return await client.http.get_from_cdn(url)
        except discord.HTTPException as error:
            raise FetchFailed(f"Discord: {error.status}") from None

    return get


class _Fetching:
    """The adapter's face to the core, for one session."""

    platform = "discord"

    def __init__(self, session: Session) -> None:
        self._session = session

    async def fetch(self, ref: PhotoRef) -> bytes:
        return await self._session.files.fetch(ref)


@asynccontextmanager
async def at_work(
    folder: Path, encoder: Encoder | None = None, sees_content: bool = True
) -> AsyncIterator[tuple[SqliteStore, PhotoMemory, Client, Session]]:
    """The bot, from start to stop, with its memory in a folder."""
    state = ModelState("starter", encoder, None if encoder else "There is none in this test.")
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(Route, "BASE", API)  # the class's: whoever asked another server left it there
        store = await stack.enter_async_context(SqliteStore(folder / "box.db"))
        decoder = await stack.enter_async_context(Decoder())
        adapters: dict[str, _Fetching] = {}
        memory = PhotoMemory(store, state, adapters, decoder, models_folder=kept.models())
        client = Client(sees_content, Trouble("Discord"))
        session = Session(memory, DiscordSettings("token", CDN), client, _inside(client))
        adapters["discord"] = _Fetching(session)
        if encoder is not None:
            indexer = Indexer(store, memory, adapters, decoder)
            await stack.enter_async_context(indexer.running())
        await stack.enter_async_context(session)
        yield store, memory, client, session


@asynccontextmanager
async def scene(
    folder: Path, encoder: Encoder | None = None, sees_content: bool = True
) -> AsyncIterator[Scene]:
    """A bot that has greeted the family."""
    async with (
        at_work(folder, encoder, sees_content) as (store, memory, client, session),
        simcord.run(
            client, shard_count=1, settle_timeout=20, approved_intents=client.intents
        ) as env,
    ):
        owner = env.create_user("ann")
        guild = env.create_guild("Family", owner=owner)
        general = guild.create_text_channel("general")
        ann = guild.add_member(owner)
        bob, eve = (guild.add_member(env.create_user(name)) for name in ("bob", "eve"))
        await env.settle()
        yield Scene(env, guild, general, ann, bob, eve, store, memory, session, folder)


__all__ = ["ChannelType", "Scene", "Shown", "at_work", "scene"]
