"""`/history`: what was posted before the bot came, in the background, over restarts."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict, dataclass, field

import discord
from discord import Interaction

from adapters.discord import text
from adapters.discord.files import REACH, reason
from adapters.discord.interaction_language import language_of, preferred
from adapters.discord.places import group_id
from adapters.discord.reading import (
    PAGE,
    Page,
    Reader,
    Source,
    archived,
    insist,
    may_read,
    parents,
    readable,
    with_messages,
)
from bot.errors import StoreError
from bot.language import count, photos, say, speak, speaking, to_say
from bot.memory import PhotoMemory

log = logging.getLogger(__name__)

NOTE = "history"
NAME = "/history"
PAGE_PAUSE = 0.5
"""Seconds between two pages, so that everything else goes first."""
CLOSE_SECONDS = 3.0
"""A stop waits so long for a page that is being read, so that its photos are counted once."""
TELL_SECONDS = 5.0
"""Between two edits of the message that shows how far it is."""
ALL = 0
"""Stands for the oldest message of a channel that was read to its beginning."""

STARTED = to_say("I look through what was posted here before. This message shows how far I am.")
RUNNING = to_say("I am at it: {link}")
BEGINNING = to_say("I am about to begin.")
CANT_WRITE = to_say("I must be allowed to write in this channel, to show how far I am.")
PROGRESS = to_say(
    "🕰️ Looking through what was posted before I came: {done} of {all} channels and threads, "
    "{messages}, {photos} new.\n{bar}"
)
DONE = to_say(
    "✅ I looked through {messages} in {all} channels and threads and found {photos} that I did "
    "not know yet. I am looking at them now; `/stats` shows how far I am."
)
BAR = 20


@dataclass(slots=True)
class Progress:
    """Kept as a note, so that it goes on after a restart."""

    channel: int
    message: int
    """Where it is shown."""
    reached: dict[str, int] = field(default_factory=dict)
    """Oldest message read, by channel."""
    messages: int = 0
    photos: int = 0
    skipped: int = 0
    """Channels and threads that turned out to be closed."""

    def text(self) -> str:
        return json.dumps(asdict(self))


class History:
    """Fills in the past of guilds, one page after another."""

    def __init__(
        self, memory: PhotoMemory, reader: Reader, client: discord.Client, sees_content: bool
    ) -> None:
        self._memory = memory
        self._reader = reader
        self._client = client
        self._sees_content = sees_content
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._beginning: set[int] = set()
        self._is_closed = False

    async def asked(self, interaction: Interaction) -> None:
        """Somebody typed `/history`. Raises StoreError, discord.DiscordException."""
        guild, channel = interaction.guild, interaction.channel
        assert guild is not None
        refusal = None
        running = await self._memory.groups.note(group_id(guild.id), NOTE)
        rights = interaction.app_permissions
        if not interaction.permissions.manage_guild:
            refusal = say(text.ADMINS_ONLY)
        elif not self._sees_content:
            refusal = say(text.HIDDEN)
        elif running is not None and guild.id in self._tasks:
            at = Progress(**json.loads(running))
            link = f"https://discord.com/channels/{guild.id}/{at.channel}/{at.message}"
            refusal = say(RUNNING, link=link)
        elif guild.id in self._beginning:
            refusal = say(BEGINNING)
        elif not (rights.view_channel and rights.send_messages) or not isinstance(
            channel, discord.abc.Messageable
        ):
            refusal = say(CANT_WRITE)
        if refusal is not None or not isinstance(channel, discord.abc.Messageable):
            await interaction.response.send_message(refusal, ephemeral=True)
            return
        self._beginning.add(guild.id)
        try:
            await interaction.response.send_message(say(STARTED), ephemeral=True)
            with speaking(await language_of(interaction, private=False)):
                shown = await channel.send(_progress(Progress(0, 0), 0, 0))
            progress = Progress(shown.channel.id, shown.id)
            await self._memory.groups.take_note(group_id(guild.id), NOTE, progress.text())
            self._start(guild, progress)
        finally:
            self._beginning.discard(guild.id)

    async def resume(self, guild: discord.Guild) -> None:
        """Go on where a restart interrupted it. Raises StoreError."""
        kept = await self._memory.groups.note(group_id(guild.id), NOTE)
        if kept is not None and guild.id not in self._tasks:
            self._start(guild, Progress(**json.loads(kept)))

    async def close(self) -> None:
        """Stop after the page that is being read; the notes say where to go on."""
        self._is_closed = True
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self, guild: int) -> None:
        """The guild is gone."""
        if (task := self._tasks.get(guild)) is not None:
            task.cancel()

    def _start(self, guild: discord.Guild, progress: Progress) -> None:
        if self._is_closed:
            return
        task = asyncio.create_task(self._run(guild, progress))
        self._tasks[guild.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(guild.id, None))

    async def _run(self, guild: discord.Guild, progress: Progress) -> None:
        try:
            group = group_id(guild.id)
            speak(await self._memory.languages.of(group, preferred(guild)))
            await self._read_all(guild, progress)
        except discord.HTTPException as error:
            log.warning("Discord, guild %s: /history stopped: %s", guild.id, reason(error))
        except Exception as error:
            log.error("Discord, guild %s: /history stopped", guild.id, exc_info=error)

    async def _read_all(self, guild: discord.Guild, progress: Progress) -> None:
        sources, closed = await insist(NAME, lambda: _sources(guild))
        teller = _Teller(self._client, progress, len(sources))
        for number, source in enumerate(sources):
            await teller.tell(number)
            while progress.reached.get(str(source.id)) != ALL:
                page = await self._page(source, progress.reached.get(str(source.id)))
                if page is None:
                    progress.skipped += 1
                    progress.reached[str(source.id)] = ALL
                else:
                    progress.messages += page.messages
                    progress.photos += page.photos
                    last = page.messages < PAGE
                    progress.reached[str(source.id)] = ALL if last else page.first or ALL
                await self._note(guild, progress.text())
                if self._is_closed:
                    return
                await teller.tell(number)
                await asyncio.sleep(PAGE_PAUSE)
        await teller.say(_done(progress, len(sources), closed + progress.skipped))
        await self._note(guild, None)
        log.info("Discord, guild %s: /history found %d photos", guild.id, progress.photos)

    async def _note(self, guild: discord.Guild, progress: str | None) -> None:
        try:
            await self._memory.groups.take_note(group_id(guild.id), NOTE, progress)
        except StoreError as error:  # a page is read twice after a restart, which changes nothing
            log.warning("Discord: how far /history is can't be kept: %s", error)

    async def _page(self, source: Source, before: int | None) -> Page | None:
        """None when the channel can't be read."""
        try:
            return await insist(NAME, lambda: self._reader.older(source, before))
        except (discord.Forbidden, discord.NotFound):
            return None


