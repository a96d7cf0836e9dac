"""Discord as a chat platform: events in, answers out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Self

import discord
from discord import Interaction, Message

from adapters.discord.answers import Answers
from adapters.discord.buttons import Buttons
from adapters.discord.client import LIBRARY, Client, OneLine
from adapters.discord.commands import Commands, offer
from adapters.discord.download import Downloader
from adapters.discord.files import REACH, Files, reason
from adapters.discord.forgetting import Forgetting
from adapters.discord.guarding import guarded
from adapters.discord.guilds import Guilds
from adapters.discord.history import History
from adapters.discord.inbox import Inbox
from adapters.discord.memories import Memories
from adapters.discord.missed import Missed
from adapters.discord.pictures import pictures_in
from adapters.discord.places import PLATFORM, Place, group_id
from adapters.discord.posts import as_post, place_of
from adapters.discord.reading import Reader
from adapters.discord.rooms import Rooms
from adapters.discord.token import (
    HIDDEN,
    NOT_KNOWN,
    invitation,
    listen_to_its_gateway,
    sees_content,
    speak_to,
)
from adapters.discord.translations import Translations
from adapters.sight import Sight
from adapters.trouble import Trouble
from bot.elections import lead
from bot.errors import FetchFailed, TokenRefused
from bot.language import to_say
from bot.memory import PhotoMemory
from bot.photos import Group, PhotoRef, StoredPhoto
from bot.ports import Recall
from bot.sharing import Shards

log = logging.getLogger(__name__)

TOKEN_REFUSED = 4004
"""https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway"""
CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """What the owner chose for Discord."""

    token: str
    api_url: str
    grace_days: int = 7
    shards: Shards | None = None
    """Those of this process; None: all."""


class DiscordChat:
    """ChatAdapter for Discord. Use as `async with`, then `serve`."""

    platform = PLATFORM

    def __init__(self, memory: PhotoMemory, chosen: DiscordSettings) -> None:
        self._memory = memory
        self._chosen = chosen
        self._trouble = Trouble("Discord")
        self._session: Session | None = None
        self._files: Files | None = None
        self._stands_by = False
        """Another process takes part; this one would take over."""

    @property
    def up(self) -> bool:
        """Whether events come in, here or where this process would take over from. A cut that is
        mended at once doesn't count."""
        if self._stands_by or self._files is not None:
            return not self._trouble.told
        return self._session is not None and self._session.hears and not self._trouble.told

    async def __aenter__(self) -> Self:
        """Nothing is asked of Discord yet: it may be out of reach, and photos wait."""
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def fetch(self, ref: PhotoRef) -> bytes:
        """The photo's bytes, in a rendition large enough to look at. Raises FetchFailed."""
        files = self._files if self._session is None else self._session.files
        if files is None:
            raise FetchFailed(to_say("Discord can't be reached yet"))
        return await files.fetch(ref)

    async def sights(self, user: int) -> list[Sight]:
        """See LiveChat."""
        return [] if self._session is None else await self._session.rooms.sights(user)

    async def is_posted(self, photo: StoredPhoto) -> bool:
        """See LiveChat. Discord tells what is deleted, and fetching finds out the rest."""
        return self._session is not None

    async def remind(self, group: str, place: str, recall: Recall) -> None:
        """(see Reminder)"""
        if self._session is not None:
            await self._session.remind(group, place, recall)

    async def serve(self) -> None:
        """Take part in guilds until cancelled, once no other process serves the same shards. Raises
        TokenRefused."""
        shards = self._chosen.shards
        what = "Discord" if shards is None else f"Discord {shards}"
        with self._spoken_of_in_one_line():
            self._stands_by = True
            try:
                await lead(self._memory.elections, what, self._take_part_for_ever)
            finally:
                self._stands_by = False

    async def assist(self) -> None:
        """(see LiveChat)"""
        with self._spoken_of_in_one_line():
            client = await self._login()
            downloader = Downloader()
            sees = client.intents.message_content
            self._files = Files(client, self._chosen.api_url, sees, downloader.get)
            self._trouble.over()
            try:
                await asyncio.Event().wait()
            finally:
                self._files = None
                await downloader.close()
                await _close(client)

    @contextlib.contextmanager
    def _spoken_of_in_one_line(self) -> Iterator[None]:
        speak_to(self._chosen.api_url)
        quiet = OneLine(self._trouble)
        for name in LIBRARY:
            logging.getLogger(name).addFilter(quiet)
        try:
            yield
        finally:
            for name in LIBRARY:
                logging.getLogger(name).removeFilter(quiet)

    async def _take_part_for_ever(self) -> None:
        self._stands_by = False
        try:
            while True:
                await self._take_part()
        finally:
            self._stands_by = True

    async def _take_part(self) -> None:
        """From a login until the connection is lost for good; cuts are mended by the library."""
        client = await self._login()
        connecting: asyncio.Task[None] | None = None
        try:
            await listen_to_its_gateway(client)
            async with Session(self._memory, self._chosen, client) as self._session:
                # In a task of its own: while discord.py reconnects it swallows a cancellation.
                connecting = asyncio.create_task(client.connect())
                await asyncio.shield(connecting)
            trouble = "it closed the connection"
        except discord.ConnectionClosed as closed:
            if closed.code == TOKEN_REFUSED:
                raise TokenRefused(f"DISCORD_TOKEN: {NOT_KNOWN}") from None
            trouble = f"it closed the connection ({closed.code})"
        except discord.PrivilegedIntentsRequired:
            trouble = "the Message Content intent was switched off"
        except REACH as error:
            trouble = reason(error)
        finally:
            self._session = None
            await _close(client)
            if connecting is not None:
                connecting.cancel()
                await asyncio.gather(connecting, return_exceptions=True)
        await self._trouble.pause(trouble)

    async def _login(self) -> Client:
        """A client that Discord knows, with the intents that its owner has switched on."""
        sees = True
        while True:
            client = Client(sees, self._trouble, self._chosen.shards)
            try:
                await client.login(self._chosen.token)
            except discord.LoginFailure:
                await client.close()
                raise TokenRefused(f"DISCORD_TOKEN: {NOT_KNOWN}") from None
            except REACH as error:
                await client.close()
                await self._trouble.pause(reason(error))
                continue
            except asyncio.CancelledError:
                await client.close()
                raise
            if sees == sees_content(client):
                return client
            await client.close()
            sees = not sees
            if not sees:
                log.warning("Discord: %s", HIDDEN)


