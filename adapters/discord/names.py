"""What people call things, and which of some things a photo shows: commands, menus, modals.

A modal that is open while the bot restarts leads nowhere, and Discord says so; what it is about is
not in its id, so that nobody can send one about a message that they can't see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine

from discord import Attachment, Interaction, Message
from discord.ui import Label, Modal, TextInput

from adapters.discord import text
from adapters.discord.files import Files
from adapters.discord.guarding import guarded
from adapters.discord.originals import Original
from adapters.discord.pictures import Picture, picture_of, pictures_in
from adapters.discord.places import group_id, person_id
from adapters.discord.posts import place_of, ref_of
from adapters.discord.rooms import Rooms
from bot.answers import Hit
from bot.errors import NameRefused
from bot.language import say
from bot.memory import PhotoMemory
from bot.photos import PhotoRef, StoredPhoto

LONGEST_NAME, LONGEST_OPTIONS = 40, 300
OPEN_SECONDS = 15 * 60.0
"""How long somebody may think about what to type."""

Typed = Callable[[Interaction, str], Coroutine[None, None, None]]
Hits = Callable[[Interaction, Message], Awaitable[list[Hit]]]


class Names:
    """Answers those commands. Raises ShoeboxError, discord.DiscordException."""

    def __init__(self, memory: PhotoMemory, rooms: Rooms, files: Files) -> None:
        self._memory = memory
        self._rooms = rooms
        self._files = files

    async def name(self, interaction: Interaction, message: Message, hits: Hits) -> None:
        """*Name this…*: the first photo of a message, or of one of our answers."""
        found = await self._known(message) or await _shown(interaction, message, hits)
        if found is None:
            await interaction.response.send_message(say(text.NOT_KNOWN), ephemeral=True)
            return
        photo = found

        async def typed(interaction: Interaction, name: str) -> None:
            await self._give(interaction, photo, name)

        await interaction.response.send_modal(
            _Asking(text.NAME_THIS, text.NAME_ASKED, text.NAME_EXAMPLE, LONGEST_NAME, typed)
        )

    async def list(self, interaction: Interaction) -> None:
        """`/names`: those of which this person may see a photo."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        query = await self._rooms.query(interaction, private=True)
        names = await self._memory.names.of(query.groups, query.audience)
        await interaction.followup.send(text.names(names), ephemeral=True)

    async def take_back(self, interaction: Interaction, name: str) -> None:
        """`/unname`: for who gave it, and for who may manage the server."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        query = await self._rooms.query(interaction, private=True)
        admin = interaction.permissions.manage_guild
        said = await self._memory.names.take_back(
            query.groups[0], query.audience, name, None if admin else query.asker
        )
        await interaction.followup.send(text.plain(said, 300), ephemeral=True)

    async def which_of(self, interaction: Interaction, message: Message, hits: Hits) -> None:
        """*Which is it?*: the first photo of a message, or of one of our answers."""
        known = await self._known(message)
        pictures = pictures_in(message)
        ref: PhotoRef | None = None
        if pictures and message.author != interaction.client.user:
            ref = self._seen(pictures[0], Original(message.channel.id, message.id))
        elif (known := await _shown(interaction, message, hits)) is not None:
            ref = known.ref
        if ref is None:
            await interaction.response.send_message(say(text.NOTHING_HERE), ephemeral=True)
            return
        like, photo = ref, known

        async def typed(interaction: Interaction, options: str) -> None:
            await interaction.response.defer(ephemeral=True, thinking=True)
            await self._judge(interaction, options, like, photo, private=True)

        await interaction.response.send_modal(
            _Asking(text.WHICH, text.WHICH_ASKED, text.OPTIONS, LONGEST_OPTIONS, typed)
        )

    async def which(
        self, interaction: Interaction, image: Attachment, options: str, private: bool
    ) -> None:
        """`/which`: of an image that is given with it, and not kept."""
        picture = picture_of(image)
        if picture is None:
            await interaction.response.send_message(say(text.NOT_AN_IMAGE), ephemeral=True)
            return
        await interaction.response.defer(ephemeral=private, thinking=True)
        await self._judge(interaction, options, self._seen(picture, Original(0, 0)), None, private)

    async def _give(self, interaction: Interaction, photo: StoredPhoto, name: str) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        query = await self._rooms.query(interaction, private=True)
        giver = person_id(interaction.user.id)
        try:
            said = await self._memory.names.give(photo, name, giver, query.audience)
        except NameRefused as refused:
            said = str(refused)
        await interaction.followup.send(text.plain(said, 300), ephemeral=True)

    async def _judge(
        self,
        interaction: Interaction,
        options: str,
        ref: PhotoRef,
        photo: StoredPhoto | None,
        private: bool,
    ) -> None:
        known, asker = None if photo is None else photo.id, person_id(interaction.user.id)
        verdict = await self._memory.which(options, ref, known, asker)
        await interaction.followup.send(text.verdict(verdict), ephemeral=private)

    def _seen(self, picture: Picture, original: Original) -> PhotoRef:
        self._files.pictures.see(picture)
        return ref_of(picture, original)

    async def _known(self, message: Message) -> StoredPhoto | None:
        assert message.guild is not None
        where = (group_id(message.guild.id), place_of(message.channel).key, str(message.id))
        return next(iter(await self._memory.posted(*where)), None)


async def _shown(interaction: Interaction, message: Message, hits: Hits) -> StoredPhoto | None:
    found = await hits(interaction, message)
    return found[0].photo if found else None


class _Asking(Modal):
    """One question with one line to type."""

    def __init__(self, title: str, question: str, example: str, longest: int, typed: Typed) -> None:
        super().__init__(title=say(title), timeout=OPEN_SECONDS)
        self._line: TextInput[_Asking] = TextInput(
            placeholder=say(example), min_length=1, max_length=longest, custom_id="line"
        )
        self.add_item(Label(text=say(question), component=self._line))
        self._typed = typed

    async def on_submit(self, interaction: Interaction, /) -> None:
        await guarded(interaction, self._typed(interaction, self._line.value))
