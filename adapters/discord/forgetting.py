"""Forgetting: one message, one photo of an answer, all of somebody, everything; and who may ask
for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import discord
from discord import ButtonStyle, Interaction, Message
from discord.ui import Button, View

from adapters.discord import text
from adapters.discord.places import Place, group_id, person_id
from adapters.discord.posts import place_of
from adapters.wording import FORGET_ME, OPTED_IN, OPTED_OUT
from bot.answers import Hit
from bot.language import photos, say
from bot.memory import PhotoMemory
from bot.photos import Post, StoredPhoto

Erase = Callable[[discord.Guild], Awaitable[int]]
"""Forgets everything of a guild; returns how many photos that were. Raises StoreError."""


class Forgetting:
    """Who posted a photo may have it forgotten, and who may delete messages there."""

    def __init__(self, memory: PhotoMemory, erase: Erase) -> None:
        self._memory = memory
        self._erase = erase

    async def forget_message(self, interaction: Interaction, message: Message) -> None:
        """*Forget this* on somebody's message."""
        assert interaction.guild is not None
        where = (group_id(interaction.guild.id), place_of(message.channel).key, str(message.id))
        if not await self._memory.knows(*where):
            answer = say(text.NOT_KNOWN)
        elif not self._may(interaction, person_id(message.author.id)):
            answer = say(text.NOT_YOURS)
        else:
            await self._memory.forget(*where)
            answer = say(text.FORGOTTEN)
        await interaction.response.send_message(answer, ephemeral=True)

    async def offer(self, interaction: Interaction, hits: list[Hit]) -> None:
        """*Forget this* on one of our answers: which of its photos?"""
        mine = [hit for hit in hits if self._may_forget(interaction, hit.photo)]
        if not mine:
            answer = say(text.NOT_YOURS) if hits else say(text.NOT_KNOWN)
            await interaction.response.send_message(answer, ephemeral=True)
            return
        view = View(timeout=None)
        for n, hit in enumerate(hits, start=1):
            if hit in mine:
                label = say("Forget {number}", number=n) if len(hits) > 1 else say("Forget it")
                view.add_item(Button(label=label, custom_id=f"forget:{hit.photo.id}"))
        view.stop()
        await interaction.response.send_message(say(text.FORGET_WHICH), view=view, ephemeral=True)

    async def forget_photo(self, interaction: Interaction, photo: int) -> None:
        """One of those was chosen; it takes the rest of its message along."""
        found = await self._memory.photo(photo)
        if found is None or found.post.group != _group(interaction):
            answer = say(text.NOT_KNOWN)
        elif not self._may_forget(interaction, found):
            answer = say(text.NOT_YOURS)
        else:
            post: Post = found.post
            await self._memory.forget(post.group, post.channel, post.message)
            answer = say(text.FORGOTTEN)
        await interaction.followup.send(answer, ephemeral=True)

    async def ask_everything(self, interaction: Interaction) -> None:
        """`/forget everything`: are you sure?"""
        if not _is_admin(interaction):
            await interaction.response.send_message(say(text.ADMINS_ONLY), ephemeral=True)
            return
        status = await self._memory.groups.status(_group(interaction))
        remembered = sum(group.photos for group in status)
        view = View(timeout=None)
        view.add_item(
            Button(
                label=say("Forget everything"),
                style=ButtonStyle.danger,
                custom_id="everything:yes",
            )
        )
        view.add_item(Button(label=say("Keep"), custom_id="everything:no"))
        view.stop()
        await interaction.response.send_message(
            say(text.SURE, photos=photos(remembered)), view=view, ephemeral=True
        )

    async def forget_everything(self, interaction: Interaction, sure: bool) -> None:
        """The button under that question."""
        guild = interaction.guild
        assert guild is not None
        if not _is_admin(interaction):
            await interaction.followup.send(say(text.ADMINS_ONLY), ephemeral=True)
            return
        words = say(text.KEPT)
        if sure:
            erased = await self._erase(guild)
            words = say("Forgotten: {photos}.", photos=photos(erased))
        await interaction.edit_original_response(content=words, view=None)

    async def ask_me(self, interaction: Interaction) -> None:
        """`/forget me`: are you sure? Who asked alone sees the question and its buttons."""
        person = person_id(interaction.user.id)
        number = await self._memory.people.photos_of(_group(interaction), person)
        view = View(timeout=None)
        yes = say("Forget it all")
        view.add_item(Button(label=yes, style=ButtonStyle.danger, custom_id="mine:yes"))
        view.add_item(Button(label=say("Keep"), custom_id="mine:no"))
        view.stop()
        sure = say(FORGET_ME, photos=photos(number))
        await interaction.response.send_message(sure, view=view, ephemeral=True)

    async def forget_me(self, interaction: Interaction, sure: bool) -> None:
        """The button under that question: whoever presses it, only what is theirs goes."""
        words = say(text.KEPT)
        if sure:
            person = person_id(interaction.user.id)
            number = await self._memory.forget_person(_group(interaction), person)
            words = say("Forgotten: {photos}.", photos=photos(number))
        await interaction.edit_original_response(content=words, view=None)

    async def opt(self, interaction: Interaction, out: bool) -> None:
        """`/optout`, `/optin`: of a person, in all servers."""
        await self._memory.people.refuse(person_id(interaction.user.id), out)
        words = say(OPTED_OUT, forget_me="`/forget me:True`") if out else say(OPTED_IN)
        await interaction.response.send_message(words, ephemeral=True)

    async def explain(self, interaction: Interaction) -> None:
        """`/forget` alone."""
        await interaction.response.send_message(say(text.FORGET_HOW), ephemeral=True)

    def _may_forget(self, interaction: Interaction, photo: StoredPhoto) -> bool:
        """Whether it is theirs, or they may delete messages where it was posted."""
        guild, member = interaction.guild, interaction.user
        if photo.post.author == person_id(member.id) or _is_admin(interaction):
            return True
        channel = guild.get_channel(Place.of(photo.post.channel).channel) if guild else None
        return (
            channel is not None
            and isinstance(member, discord.Member)
            and channel.permissions_for(member).manage_messages
        )

    def _may(self, interaction: Interaction, author: str) -> bool:
        rights = interaction.permissions
        return author == person_id(interaction.user.id) or rights.manage_messages


def _is_admin(interaction: Interaction) -> bool:
    return interaction.permissions.manage_guild


def _group(interaction: Interaction) -> str:
    assert isinstance(interaction.guild, discord.Guild)
    return group_id(interaction.guild.id)
