"""`/memories`: whether a group sees in the morning what it posted on that day of earlier years."""

from __future__ import annotations

import logging

from telegram.error import TelegramError

from adapters.telegram.answers import Answers
from adapters.telegram.bot import TelegramBot, is_gone, reason
from adapters.telegram.groups import Groups
from adapters.telegram.ids import chat_id
from adapters.telegram.places import Place
from bot.language import speaking
from bot.memory import PhotoMemory
from bot.photos import EVERYONE
from bot.ports import Recall

log = logging.getLogger(__name__)


def kept(place: Place) -> str:
    """Where in a group: its topic, if it has some. The group's own id may change."""
    return "" if place.topic is None else str(place.topic)


class Memories:
    """Posts them."""

    def __init__(
        self, memory: PhotoMemory, bot: TelegramBot, answers: Answers, groups: Groups
    ) -> None:
        self._memory = memory
        self._bot = bot
        self._answers = answers
        self._groups = groups

    async def remind(self, group: str, place: str, recall: Recall) -> None:
        """(see Reminder)"""
        chat = chat_id(await self._groups.now(group))
        there = Place(chat, "group", int(place) if place else None)
        with speaking(await self._groups.language(there, None)):
            if (answer := await recall(EVERYONE)) is None:
                return
            try:
                await self._answers.show(there, answer, unasked=True)
            except TelegramError as error:
                why = reason(error, self._bot.token)
                log.warning("Telegram, chat %s: no memories today: %s", chat, why)
                if is_gone(error):
                    await self._groups.left(chat)
