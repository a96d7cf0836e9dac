"""What is said in direct replies to photos."""

from __future__ import annotations

from discord import Message, MessageType

from adapters.discord.pictures import pictures_in
from adapters.discord.places import group_id, person_id
from adapters.discord.posts import place_of
from bot.memory import PhotoMemory


def answered_by(message: Message) -> int | None:
    """The id of the message that a reply in words answers, in the same channel."""
    to = message.reference
    if message.type is not MessageType.reply or to is None or to.message_id is None:
        return None
    if to.channel_id != message.channel.id or message.guild is None or message.author.bot:
        return None
    return None if pictures_in(message) else to.message_id


async def hear(memory: PhotoMemory, message: Message) -> None:
    """Keep what a message, new or edited, says about the photos that it answers. Raises StoreError.

    They may not be remembered: then nothing of what was said is, either.
    """
    about = answered_by(message)
    if about is not None and message.guild is not None:
        where = (group_id(message.guild.id), place_of(message.channel).key)
        author, said = person_id(message.author.id), message.clean_content
        await memory.replies.hear(*where, str(about), str(message.id), author, said)
