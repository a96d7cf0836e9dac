"""Where an answer goes, and sending it there wherever the chat has moved meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from telegram import Chat, MaybeInaccessibleMessage, Message, ReplyParameters
from telegram.error import ChatMigrated

from adapters.telegram.ids import group_id
from bot.photos import Audience

ELSEWHERE = Audience(None, protected=False)
"""Who reads an answer outside the group: no photo that may not leave its chat."""

Moved = Callable[[int, int], Awaitable[None]]
"""Told the old and the new id of a chat that has moved."""


@dataclass(frozen=True, slots=True)
class Place:
    """A chat, the topic in it, and the message that is answered."""

    chat: int
    kind: str
    """Telegram's chat type."""
    topic: int | None = None
    message: int | None = None

    @staticmethod
    def of(message: MaybeInaccessibleMessage) -> Place:
        topic = None
        if isinstance(message, Message) and message.is_topic_message:
            topic = message.message_thread_id
        return Place(message.chat.id, message.chat.type, topic, message.message_id)

    @property
    def private(self) -> bool:
        return self.kind == Chat.PRIVATE

    @property
    def group(self) -> str | None:
        """The core's id of the group; None in private."""
        return None if self.private else group_id(self.chat)

    def without_message(self) -> Place:
        """The same place, answering nothing in particular."""
        return replace(self, message=None)


Send = Callable[..., Awaitable[Any]]


async def send(
    method: Send, place: Place, moved: Moved, to: ReplyParameters | None = None, **content: Any
) -> Any:
    """Call one of the bot's `send_…` for a place; as an answer to its message unless `to` says
    otherwise. A group that became a supergroup meanwhile is followed. Raises TelegramError."""
    if to is None and place.message is not None:
        to = ReplyParameters(place.message, allow_sending_without_reply=True)
    try:
        return await method(
            chat_id=place.chat,
            message_thread_id=place.topic,
            reply_parameters=to,
            **content,
        )
    except ChatMigrated as migrated:
        await moved(place.chat, migrated.new_chat_id)
        return await method(chat_id=migrated.new_chat_id, **content)
