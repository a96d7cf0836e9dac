"""Inline mode: `@bot birthday cake` in any chat, for the asker's own groups only."""

from __future__ import annotations

from telegram import (
    InlineQuery,
    InlineQueryResult,
    InlineQueryResultCachedDocument,
    InlineQueryResultCachedPhoto,
)
from telegram.error import BadRequest

from adapters.telegram import text
from adapters.telegram.bot import TelegramBot
from adapters.telegram.files import is_there
from adapters.telegram.media import Kind, Media, is_imported
from adapters.telegram.members import Members
from adapters.telegram.places import ELSEWHERE
from adapters.wording import one_line
from bot.answers import Hit
from bot.language import say, speak
from bot.memory import PhotoMemory
from bot.photos import Query

OFFERED = 20


class Inline:
    """Answers with photos that the asker may send on: no spoilers, nothing protected."""

    def __init__(
        self, bot: TelegramBot, memory: PhotoMemory, members: Members, media: Media
    ) -> None:
        self._bot = bot
        self._memory = memory
        self._members = members
        self._media = media

    async def asked(self, inline: InlineQuery) -> None:
        """Raises TelegramError, ShoeboxError."""
        speak(await self._memory.languages.of(None, inline.from_user.language_code))
        hits: list[Hit] = []
        if words := " ".join(inline.query.split()):
            shared = await self._members.shared(inline.from_user.id)
            if groups := tuple(group.id for group in shared):
                titles = tuple((group.name, group.id) for group in shared)
                query = Query(groups, words, ELSEWHERE, OFFERED, titles=titles)
                answer = await self._memory.find(query)
                hits = [hit for hit in answer.hits if not hit.photo.post.spoiler]
        try:
            await self._answer(inline, hits)
        except BadRequest:
            own = [hit for hit in hits if not is_imported(hit.photo.ref)]
            there = [hit for hit in own if await is_there(self._bot, hit.photo.ref)]
            await self._answer(inline, there)

    async def _answer(self, inline: InlineQuery, hits: list[Hit]) -> None:
        # Personal, and kept by Telegram for no time at all: somebody may leave a group any moment.
        found = [(hit, self._media.known(hit)) for hit in hits]
        results = [_result(hit, *known) for hit, known in found if known is not None]
        await inline.answer(results, cache_time=0, is_personal=True)


def _result(hit: Hit, kind: Kind, file: str) -> InlineQueryResult:
    post = hit.photo.post
    if kind == "photo":
        return InlineQueryResultCachedPhoto(str(hit.photo.id), file)
    title = one_line(f"{post.author_name}, {post.group_name}")[: text.NAME] or say("photo")
    return InlineQueryResultCachedDocument(str(hit.photo.id), title, file)
