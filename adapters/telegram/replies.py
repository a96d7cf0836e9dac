"""What is said in direct replies to photos."""

from __future__ import annotations

from telegram import Message, MessageEntity

from adapters.telegram.ids import group_id
from adapters.telegram.posts import author_of, is_from_a_bot, photo_of
from bot.memory import PhotoMemory


async def hear(memory: PhotoMemory, message: Message) -> None:
    """Keep what a message, new or edited, says about the photo that it answers. Raises StoreError.

    The photo may not be remembered: then nothing of what was said is, either.
    """
    answered = message.reply_to_message
    if answered is None or answered.chat.id != message.chat.id or is_from_a_bot(message):
        return
    if message.text is None or photo_of(message) is not None:
        return
    said = "" if _is_command(message) else message.text
    chat, author = message.chat.id, author_of(message)[0]
    await memory.replies.hear(
        group_id(chat), str(chat), str(answered.message_id), str(message.message_id), author, said
    )


def _is_command(message: Message) -> bool:
    """Whether it is a command, ours or another bot's."""
    first = message.entities[0] if message.entities else None
    return first is not None and first.type == MessageEntity.BOT_COMMAND and first.offset == 0
