"""Slash commands and context menus: what people ask of the bot, and where it is answered."""

from __future__ import annotations

import io
import logging
from datetime import UTC, datetime
from typing import Any

import discord
from discord import Attachment, Interaction, Message, app_commands
from discord.app_commands import Choice, CommandTree

from adapters.discord import dates, text
from adapters.discord.answers import Answers
from adapters.discord.buttons import offered
from adapters.discord.files import Files
from adapters.discord.forgetting import Forgetting
from adapters.discord.guarding import guarded
from adapters.discord.history import History
from adapters.discord.memories import Memories, offer_zones
from adapters.discord.names import LONGEST_NAME, LONGEST_OPTIONS, Names
from adapters.discord.originals import Original
from adapters.discord.pictures import picture_of, pictures_in
from adapters.discord.places import group_id, person_id
from adapters.discord.posts import as_post, ref_of
from adapters.discord.rooms import Rooms
from adapters.wording import ageing
from bot.answers import Hit
from bot.errors import ShoeboxError
from bot.language import language as language_of
from bot.language import languages, photos, say, to_say
from bot.memory import PhotoMemory
from bot.photos import Only, PhotoRef

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
        memories: Memories,
    ) -> None:
        self._memory = memory
        self._rooms = rooms
        self._answers = answers
        self._files = files
        self.forgetting = forgetting
        self.history = history
        self.memories = memories
        self.names = Names(memory, rooms, files)

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
            await interaction.response.send_message(say(text.NOT_AN_IMAGE), ephemeral=True)
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
            await interaction.response.send_message(say(text.NOTHING_HERE), ephemeral=True)
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        query = await self._rooms.query(interaction, private=True, like=like)
        await self._answers.show(interaction, await self._memory.find(query), private=True)

    async def remember(self, interaction: Interaction, message: Message) -> None:
        """*Remember this*: such a message comes whole, also without the Message Content intent."""
        own = message.author == interaction.client.user
        post = None if own else as_post(message, by_bots=True)
        if post is None:
            await interaction.response.send_message(say(text.NOTHING_HERE), ephemeral=True)
            return
        self._files.pictures.see(*pictures_in(message))
        done = await self._memory.remember(post)
        answer = say(text.KNOWN) if done.known else say(text.STAYS_FORGOTTEN)
        if done.added:
            answer = say(text.REMEMBERED, photos=photos(len(done.added)))
        await interaction.response.send_message(answer, ephemeral=True)

    async def forget(self, interaction: Interaction, message: Message) -> None:
        """*Forget this*, on a message or on one of our answers."""
        if message.author == interaction.client.user:
            await self.forgetting.offer(interaction, await self._hits_in(interaction, message))
        else:
            await self.forgetting.forget_message(interaction, message)

    async def name(self, interaction: Interaction, message: Message) -> None:
        """*Name this…*"""
        await self.names.name(interaction, message, self._hits_in)

    async def which_of(self, interaction: Interaction, message: Message) -> None:
        """*Which is it?*"""
        await self.names.which_of(interaction, message, self._hits_in)

    async def stats(self, interaction: Interaction) -> None:
        """Of the photos that they may see, as in an answer to them alone."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        query = await self._rooms.query(interaction, private=True)
        found = await self._memory.stats(query.groups[0], query.audience, query.asker)
        picture: dict[str, Any] = {}
        if found is not None and found.picture is not None:
            shown = io.BytesIO(found.picture)
            picture = {"file": discord.File(shown, "stats.png", description=found.pictured)}
        await interaction.followup.send(text.stats(found), ephemeral=True, **picture)

    async def help(self, interaction: Interaction, commands: dict[str, str]) -> None:
        told = f"{say(text.HELP, **commands)}\n{ageing(self._memory.retention)}".rstrip()
        await interaction.response.send_message(told, ephemeral=True)

    async def not_a_date(self, interaction: Interaction, typed: str) -> None:
        words = say(text.NOT_A_DATE, text=text.plain(typed, text.NAME))
        await interaction.response.send_message(words, ephemeral=True)

    async def language(self, interaction: Interaction, code: str) -> None:
        """`/language`: for who may manage the server."""
        assert interaction.guild is not None
        words = say(text.ADMINS_ONLY)
        if interaction.permissions.manage_guild:
            group = group_id(interaction.guild.id)
            words = text.plain(await self._memory.languages.choose(group, code), 300)
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

    @tree.command(name="find", description=to_say("Find photos of this server: birthday cake"))
    @app_commands.guild_only()
    @app_commands.describe(
        words=to_say(
            "What to look for: what is to be seen, text in the photo, what was said with it"
        ),
        author=to_say("Only photos that this person posted"),
        channel=to_say("Only photos of this channel"),
        after=to_say("Only photos posted since then: 2024, 2024-05 or 2024-05-17"),
        before=to_say("Only photos posted before that: 2024, 2024-05 or 2024-05-17"),
        private=to_say("Answer to me alone, and search all that I may see"),
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
                await guarded(interaction, commands.not_a_date(interaction, date))
                return
        only = Only(
            authors=None if author is None else frozenset({person_id(author.id)}),
            after=None if after is None else dates.moment_of(after),
            before=None if before is None else dates.moment_of(before),
        )
        await guarded(interaction, commands.find(interaction, words, only, channel, private))

    @tree.command(name="similar", description=to_say("Find photos like this image"))
    @app_commands.guild_only()
    @app_commands.describe(
        image=to_say("An image; it is a question, and not kept"),
        words=to_say("What shall be different or there too: at night"),
        private=to_say("Answer to me alone, and search all that I may see"),
    )
    async def similar(
        interaction: Interaction,
        image: Attachment,
        words: app_commands.Range[str, 1, MOST_WORDS] | None = None,
        private: bool = False,
    ) -> None:
        await guarded(interaction, commands.similar(interaction, image, words or "", private))

    @tree.command(name="which", description=to_say("Which is it? I look at an image and say"))
    @app_commands.guild_only()
    @app_commands.describe(
        image=to_say("An image; it is a question, and not kept"),
        options=to_say("Some things that it could be: cat, dog or cake"),
        private=to_say("Answer to me alone"),
    )
    async def which(
        interaction: Interaction,
        image: Attachment,
        options: app_commands.Range[str, 1, LONGEST_OPTIONS],
        private: bool = False,
    ) -> None:
        await guarded(interaction, commands.names.which(interaction, image, options, private))

    @tree.command(name="names", description=to_say("What this server calls things"))
    @app_commands.guild_only()
    async def names(interaction: Interaction) -> None:
        await guarded(interaction, commands.names.list(interaction))

    @tree.command(
        name="unname", description=to_say("Take a name away: for who gave it, and for admins")
    )
    @app_commands.guild_only()
    @app_commands.describe(name=to_say("The name: the goose"))
    async def unname(
        interaction: Interaction, name: app_commands.Range[str, 1, LONGEST_NAME]
    ) -> None:
        await guarded(interaction, commands.names.take_back(interaction, name))

    @tree.command(
        name="forget", description=to_say("How I forget photos: one, all of yours, everything")
    )
    @app_commands.guild_only()
    @app_commands.describe(
        me=to_say("Forget all that you posted in this server"),
        everything=to_say("Admins: forget everything I remember of this server"),
    )
    async def forget(interaction: Interaction, me: bool = False, everything: bool = False) -> None:
        if me:
            await guarded(interaction, commands.forgetting.ask_me(interaction))
        elif everything:
            await guarded(interaction, commands.forgetting.ask_everything(interaction))
        else:
            await guarded(interaction, commands.forgetting.explain(interaction))

    @tree.command(
        name="optout", description=to_say("I never remember what you post, in any server")
    )
    @app_commands.guild_only()
    async def optout(interaction: Interaction) -> None:
        await guarded(interaction, commands.forgetting.opt(interaction, out=True))

    @tree.command(name="optin", description=to_say("I remember again what you post"))
    @app_commands.guild_only()
    async def optin(interaction: Interaction) -> None:
        await guarded(interaction, commands.forgetting.opt(interaction, out=False))

    @tree.command(name="language", description=to_say("Admins: which language I speak here"))
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.describe(language=to_say("The language"))
    @app_commands.choices(
        language=[Choice(name=language_of(code).name, value=code) for code in languages()]
    )
    async def language(interaction: Interaction, language: str) -> None:
        await guarded(interaction, commands.language(interaction, language))

    async def zone_typed(interaction: Interaction, typed: str) -> list[Choice[str]]:
        return await offer_zones(typed)

    @tree.command(
        name="memories",
        description=to_say("Admins: show in the morning what was posted on that day years ago"),
    )
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.describe(
        switch=to_say("on or off; without it I say what is set"),
        zone=to_say("Whose morning: Europe/Berlin"),
        channel=to_say("Where to show them; else here"),
    )
    @app_commands.choices(switch=[Choice(name=each, value=each) for each in ("on", "off")])
    @app_commands.autocomplete(zone=zone_typed)
    async def memories(
        interaction: Interaction,
        switch: str = "",
        zone: app_commands.Range[str, 1, MOST_WORDS] | None = None,
        channel: app_commands.Transform[int, AnyChannel] | None = None,
    ) -> None:
        # Who says a time zone or a channel wants memories.
        switch = switch or ("on" if zone or channel is not None else "")
        choosing = commands.memories.choose(interaction, switch, zone or "", channel)
        await guarded(interaction, choosing)

    @tree.command(name="stats", description=to_say("How many photos I remember of this server"))
    @app_commands.guild_only()
    async def stats(interaction: Interaction) -> None:
        await guarded(interaction, commands.stats(interaction))

    @tree.command(name="help", description=to_say("What I do and what I keep"))
    @app_commands.guild_only()
    async def help_(interaction: Interaction) -> None:
        await guarded(interaction, commands.help(interaction, mentions(tree)))

    @tree.command(
        name="history", description=to_say("Admins: look through what was posted before I came")
    )
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def history(interaction: Interaction) -> None:
        await guarded(interaction, commands.history.asked(interaction))

    @tree.context_menu(name=text.SIMILAR)
    @app_commands.guild_only()
    async def similar_to(interaction: Interaction, message: Message) -> None:
        await guarded(interaction, commands.similar_to(interaction, message))

    @tree.context_menu(name=text.NAME_THIS)
    @app_commands.guild_only()
    async def name_this(interaction: Interaction, message: Message) -> None:
        await guarded(interaction, commands.name(interaction, message))

    @tree.context_menu(name=text.WHICH)
    @app_commands.guild_only()
    async def which_is_it(interaction: Interaction, message: Message) -> None:
        await guarded(interaction, commands.which_of(interaction, message))

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
