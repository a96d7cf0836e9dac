"""The buttons under answers: *More*, *Similar*, *Share*, *Forget*, and the confirmations to
forget."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from discord import Interaction

from adapters.discord import text
from adapters.discord.answers import Answers
from adapters.discord.forgetting import Forgetting
from adapters.discord.interaction_language import language_of
from adapters.discord.rooms import SHOWN, Rooms
from bot.errors import AnswerGone
from bot.language import say, speak
from bot.memory import PhotoMemory
from bot.photos import Query

_LEADS_ON = re.compile(r"(more|similar):(\d{1,18}):(\d{1,4})")
_SHARE = re.compile(r"share:(\d{1,18}):(\d{1,4}):(\d{1,4})")
_FORGET = re.compile(r"forget:(\d{1,18})")
_MINE = re.compile(r"mine:(yes|no)")
_EVERYTHING = re.compile(r"everything:(yes|no)")
_OFFERED = re.compile(r"similar:(\d+):(\d+)")


class Buttons:
    """Answers every press at once, also of buttons that were sent before a restart. Who may see
    and do what is asked anew at each press."""

    def __init__(
        self, memory: PhotoMemory, rooms: Rooms, answers: Answers, forgetting: Forgetting
    ) -> None:
        self._memory = memory
        self._rooms = rooms
        self._answers = answers
        self._forgetting = forgetting

    async def pressed(self, interaction: Interaction) -> None:
        """Raises ShoeboxError, discord.DiscordException."""
        told: Mapping[str, Any] = cast(Mapping[str, Any], interaction.data or {})
        data = str(told.get("custom_id", ""))
        message = interaction.message
        private = message is not None and message.flags.ephemeral
        await interaction.response.defer()
        try:
            if found := _LEADS_ON.fullmatch(data):
                await self._lead_on(interaction, private, found[1], int(found[2]), int(found[3]))
            elif found := _SHARE.fullmatch(data):
                await self._share(interaction, int(found[1]), int(found[2]), int(found[3]))
            elif found := _FORGET.fullmatch(data):
                await self._forgetting.forget_photo(interaction, int(found[1]))
            elif found := _MINE.fullmatch(data):
                await self._forgetting.forget_me(interaction, found[1] == "yes")
            elif found := _EVERYTHING.fullmatch(data):
                await self._forgetting.forget_everything(interaction, found[1] == "yes")
            else:
                raise AnswerGone(say(text.TOO_OLD))
        except AnswerGone as gone:
            await interaction.followup.send(str(gone), ephemeral=True)

    async def _lead_on(
        self, interaction: Interaction, private: bool, kind: str, token: int, rank: int
    ) -> None:
        query = await self._rooms.query(interaction, private)
        after = rank if kind == "more" else rank - 1
        if kind == "more" and rank == 0:
            answer = await self._memory.nearest(token, query)
        else:
            answer = await self._memory.page(token, query, after)
        if kind == "more":
            if not answer.hits:
                raise AnswerGone(answer.sentence)
            await self._answers.show(interaction, answer, private)
        elif not answer.hits or answer.hits[0].rank != rank:
            raise AnswerGone(say(text.NO_LONGER))
        else:
            like = answer.hits[0].photo.ref
            query = await self._rooms.query(interaction, private, like=like)
            await self._answers.show(interaction, await self._memory.find(query), private)

    async def _share(self, interaction: Interaction, token: int, first: int, last: int) -> None:
        """Show a private answer to the room: of its photos those that everybody may see."""
        speak(await language_of(interaction, private=False))
        room: Query = await self._rooms.query(interaction, private=False)
        ranks = range(first, min(last, first + SHOWN - 1) + 1)
        answer = await self._memory.share(token, room, ranks)
        if not answer.hits:
            raise AnswerGone(answer.sentence)
        said = say("{person} shares:", person=interaction.user.mention) + "\n"
        await self._answers.show(interaction, answer, private=False, said=said)


def offered(custom_ids: list[str]) -> list[tuple[int, int]]:
    """Answer and rank of each photo that one of our messages shows, by its buttons."""
    found = (_OFFERED.fullmatch(custom_id) for custom_id in custom_ids)
    return [(int(match[1]), int(match[2])) for match in found if match]