class _Teller:
    """Edits the one message that shows how far it is; nobody minds if that fails."""

    def __init__(self, client: discord.Client, progress: Progress, total: int) -> None:
        channel = client.get_partial_messageable(progress.channel)
        self._message = channel.get_partial_message(progress.message)
        self._progress = progress
        self._total = total
        self._told = 0.0

    async def tell(self, done: int) -> None:
        now = asyncio.get_running_loop().time()
        if not self._told or now - self._told >= TELL_SECONDS:
            self._told = now
            await self.say(_progress(self._progress, done, self._total))

    async def say(self, words: str) -> None:
        try:
            await self._message.edit(content=words)
        except REACH as error:
            log.info("Discord: how far /history is can't be shown: %s", reason(error))


async def _sources(guild: discord.Guild) -> tuple[list[Source], int]:
    """Every channel and thread that can be read, archived ones too; and how many channels can't,
    or don't tell their threads."""
    found: list[Source] = readable(guild)
    found += await guild.active_threads()
    closed = sum(not may_read(channel) for channel in with_messages(guild))
    for parent in parents(guild):
        try:
            found += [thread async for thread in archived(parent)]
        except (discord.Forbidden, discord.NotFound):
            closed += 1
    return list({source.id: source for source in found}.values()), closed


def _progress(progress: Progress, done: int, total: int) -> str:
    full = round(BAR * done / total) if total else 0
    return say(
        PROGRESS,
        done=done,
        all=total or "…",
        messages=_messages(progress.messages),
        photos=photos(progress.photos),
        bar="▰" * full + "▱" * (BAR - full),
    )


def _done(progress: Progress, total: int, closed: int) -> str:
    words = say(
        DONE, all=total, messages=_messages(progress.messages), photos=photos(progress.photos)
    )
    if closed:
        words += "\n" + count(
            closed,
            "I could not read {count} channel.",
            "I could not read {count} channels.",
        )
    return words


def _messages(number: int) -> str:
    return count(number, "{count} message", "{count} messages")
