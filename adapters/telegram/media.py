"""What Telegram is given to show a photo with: a file id, or the bytes of an imported one."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from typing import Literal

from telegram import InputFile, Message, MessageEntity

from adapters.exports.files import PLATFORM as EXPORT
from adapters.exports.files import Exported
from adapters.telegram.posts import Original, photo_of
from bot.answers import Hit
from bot.errors import FetchFailed
from bot.memory import PhotoMemory
from bot.photos import PhotoRef, StoredPhoto

log = logging.getLogger(__name__)

LARGEST_PHOTO, LARGEST_FILE = 10 * 1024 * 1024, 50 * 1024 * 1024
"""Bytes that a bot may send (https://core.telegram.org/bots/api#sending-files)."""
KEPT = 1000
"""Photos that were sent, whose file ids are remembered."""

Kind = Literal["photo", "document"]
_LINK = re.compile(r"https://t\.me/c/\d+/(\d+)")


class Media:
    """Imported photos have no file id of ours until they were sent once."""

    def __init__(self, memory: PhotoMemory) -> None:
        self._memory = memory
        self._sent: OrderedDict[int, tuple[Kind, str]] = OrderedDict()
        self._shown: OrderedDict[str, int] = OrderedDict()
        """What an answer shows, by the identity that its copy has in Telegram."""

    async def of(self, hit: Hit) -> tuple[Kind, str | bytes] | None:
        """How to send it; None where it can't be sent now, since its export is away or it is too
        large for a bot."""
        if not is_imported(hit.photo.ref):
            original = Original.of(hit.photo.ref)
            return original.kind, original.show
        if (known := self._sent.get(hit.photo.id)) is not None:
            return known
        try:
            data = await self._memory.fetch(hit.photo)
        except FetchFailed as failure:
            log.info("photo %d is shown by its message alone: %s", hit.photo.id, failure)
            return None
        kind: Kind = Exported.of(hit.photo.ref).kind
        if len(data) > LARGEST_PHOTO:
            kind = "document"
        if len(data) > LARGEST_FILE:
            return None
        return kind, data

    def known(self, hit: Hit) -> tuple[Kind, str] | None:
        """How to send it without its bytes."""
        if not is_imported(hit.photo.ref):
            original = Original.of(hit.photo.ref)
            return original.kind, original.show
        return self._sent.get(hit.photo.id)

    def sent(self, hit: Hit, message: object) -> None:
        """Telegram took it, and gave it a file id of ours."""
        if not is_imported(hit.photo.ref) or not isinstance(message, Message):
            return
        if (copy := photo_of(message)) is None:
            return
        original = Original.of(copy)
        self._sent[hit.photo.id] = original.kind, original.show
        self._shown[copy.key] = hit.photo.id
        for kept in (self._sent, self._shown):
            while len(kept) > KEPT:
                kept.popitem(last=False)

    def drop(self, hit: Hit) -> None:
        """Telegram doesn't know that file id any more."""
        self._sent.pop(hit.photo.id, None)

    async def behind(self, group: str, message: Message) -> StoredPhoto | None:
        """The imported photo that an answer of ours shows a copy of: as remembered since it was
        sent, else by the one link under it."""
        if message.from_user is None or message.from_user.id != message.get_bot().id:
            return None
        copy = photo_of(message)
        if copy is not None and (shown := self._shown.get(copy.key)) is not None:
            return await self._memory.photo(shown)
        links = message.parse_caption_entities([MessageEntity.TEXT_LINK])
        found = {link[1] for each in links if (link := _LINK.fullmatch(each.url or ""))}
        if len(found) != 1:
            return None
        here = str(message.chat.id)
        known = await self._memory.posted(group, here, found.pop())
        return next((photo for photo in known if photo.post.link is not None), None)


def as_input(hit: Hit, file: str | bytes, in_album: bool = False) -> str | InputFile:
    """What the SDK takes for a file id or bytes."""
    if isinstance(file, str):
        return file
    return InputFile(file, hit.photo.ref.name or "photo.jpg", attach=in_album)


def is_imported(ref: PhotoRef) -> bool:
    """Whether a photo is known from an export alone."""
    return ref.platform == EXPORT
