"""Discord's messages -> the core's posts; what is kept to fetch and show a photo again."""

from __future__ import annotations

import discord
from discord import ChannelType, Message, Thread

from adapters.discord.originals import Original
from adapters.discord.pictures import Picture, pictures_in
from adapters.discord.places import PLATFORM, Place, group_id, person_id
from bot.photos import PhotoRef, Post

DELETED_PARENT = 0
"""Stands for the channel of a thread when Discord does not tell it."""


def place_of(channel: object) -> Place:
    """Where messages of a channel or thread are kept."""
    if isinstance(channel, Thread):
        closed = channel.type is ChannelType.private_thread
        return Place(channel.parent_id or DELETED_PARENT, channel.id, closed)
    assert isinstance(channel, discord.abc.Snowflake)
    return Place(channel.id)


def as_post(message: Message, by_bots: bool = False) -> Post | None:
    """What the memory keeps of a guild's message; None without photos, or from a bot.

    `by_bots`: bots' posts too (not our own), because somebody asks for this one.
    """
    pictures = pictures_in(message)
    guild = message.guild
    if guild is None or not pictures or (message.author.bot and not by_bots):
        return None
    original = Original(message.channel.id, message.id)
    return Post(
        group=group_id(guild.id),
        group_name=guild.name,
        channel=place_of(message.channel).key,
        message=str(message.id),
        author=person_id(message.author.id),
        author_name=message.author.display_name,
        posted_at=message.created_at,
        photos=tuple(ref_of(picture, original) for picture in pictures),
        caption=caption_of(message),
        link=message.jump_url,
        spoiler=any(picture.spoiler for picture in pictures),
    )


def ref_of(picture: Picture, original: Original) -> PhotoRef:
    """What is kept of one picture of a message."""
    return PhotoRef(PLATFORM, picture.key, original.locator, picture.name)


def caption_of(message: Message) -> str:
    """What was said with the photos: the message's words, and those of what it forwards."""
    said = [message.clean_content, *(snapshot.content for snapshot in message.message_snapshots)]
    return "\n".join(words for words in said if words)
