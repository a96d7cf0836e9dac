"""Answers as Telegram shows them: photos by file id, and a short message with buttons."""

from __future__ import annotations

import asyncio
import contextlib
import html
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    InputMediaDocument,
    InputMediaPhoto,
    LinkPreviewOptions,
    ReplyParameters,
)
from telegram.constants import ChatAction, ParseMode
from telegram.error import BadRequest, TelegramError

from adapters.telegram import text
from adapters.telegram.bot import TelegramBot
from adapters.telegram.files import is_there, names_a_file
from adapters.telegram.media import Media, as_input, is_imported
from adapters.telegram.past import Past
from adapters.telegram.places import Moved, Place, send
from adapters.telegram.recognising import recognise
from bot.answers import Answer, Hit
from bot.language import say
from bot.memory import PhotoMemory

log = logging.getLogger(__name__)

NO_ORIGINAL = ("message to be replied not found", "replied message not found")

NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


class Answers:
    """Shows what the memory found."""

    def __init__(self, bot: TelegramBot, memory: PhotoMemory, moved: Moved) -> None:
        self._bot = bot
        self._memory = memory
        self._moved = moved
        self._past = Past(bot, memory)
        self.media = Media(memory)

    async def busy(self, place: Place) -> None:
        """Let people see that their question is worked on."""
        with contextlib.suppress(TelegramError):
            await self._bot.send_chat_action(
                place.chat, ChatAction.UPLOAD_PHOTO, message_thread_id=place.topic
            )

    async def say(self, place: Place, markup: str, buttons: Any = None) -> None:
        """A message of our own words, as HTML. Raises TelegramError."""
        await send(
            self._bot.send_message,
            place,
            self._moved,
            text=markup,
            parse_mode=ParseMode.HTML,
            link_preview_options=NO_PREVIEW,
            reply_markup=buttons,
        )

    async def picture(self, place: Place, png: bytes | None, markup: str) -> None:
        """A picture of our own with words under it; the words alone where there is none, or where
        a group doesn't let us send any. Raises TelegramError."""
        if png is not None:
            with contextlib.suppress(BadRequest):
                await send(
                    self._bot.send_photo,
                    place,
                    self._moved,
                    photo=InputFile(png, "stats.png"),
                    caption=markup,
                    parse_mode=ParseMode.HTML,
                )
                return
        await self.say(place, markup)

    async def show(self, place: Place, answer: Answer, unasked: bool = False) -> int:
        """The hits that are still there, spare ones for the others, then words and buttons. Of what
        is `unasked` nobody needs to know that it is gone.

        Returns how many are shown. Raises TelegramError.
        """
        waiting = [*answer.hits, *answer.spare]
        shown: list[Hit] = []
        while waiting and len(shown) < len(answer.hits):
            chosen: list[Hit] = []
            while waiting and len(shown) + len(chosen) < len(answer.hits):
                room = len(answer.hits) - len(shown) - len(chosen)
                fresh, waiting = waiting[:room], waiting[room:]
                left = await asyncio.gather(*(self._left_of(hit) for hit in fresh))
                chosen += [hit for hit in left if hit is not None]
            shown += await self._show(place, chosen, len(shown) + 1, len(answer.hits) > 1)
        words = text.plain(answer.sentence, text.MOST_MESSAGE // 4) if unasked else ""
        if shown or not unasked:
            buttons = _buttons(answer, shown, bool(waiting or answer.rest))
            await self.say(place, words or _sentence(answer, shown), buttons)
        return len(shown)

    async def _show(
        self, place: Place, hits: Sequence[Hit], first: int, numbered: bool
    ) -> list[Hit]:
        """Returns those that could be shown; the others are forgotten."""
        numbers = {hit.rank: n for n, hit in enumerate(hits, start=first)} if numbered else {}
        if any(_needs_reply(place, hit) for hit in hits):
            return await self._show_each(place, hits, numbers)
        found = await asyncio.gather(*(self.media.of(hit) for hit in hits))
        kinds = [None if each is None else each[0] for each in found]
        shown: list[Hit] = []
        for kind in ("photo", "document", None):  # an album holds one kind only
            same = [hit for hit, own in zip(hits, kinds, strict=True) if own == kind]
            files = [each[1] for each in found if each is not None and each[0] == kind]
            album = kind is not None and len(same) > 1
            if album and await self._show_album(place, same, files, numbers, kind):
                shown += same
            else:
                shown += await self._show_each(place, same, numbers)
        return sorted(shown, key=lambda hit: hit.rank)

    async def _show_each(
        self, place: Place, hits: Sequence[Hit], numbers: Mapping[int, int]
    ) -> list[Hit]:
        """One by one; a copy takes the place of what can't be shown."""
        shown: list[Hit] = []
        for hit in hits:
            left: Hit | None = hit
            while left is not None and not await self._show_one(place, left, numbers):
                left = left.next
            shown += [] if left is None else [left]
        return shown

    async def _show_album(
        self,
        place: Place,
        hits: Sequence[Hit],
        files: Sequence[str | bytes],
        numbers: Mapping[int, int],
        kind: str | None,
    ) -> bool:
        """Whether Telegram took the album. It shows a caption under one if one item alone has
        it, and refuses it as a whole for one bad file, without saying which."""
        caption = text.caption(hits, place.private, numbers)
        media: list[InputMediaPhoto | InputMediaDocument] = []
        for hit, file in zip(hits, files, strict=True):
            words: dict[str, Any] = {}
            if (hit is hits[0]) if kind == "photo" else (hit is hits[-1]):
                words = {"caption": caption, "parse_mode": ParseMode.HTML}
            given = as_input(hit, file, in_album=True)
            if kind == "photo":
                media.append(InputMediaPhoto(given, has_spoiler=hit.photo.post.spoiler, **words))
            else:
                media.append(InputMediaDocument(given, **words))
        try:
            messages = await send(
                self._bot.send_media_group,
                place,
                self._moved,
                media=media,
                protect_content=any(hit.photo.post.protected for hit in hits),
            )
        except BadRequest as error:
            if not names_a_file(error) and not any(is_imported(hit.photo.ref) for hit in hits):
                raise
            return False
        for hit, message in zip(hits, messages, strict=False):
            self.media.sent(hit, message)
        return True

    async def _show_one(self, place: Place, hit: Hit, numbers: Mapping[int, int]) -> bool:
        """By itself, if it is still there; as a reply to the original where there is no link."""
        post = hit.photo.post
        if (found := await self.media.of(hit)) is None:
            return await self._point_to(place, hit, numbers)
        kind, file = found
        content: dict[str, Any] = {
            "caption": text.caption([hit], place.private, numbers),
            "parse_mode": ParseMode.HTML,
            "protect_content": post.protected,
        }
        to = None
        if _needs_reply(place, hit):
            to = ReplyParameters(int(post.message), allow_sending_without_reply=False)
        if kind == "photo":
            method: Any = self._bot.send_photo
            content |= {"photo": as_input(hit, file), "has_spoiler": post.spoiler}
        else:
            method = self._bot.send_document
            content |= {"document": as_input(hit, file)}
        try:
            message = await send(method, place, self._moved, to, **content)
        except BadRequest as error:
            said = str(error).lower()
            is_gone = any(words in said for words in NO_ORIGINAL)
            if is_imported(hit.photo.ref) and not is_gone:
                log.info("photo %d is shown by its message alone: %s", hit.photo.id, said)
                self.media.drop(hit)
                return await self._point_to(place, hit, numbers)
            if not names_a_file(error) and not is_gone:
                raise
            await self._forget(hit, said)
            return False
        self.media.sent(hit, message)
        await recognise(self._memory, message.reply_to_message)
        return True

    async def _point_to(self, place: Place, hit: Hit, numbers: Mapping[int, int]) -> bool:
        """An imported photo that can't be sent now: its words and its link, as a reply to the
        original where that is. With what is answered Telegram tells the file ids."""
        post, to = hit.photo.post, None
        if post.channel == str(place.chat):
            to = ReplyParameters(int(post.message), allow_sending_without_reply=True)
        message = await send(
            self._bot.send_message,
            place,
            self._moved,
            to,
            text=text.caption([hit], place.private, numbers),
            parse_mode=ParseMode.HTML,
            link_preview_options=NO_PREVIEW,
            protect_content=post.protected,
        )
        await recognise(self._memory, message.reply_to_message)
        return True

    async def _left_of(self, hit: Hit | None) -> Hit | None:
        """The hit, or the first of its copies, that is still there."""
        while hit is not None and not await self.is_there(hit):
            hit = hit.next
        return hit

    async def is_there(self, hit: Hit) -> bool:
        """Whether a hit can be shown, as far as can be told beforehand; forget it if not."""
        ref = hit.photo.ref
        if is_imported(ref):  # that its export is away says nothing of the photo
            kept, posted = True, not await self._past.has_lost(hit)
        else:
            is_posted = self._past.is_posted(hit.photo.post)
            posted, kept = await asyncio.gather(is_posted, is_there(self._bot, ref))
        if not posted or not kept:
            await self._forget(hit, "its file is gone" if posted else "its message is gone")
        return posted and kept

    async def _forget(self, hit: Hit, why: str) -> None:
        post = hit.photo.post
        log.info("photo %d has vanished and is forgotten: %s", hit.photo.id, why)
        await self._memory.forget(post.group, post.channel, post.message)


def _needs_reply(place: Place, hit: Hit) -> bool:
    """Basic groups have no links: there a reply leads to the original."""
    return hit.photo.post.link is None and hit.photo.post.channel == str(place.chat)


def _sentence(answer: Answer, shown: Sequence[Hit]) -> str:
    if answer.hits and not shown:
        words = say(text.ALL_GONE)
    elif len(shown) < len(answer.hits):
        words = say(text.SOME_GONE)
    else:
        words = text.plain(answer.sentence, text.MOST_MESSAGE // 4)
    if answer.hint:
        words += f"\n<i>{text.plain(answer.hint, text.MOST_MESSAGE // 4)}</i>"
    if answer.notice:
        words += f"\n<i>{html.escape(answer.notice[: text.MOST_MESSAGE // 4])}</i>"
    return words


def _buttons(answer: Answer, shown: Sequence[Hit], more: bool) -> InlineKeyboardMarkup | None:
    """Similar to each of what is shown, and more. Callback data has at most 64 bytes."""
    if answer.token is not None and answer.rest and not answer.hits:
        nearest = InlineKeyboardButton(say("Show the nearest"), callback_data=f"m:{answer.token}:0")
        return InlineKeyboardMarkup([[nearest]])
    if answer.token is None or not shown:
        return None
    similar = [
        InlineKeyboardButton(
            say("Similar to {number}", number=n) if len(shown) > 1 else say("Similar"),
            callback_data=f"s:{answer.token}:{hit.rank}",
        )
        for n, hit in enumerate(shown, start=1)
    ]
    last = max(hit.rank for hit in shown)
    onward = [InlineKeyboardButton(say("More"), callback_data=f"m:{answer.token}:{last}")]
    return InlineKeyboardMarkup([similar, onward] if more else [similar])