async def _close(client: Client) -> None:
    """Even if the other side does not say goodbye."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()
    await client.http.close()


class Session:
    """Everything that belongs to one login. Use as `async with`."""

    def __init__(
        self,
        memory: PhotoMemory,
        chosen: DiscordSettings,
        client: Client,
        download: Callable[[str], Awaitable[bytes]] | None = None,
    ) -> None:
        """`download`: how files are had, if not over the network."""
        sees = client.intents.message_content
        self._memory = memory
        self._client = client
        self._downloader = Downloader()
        download = self._downloader.get if download is None else download
        self.files = Files(client, chosen.api_url, sees, download)
        self._inbox = Inbox()
        self._reader = Reader(memory, self.files, self._inbox)
        self._missed = Missed(memory, self._reader)
        self._history = History(memory, self._reader, client, sees)
        self.rooms = rooms = Rooms(memory, client)
        answers = Answers(memory, self.files)
        forgetting = Forgetting(memory, self._erase)
        self._memories = Memories(memory, client, answers)
        self._buttons = Buttons(memory, rooms, answers, forgetting)
        offer(
            client.tree,
            Commands(memory, rooms, answers, self.files, forgetting, self._history, self._memories),
        )
        self._guilds = Guilds(memory, client, client.tree, chosen.grace_days, sees)
        self._tasks: set[asyncio.Task[None]] = set()
        client.languages = memory.languages
        client.listener = self

    async def __aenter__(self) -> Self:
        await self._client.tree.set_translator(Translations())
        self._spawn(self._missed.keep_for_ever())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.listener = None
        await self._history.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._inbox.close()
        await self._missed.close()
        await self._downloader.close()

    @property
    def hears(self) -> bool:
        """Whether Discord has told of all guilds, and the connection is not given up."""
        return self._client.is_ready() and not self._client.is_closed()

    # --- what is told; each is taken in once everything before it in its guild was

    def posted(self, message: Message) -> None:
        assert message.guild is not None
        guild = message.guild.id

        async def take() -> None:
            await self._reader.take(message)
            self._missed.hear(guild, message.id)

        self._inbox.tell(guild, take)

    def edited(self, message: Message) -> None:
        """Other words, fewer attachments, or a link whose image Discord has fetched by now."""
        if not self._client.intents.message_content:
            return  # nothing that could be compared is told
        assert message.guild is not None

        async def take() -> None:
            assert message.guild is not None
            where = (group_id(message.guild.id), place_of(message.channel).key, str(message.id))
            if await self._memory.knows(*where):
                post = as_post(message, by_bots=True)
                keep = [picture.key for picture in pictures_in(message)]
                await self._memory.revise(*where, post.caption if post else "", keep)
            await self._reader.take(message)

        self._inbox.tell(message.guild.id, take)

    def deleted(self, guild: int, channel: int, messages: list[int]) -> None:
        async def take() -> None:
            for key in await self._keys(guild, channel):
                gone = [str(message) for message in messages]
                await self._memory.replies.unsay(group_id(guild), key, gone)
                for message in messages:
                    if await self._memory.knows(group_id(guild), key, str(message)):
                        await self._memory.forget(group_id(guild), key, str(message))

        self._inbox.tell(guild, take)

    def channel_deleted(self, guild: int, channel: int) -> None:
        """A channel with its threads, or a thread."""

        async def take() -> None:
            for key in await self._memory.channels(group_id(guild)):
                place = Place.of(key)
                if channel in (place.channel, place.id):
                    await self._memory.forget_channel(group_id(guild), key)

        self._inbox.tell(guild, take)

    def guild_here(self, guild: discord.Guild) -> None:
        self._missed.begin(guild.id)

        async def take() -> None:
            await self._guilds.met(guild)
            if self._client.intents.message_content:
                await self._missed.fill_in(guild)
            await self._history.resume(guild)

        self._inbox.tell(guild.id, take)
        self._spawn(self._quietly(self._inbox_then(guild, self._guilds.offer_commands)))

    def guild_renamed(self, guild: discord.Guild) -> None:
        self._inbox.tell(guild.id, lambda: self._guilds.renamed(guild))

    def guild_gone(self, guild: discord.Guild) -> None:
        self._missed.leave(guild.id)
        self._history.stop(guild.id)
        self._inbox.tell(guild.id, lambda: self._guilds.left(guild.id))

    def shard_here(self, shard: int, told: set[int]) -> None:
        self._spawn(self._quietly(self._guilds.look_around(shard, told)))

    def all_here(self) -> None:
        client = self._client
        log.info("Discord: %s is here, in %d servers", client.user, len(client.guilds))
        log.info("Discord: invite it with %s", invitation(client))

    async def remind(self, group: str, place: str, recall: Recall) -> None:
        """(see Reminder)"""
        await self._memories.remind(group, place, recall)

    async def pressed(self, interaction: Interaction) -> None:
        await guarded(interaction, self._buttons.pressed(interaction))

    # --- how

    async def _erase(self, guild: discord.Guild) -> int:
        """Forget everything of a guild, so that nothing which is being read now comes back."""
        self._history.stop(guild.id)

        async def erase() -> int:
            photos = await self._memory.groups.erase(group_id(guild.id))
            await self._memory.groups.meet(Group(group_id(guild.id), guild.name))
            await self._memory.languages.keep(group_id(guild.id))
            await self._missed.from_now_on(guild.id)
            return photos

        return await self._inbox.put(guild.id, erase)

    async def _inbox_then(
        self, guild: discord.Guild, then: Callable[[discord.Guild], Coroutine[Any, Any, None]]
    ) -> None:
        async def nothing() -> None:
            return None

        await self._inbox.put(guild.id, nothing)  # the guild is known to the memory
        await then(guild)

    async def _keys(self, guild: int, channel: int) -> list[str]:
        """Under which keys a channel's or thread's messages are kept."""
        at = self._client.get_guild(guild)
        if at is not None and (known := at.get_channel_or_thread(channel)) is not None:
            return [place_of(known).key]
        keys = await self._memory.channels(group_id(guild))
        return [key for key in keys if Place.of(key).id == channel]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            log.error("Discord: something went wrong: %s", error)
