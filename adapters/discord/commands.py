"""Slash commands and context menus: what people ask of the bot, and where it is answered."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import discord
from discord import Attachment, Interaction, Message, app_commands
from discord.app_commands import Choice, CommandTree

from adapters.discord import dates, text
from adapters.discord.answers import Answers
from adapters.discord.buttons import offered
from adapters.discord.files import REACH, Files, reason
from adapters.discord.forgetting import Forgetting
from adapters.discord.history import History
from adapters.discord.pictures import picture_of, pictures_in
from adapters.discord.places import group_id, person_id
from adapters.discord.posts import Original, as_post, ref_of
from adapters.discord.rooms import Rooms
from bot.memory import PhotoMemory
from bot.photos import Hit, Only, PhotoRef, ShoeboxError

log = logging.getLogger(__name__)

MOST_WORDS = 200
OFFERED = 10
"""Earlier questions that are offered while somebody types."""

Tree = CommandTree[discord.AutoShardedClient]


class AnyChannel(app_commands.Transformer):
    """An option for whatever photos are posted in, also threads that Discord has archived."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        kinds = discord.ChannelType
        return [
            kinds.text,
            kinds.news,
            kinds.voice,
            kinds.stage_voice,
            kinds.forum,
            kinds.public_thread,
            kinds.private_thread,
            kinds.news_thread,
        ]

    async def transform(self, interaction: Interaction, value: Any, /) -> int:
        return int(value.id)


