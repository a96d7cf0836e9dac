"""Imported photos, once Telegram shows the messages that they were posted in."""

from __future__ import annotations

from telegram import Chat, Message

from adapters.telegram.ids import exported
from adapters.telegram.posts import as_post
from bot.memory import PhotoMemory


async def recognise(memory: PhotoMemory, message: Message | None) -> None:
    """A message that came with another, as what it answers, tells the file ids that no export has:
    an imported photo is shown by them from then on. Raises StoreError."""
    post = None if message is None else as_post(message)
    if message is None or post is None:
        return
    if message.chat.type == Chat.GROUP:
        await memory.stand_ins.settle(post, exported(message.chat.id))
    known = await memory.posted(post.group, post.channel, post.message)
    if any(photo.ref.is_stand_in for photo in known):
        await memory.remember(post)
