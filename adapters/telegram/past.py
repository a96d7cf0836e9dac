"""Whether the bot can see what was posted before it came, so that what is gone can be told from
what it was never shown."""

from __future__ import annotations

import logging
import time

from telegram.error import BadRequest, TelegramError

from adapters.telegram.bot import TelegramBot
from adapters.telegram.ids import chat_id
from bot.answers import Hit
from bot.memory import PhotoMemory
from bot.photos import ALL, EVERYONE, Post, StoredPhoto

log = logging.getLogger(__name__)

NO_MESSAGE = ("message to edit not found", "message_id_invalid")
PROBES = 5
"""Imported messages that are asked for before it is taken that none is shown."""
NEWEST = 200
"""Photos among which they are looked for."""
KEPT_SECONDS = 3600.0


class Past:
    """Asks Telegram for messages."""

    def __init__(self, bot: TelegramBot, memory: PhotoMemory) -> None:
        self._bot = bot
        self._memory = memory
        self._seen: dict[str, tuple[float, bool]] = {}

    async def is_posted(self, post: Post) -> bool:
        """Whether the original message is still there.

        Telegram tells nobody when a message is deleted. An edit of somebody else's message is
        refused in one way when the message is there and in another when it is not, and changes
        nothing.
        """
        if str(chat_id(post.group)) != post.channel:
            return True  # known by another account's numbers, or from before it was a supergroup
        try:
            await self._bot.edit_message_reply_markup(
                chat_id=int(post.channel), message_id=int(post.message)
            )
        except BadRequest as error:
            return not any(words in str(error).lower() for words in NO_MESSAGE)
        except TelegramError as error:
            log.debug("whether a photo is still posted can't be told: %s", type(error).__name__)
        return True

    async def has_lost(self, hit: Hit) -> bool:
        """Whether an imported photo's message is gone: it can't be found, while others from before
        the bot came can. Where the history is hidden from new members none can."""
        post = hit.photo.post
        if await self.is_posted(post):
            if str(chat_id(post.group)) == post.channel:
                self._seen[post.group] = time.monotonic(), True
            return False
        at, sees = self._seen.get(post.group, (-KEPT_SECONDS, False))
        if time.monotonic() - at > KEPT_SECONDS:
            sees = await self._sees(post.group)
            self._seen[post.group] = time.monotonic(), sees
        return sees

    async def _sees(self, group: str) -> bool:
        for photo in await self._imported(group):
            if await self.is_posted(photo.post):
                return True
        log.info("Telegram: of %s nothing can be seen from before the bot came", group)
        return False

    async def _imported(self, group: str) -> list[StoredPhoto]:
        """Some that are known by numbers of messages in this chat."""
        _, newest = await self._memory.scopes.newest([group], EVERYONE, ALL, NEWEST)
        here = str(chat_id(group))
        found = await self._memory.photos(newest)
        return [p for p in found if p.ref.is_stand_in and p.post.channel == here][:PROBES]