class Commands:
    """What the commands do. `offer` lists them."""

    def __init__(
        self,
        memory: PhotoMemory,
        rooms: Rooms,
        answers: Answers,
        files: Files,
        forgetting: Forgetting,
        history: History,
    ) -> None:
        self._memory = memory
        self._rooms = rooms
        self._answers = answers
        self._files = files
        self.forgetting = forgetting
        self.history = history

    async def find(
        self,
        interaction: Interaction,
        words: str,
        only: Only,
        channel: int | None,
        private: bool,
    ) -> None:
        await interaction.response.defer(ephemeral=private, thinking=True)
        query = await self._rooms.query(interaction, private, words, only=only, channel=channel)
        await self._answers.show(interaction, await self._memory.find(query), private)

    async def similar(
        self, interaction: Interaction, image: Attachment, words: str, private: bool
    ) -> None:
        picture = picture_of(image)
        if picture is None:
            await interaction.response.send_message(text.NOT_AN_IMAGE, ephemeral=True)
            return
        await interaction.response.defer(ephemeral=private, thinking=True)
        self._files.pictures.see(picture)
        like = ref_of(picture, Original(0, 0))
        query = await self._rooms.query(interaction, private, words, like)
        await self._answers.show(interaction, await self._memory.find(query), private)

    async def similar_to(self, interaction: Interaction, message: Message) -> None:
        """*Find similar*: to the first photo of a message, or of one of our answers."""
        like: PhotoRef | None = None
        if pictures := pictures_in(message):
            self._files.pictures.see(*pictures)
            like = ref_of(pictures[0], Original(message.channel.id, message.id))
        elif hits := await self._hits_in(interaction, message):
            like = hits[0].photo.ref
        if like is None:
            await interaction.response.send_message(text.NOTHING_HERE, ephemeral=True)
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        query = await self._rooms.query(interaction, private=True, like=like)
        await self._answers.show(interaction, await self._memory.find(query), private=True)

    async def remember(self, interaction: Interaction, message: Message) -> None:
        """*Remember this*: such a message comes whole, also without the Message Content intent."""
        own = message.author == interaction.client.user
        post = None if own else as_post(message, by_bots=True)
        if post is None:
            await interaction.response.send_message(text.NOTHING_HERE, ephemeral=True)
            return
        self._files.pictures.see(*pictures_in(message))
        done = await self._memory.remember(post)
        answer = text.KNOWN if done.known else text.STAYS_FORGOTTEN
        if done.added:
            answer = text.REMEMBERED.format(photos=text.count(len(done.added), "photo"))
        await interaction.response.send_message(answer, ephemeral=True)

    async def forget(self, interaction: Interaction, message: Message) -> None:
        """*Forget this*, on a message or on one of our answers."""
        if message.author == interaction.client.user:
            await self.forgetting.offer(interaction, await self._hits_in(interaction, message))
        else:
            await self.forgetting.forget_message(interaction, message)

    async def stats(self, interaction: Interaction) -> None:
        assert interaction.guild is not None
        status = await self._memory.groups.status(group_id(interaction.guild.id))
        words = text.stats(status[0] if status else None)
        await interaction.response.send_message(words, ephemeral=True)

    async def offer_words(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        """What this person has asked before; nobody else's questions."""
        try:
            asked = await self._memory.asked(person_id(interaction.user.id), typed, OFFERED)
        except ShoeboxError:
            return []
        return [Choice(name=words, value=words) for words in asked if 0 < len(words) <= 100]

    async def _hits_in(self, interaction: Interaction, message: Message) -> list[Hit]:
        """The photos that one of our answers shows, as far as this person may see them now."""
        if message.author != interaction.client.user:
            return []
        ids = [
            item.custom_id
            for row in message.components
            if isinstance(row, discord.ActionRow)
            for item in row.children
            if item.custom_id
        ]
        found: list[Hit] = []
        query = await self._rooms.query(interaction, message.flags.ephemeral)
        for token, rank in offered(ids):
            answer = await self._memory.page(token, query, rank - 1)
            found += [hit for hit in answer.hits[:1] if hit.rank == rank]
        return found


def offer(tree: Tree, commands: Commands) -> None:
    """List the commands with their options and help, as Discord shows them while people type."""

    async def words_typed(interaction: Interaction, typed: str) -> list[Choice[str]]:
        return await commands.offer_words(interaction, typed)

    async def date_typed(interaction: Interaction, typed: str) -> list[Choice[str]]:
        return [Choice(name=each, value=each) for each in dates.offers(typed, datetime.now(UTC))]

    @tree.command(name="find", description="Find photos of this server: birthday cake")
    @app_commands.guild_only()
    @app_commands.describe(
        words="What to look for: what is to be seen, text in the photo, what was said with it",
        author="Only photos that this person posted",
        channel="Only photos of this channel",
        after="Only photos posted since then: 2024, 2024-05 or 2024-05-17",
        before="Only photos posted before that: 2024, 2024-05 or 2024-05-17",
        private="Answer to me alone, and search all that I may see",
    )
    @app_commands.rename(author="from")
    @app_commands.autocomplete(words=words_typed, after=date_typed, before=date_typed)
    async def find(
        interaction: Interaction,
        words: app_commands.Range[str, 1, MOST_WORDS],
        author: discord.User | None = None,
        channel: app_commands.Transform[int, AnyChannel] | None = None,
        after: str | None = None,
        before: str | None = None,
        private: bool = False,
    ) -> None:
        for date in (after, before):
            if date is not None and dates.moment_of(date) is None:
                wrong = text.NOT_A_DATE.format(text=text.plain(date, text.NAME))
                await interaction.response.send_message(wrong, ephemeral=True)
                return
        only = Only(
            author="" if author is None else person_id(author.id),
            after=None if after is None else dates.moment_of(after),
            before=None if before is None else dates.moment_of(before),
        )
        await guarded(interaction, commands.find(interaction, words, only, channel, private))

    @tree.command(name="similar", description="Find photos like this image")
    @app_commands.guild_only()
    @app_commands.describe(
        image="An image; it is a question, and not kept",
        words="What shall be different or there too: at night",
        private="Answer to me alone, and search all that I may see",
    )
    async def similar(
        interaction: Interaction,
        image: Attachment,
        words: app_commands.Range[str, 1, MOST_WORDS] | None = None,
        private: bool = False,
    ) -> None:
        await guarded(interaction, commands.similar(interaction, image, words or "", private))

    @tree.command(name="forget", description="How I forget photos; admins: everything at once")
    @app_commands.guild_only()
    @app_commands.describe(everything="Admins: forget everything I remember of this server")
    async def forget(interaction: Interaction, everything: bool = False) -> None:
        if everything:
            await guarded(interaction, commands.forgetting.ask_everything(interaction))
        else:
            await interaction.response.send_message(text.FORGET_HOW, ephemeral=True)

    @tree.command(name="stats", description="How many photos I remember of this server")
    @app_commands.guild_only()
    async def stats(interaction: Interaction) -> None:
        await guarded(interaction, commands.stats(interaction))

    @tree.command(name="help", description="What I do and what I keep")
    @app_commands.guild_only()
    async def help_(interaction: Interaction) -> None:
        words = text.HELP.format(**mentions(tree))
        await interaction.response.send_message(words, ephemeral=True)

    @tree.command(name="history", description="Admins: look through what was posted before I came")
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def history(interaction: Interaction) -> None:
        await guarded(interaction, commands.history.asked(interaction))

    @tree.context_menu(name=text.SIMILAR)
    @app_commands.guild_only()
    async def similar_to(interaction: Interaction, message: Message) -> None:
        await guarded(interaction, commands.similar_to(interaction, message))

    @tree.context_menu(name=text.REMEMBER)
    @app_commands.guild_only()
    async def remember(interaction: Interaction, message: Message) -> None:
        await guarded(interaction, commands.remember(interaction, message))

    @tree.context_menu(name=text.FORGET)
    @app_commands.guild_only()
    async def forget_this(interaction: Interaction, message: Message) -> None:
        await guarded(interaction, commands.forget(interaction, message))


def mentions(tree: Tree) -> dict[str, str]:
    """How the commands are written in texts."""
    return {command.name: f"`/{command.name}`" for command in tree.get_commands()}


async def guarded(interaction: Interaction, answering: Awaitable[None]) -> None:
    """Somebody who asks gets an answer, whatever happens."""
    try:
        await answering
        return
    except ShoeboxError as error:
        log.error("Discord: a question could not be answered: %s", error)
    except REACH as error:
        log.warning("Discord: an answer could not be given: %s", reason(error))
    except discord.DiscordException as error:
        log.warning("Discord: an answer could not be given: %s", error)
    except Exception:
        if interaction.client.is_closed():
            return  # the bot was stopped meanwhile
        log.exception("Discord: a question could not be answered")
    try:
        if interaction.response.is_done():
            await interaction.followup.send(text.WENT_WRONG, ephemeral=True)
        else:
            await interaction.response.send_message(text.WENT_WRONG, ephemeral=True)
    except (discord.DiscordException, *REACH):
        log.info("Discord: nor could that be said")
