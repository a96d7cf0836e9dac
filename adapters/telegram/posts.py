"""Telegram's messages -> the core's posts; what is kept to fetch and show a photo again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from telegram import Chat, Document, Message, PhotoSize

from adapters.telegram.ids import PLATFORM, group_id, link_into, person_id
from bot.photos import PhotoRef, Post

SHORT_SIDE = 400
"""Pixels. The smallest rendition that has them is fetched: encoders look at 224 to 384, and text
that people would read on a phone is still read. Of a usual photo that is the 800-pixel one."""
LARGEST_FILE = 50 * 1024 * 1024
"""Bytes; of larger image files only the thumbnail is looked at."""


@dataclass(frozen=True, slots=True)
class Original:
    """What a photo's locator holds. File ids belong to this bot and don't expire
    (https://core.telegram.org/bots/api#sending-files)."""

    kind: Literal["photo", "document"]
    show: str
    """The file id that shows it again, whole."""
    look_at: tuple[str, ...]
    """File ids to fetch: the first that can be had is enough to look at."""

    @property
    def locator(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def of(ref: PhotoRef) -> Original:
        found = json.loads(ref.locator)
        return Original(found["kind"], found["show"], tuple(found["look_at"]))


def photo_of(message: Message | None) -> PhotoRef | None:
    """The photo in a message: sent as one, or as a file that is an image."""
    if message is None:
        return None
    if message.photo:
        largest = max(message.photo, key=_area)
        original = Original("photo", largest.file_id, (_middle(message.photo).file_id,))
        return PhotoRef(PLATFORM, largest.file_unique_id, original.locator)
    if (file := message.document) and (file.mime_type or "").startswith("image/"):
        original = Original("document", file.file_id, _renditions(file))
        return PhotoRef(PLATFORM, file.file_unique_id, original.locator, file.file_name or "")
    return None


def as_post(message: Message) -> Post | None:
    """What the memory keeps of a message in a group; None without a photo, or from a bot."""
    ref = photo_of(message)
    if ref is None or is_from_a_bot(message):
        return None
    author, author_name = author_of(message)
    return Post(
        group=group_id(message.chat.id),
        group_name=message.chat.title or "",
        channel=str(message.chat.id),
        message=str(message.message_id),
        author=author,
        author_name=author_name,
        posted_at=message.date,
        photos=(ref,),
        caption=message.caption or "",
        album=message.media_group_id or "",
        link=link_to(message.chat, message.message_id),
        spoiler=bool(message.has_media_spoiler),
        protected=bool(message.has_protected_content),
    )


def is_from_a_bot(message: Message) -> bool:
    """Whether a bot posted it. Who speaks for a chat (an anonymous admin, a linked channel)
    comes from a service account that calls itself a bot, and is none."""
    by_bot = message.from_user is not None and message.from_user.is_bot
    through_us = message.via_bot is not None and message.via_bot.id == message.get_bot().id
    return (by_bot and message.sender_chat is None) or through_us


def author_of(message: Message) -> tuple[str, str]:
    """Who posted a message: id and name of a user or of the chat they speak for."""
    if (chat := message.sender_chat) is not None:
        return person_id(chat.id), chat.title or chat.username or ""
    if (user := message.from_user) is not None:
        return person_id(user.id), user.full_name
    return "", ""


def link_to(chat: Chat, message: int) -> str | None:
    """Where members can see a message; basic groups have no such links."""
    return link_into(chat.id, message) if chat.type == Chat.SUPERGROUP else None


def _area(size: PhotoSize) -> int:
    return size.width * size.height


def _middle(sizes: Sequence[PhotoSize]) -> PhotoSize:
    ordered = sorted(sizes, key=_area)
    return next((s for s in ordered if min(s.width, s.height) >= SHORT_SIDE), ordered[-1])


def _renditions(file: Document) -> tuple[str, ...]:
    whole = (file.file_id,) if (file.file_size or 0) <= LARGEST_FILE else ()
    return (*whole, file.thumbnail.file_id) if file.thumbnail else whole or (file.file_id,)
