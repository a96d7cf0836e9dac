"""The buttons under answers: *More*, *Similar*, and the confirmations to forget."""

from __future__ import annotations

import contextlib
import re

from telegram import CallbackQuery
from telegram.error import TelegramError

from adapters.telegram import text
from adapters.telegram.answers import Answers
from adapters.telegram.commands import Commands
from adapters.telegram.groups import Groups
from adapters.telegram.ids import person_id
from adapters.telegram.members import Members
from adapters.telegram.places import Place
from bot.errors import AnswerGone, ShoeboxError
from bot.language import photos as count_photos
from bot.language import say, speak
from bot.memory import PhotoMemory

_LEADS_ON = re.compile(r"([ms]):(\d{1,18}):(\d{1,4})")
_MINE = re.compile(r"f:(\d{1,20}):(yes|no)")
_EVERYTHING = re.compile(r"e:(yes|no)")


class Buttons:
    """Answers every press, also of buttons that were sent before a restart.

    Callback data can be forged by other clients: what it names is looked up for this place and
    this person, and nothing of it is believed.
    """

    def __init__(
        self,
        memory: PhotoMemory,
        answers: Answers,
        commands: Commands,
        members: Members,
        groups: Groups,
    ) -> None:
        self._memory = memory
        self._answers = answers
        self._commands = commands
        self._members = members
        self._groups = groups
        self._leading_on: set[str] = set()

    async def pressed(self, press: CallbackQuery) -> None:
        """Raises TelegramError, ShoeboxError."""
        data = press.data or ""
        place = None if press.message is None else Place.of(press.message)
        speak(await self._groups.language(place, press.from_user))
        if press.message is None:
            await _tell(press, say(text.TOO_OLD))
        elif found := _LEADS_ON.fullmatch(data):
            place = Place.of(press.message)
            pressed = f"{place.chat}:{data}"
            if pressed in self._leading_on:  # pressed again before the answer came
                await _tell(press)
                return
            self._leading_on.add(pressed)
            try:
                await self._lead_on(press, place, found[1], int(found[2]), int(found[3]))
            except ShoeboxError:
                await _tell(press, say(text.WENT_WRONG))
                raise
            finally:
                self._leading_on.discard(pressed)
        elif found := _MINE.fullmatch(data):
            await self._mine(press, Place.of(press.message), int(found[1]), found[2] == "yes")
        elif found := _EVERYTHING.fullmatch(data):
            await self._everything(press, Place.of(press.message), found[1] == "yes")
        else:
            await _tell(press, say(text.TOO_OLD))

    async def _lead_on(
        self, press: CallbackQuery, place: Place, kind: str, token: int, rank: int
    ) -> None:
        query = await self._commands.query(place, person_id(press.from_user.id))
        try:
            after = rank if kind == "m" else rank - 1
            if kind == "m" and rank == 0:
                answer = await self._memory.nearest(token, query)
            else:
                answer = await self._memory.page(token, query, after)
        except AnswerGone as gone:
            await _tell(press, str(gone))
            return
        if kind == "m":
            await _tell(press, None if answer.hits else answer.sentence)
            await self._drop_more(press)
            if answer.hits:
                await self._answers.show(place, answer)
        elif not answer.hits or answer.hits[0].rank != rank:
            await _tell(press, say("That photo is no longer remembered."))
        else:
            await _tell(press)
            await self._answers.busy(place)
            like = answer.hits[0].photo.ref
            query = await self._commands.query(place, query.asker, like=like)
            await self._answers.show(place, await self._memory.find(query))

    async def _drop_more(self, press: CallbackQuery) -> None:
        """The next page has a *More* of its own."""
        markup = getattr(press.message, "reply_markup", None)
        if markup is None:
            return
        rows = [
            row
            for row in markup.inline_keyboard
            if not str(row[0].callback_data or "").startswith("m:")
        ]
        with contextlib.suppress(TelegramError):
            await press.edit_message_reply_markup(type(markup)(rows))

    async def _everything(self, press: CallbackQuery, place: Place, sure: bool) -> None:
        # An anonymous admin presses under their own name, so that this works for them too.
        if place.group is None or not await self._members.is_admin(place.chat, press.from_user.id):
            await _tell(press, say(text.ADMINS_ONLY))
            return
        await _tell(press)
        if not sure:
            await press.edit_message_text(say("Nothing was forgotten."))
            return
        photos = await self._memory.groups.erase(place.group)
        self._members.forget(place.chat)
        await press.edit_message_text(say("Forgotten: {photos}.", photos=count_photos(photos)))
        with contextlib.suppress(TelegramError):
            await self._groups.forgotten(place.chat)

    async def _mine(self, press: CallbackQuery, place: Place, asker: int, sure: bool) -> None:
        """Whoever presses can only have forgotten what is theirs; others have to leave it."""
        if place.group is None or press.from_user.id != asker:
            await _tell(press, say(text.NOT_ASKED))
            return
        await _tell(press)
        if not sure:
            await press.edit_message_text(say("Nothing was forgotten."))
            return
        group = await self._groups.now(place.group)
        photos = await self._memory.forget_person(group, person_id(asker))
        self._members.forget(place.chat)
        await press.edit_message_text(say("Forgotten: {photos}.", photos=count_photos(photos)))


async def _tell(press: CallbackQuery, words: str | None = None) -> None:
    """Every press must be answered, or the button looks stuck. After a while it can't be, and
    what was asked for matters more than whether Telegram took the answer."""
    with contextlib.suppress(TelegramError):
        await press.answer(words, show_alert=words is not None)
