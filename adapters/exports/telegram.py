"""Telegram Desktop's exports ("Machine-readable JSON"), as the program writes them:
Telegram/SourceFiles/export/output/export_output_json.cpp of telegramdesktop/tdesktop, and
export/data/export_data_types.cpp for what ids mean. What it does not tell: which messages were sent
as one album, which authors are bots, and the files' ids. Messages from before a group became a
supergroup have ids below zero (kMigratedMessagesIdShift).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from adapters.exports.entries import Entry, Found, Left, Said, clean, whole_number
from adapters.exports.files import PLATFORM as EXPORT
from adapters.exports.files import Exported, Kind
from adapters.exports.package import Package, Unreadable, beside
from adapters.telegram.command_names import KNOWN
from adapters.telegram.ids import (
    PREFIX,
    channel_id,
    exported,
    group_id,
    is_exported,
    link_into,
    person_id,
)
from bot.photos import STAND_IN, PhotoRef, Post

SUPERGROUPS = ("private_supergroup", "public_supergroup")
BASIC = "private_group"
CHANNELS = ("private_channel", "public_channel")
LARGEST_ALBUM = 10
NOT_WRITTEN = re.compile(r"\((?:File|Photo) (?P<why>[^)]*)\)\Z")
"""What stands in a file's place if the program left it out."""
OTHER_CONTENT = (
    *("file", "photo", "media_type", "poll", "game_title", "contact_information", "place_name"),
    *("location_information", "invoice_information", "giveaway_information", "paid_media"),
)
"""Messages with one of these say something else than words alone."""

_SENDER = re.compile(r"(user|chat|channel)(\d{1,19})")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A photo that may be part of an album: told by who, when and consecutive ids."""

    number: int
    run: tuple[Any, ...]
    post: Post
    file: str | None
    is_question: bool


class TelegramChat:
    """ChatReader for one chat."""

    def __init__(
        self,
        facts: Mapping[str, Any],
        package: Package,
        json: str,
        local: str | None = None,
        us: str = "",
    ) -> None:
        """`json`: the file that it is in. `local`: the group of this machine that it goes into
        instead of its own. `us`: our bot's id as a person."""
        self._package = package
        self._json = json
        self._us = us
        self._kind = facts.get("type")
        self._bare = whole_number(facts.get("id"))
        self.title = clean(facts.get("name")).strip() or "a chat without a name"
        self._chat = self._chat_id()
        self.group, self.why_not = local, ""
        self._is_local = local is not None
        if local is None:
            self._choose_group()
        self._held: list[_Waiting] = []

    @property
    def group_name(self) -> str:
        return self.title

    @property
    def names(self) -> tuple[str, ...]:
        return (str(self._bare), str(self._chat), group_id(self._chat))

    def _chat_id(self) -> int:
        bare = self._bare or 0
        if self._kind in (*SUPERGROUPS, *CHANNELS):
            return channel_id(abs(bare))
        return -abs(bare) if self._kind == BASIC else bare

    def _choose_group(self) -> None:
        if not self._bare:
            self.why_not = "its id is missing"
        elif self._kind in CHANNELS:
            self.why_not = "it is a channel, and Telegram's bots are in groups: use --group"
        elif self._kind not in (*SUPERGROUPS, BASIC):
            self.why_not = "it is a private chat, not a group: use --group, if it is to be kept"
        else:
            self.group = group_id(self._chat)

    def read(self, message: Any) -> Iterator[Found]:
        number = whole_number(message.get("id")) if isinstance(message, dict) else None
        if number is None:
            yield Left(f"{self.title}, a message", "it has no id")
            return
        where = f"{self.title}, message {number}"
        photo, kind = _photo_in(message)
        if message.get("type") != "message" or photo is None:
            yield from self.rest()
            if message.get("type") == "message":
                yield from self._said(message, number)
            return
        try:
            held, lost = self._photo(message, number, photo, kind)
        except (Unreadable, ValueError, OverflowError, OSError) as error:
            yield Left(where, str(error) or "its date can't be read")
            return
        if lost:
            yield Left(where, lost)
        if self._held and not self._goes_on(held):
            yield from self.rest()
        self._held.append(held)

    def rest(self) -> Iterator[Found]:
        """An album that is complete: its photos know each other, and one caption holds for all."""
        album, self._held = self._held, []
        if any(each.is_question for each in album) or not album:
            return
        posts = [(each.post, each.file) for each in album]
        if len(album) > 1:
            name = album[0].post.photos[0].key
            posts = [(replace(post, album=name), file) for post, file in posts]
            lost = [post.caption for post, file in posts if file is None and post.caption]
            kept = [post.caption for post, file in posts if file is not None and post.caption]
            if lost and not kept:  # the words were under the one whose file is missing
                first = next((n for n, (_, file) in enumerate(posts) if file is not None), None)
                if first is not None:
                    posts[first] = (replace(posts[first][0], caption=lost[0]), posts[first][1])
        for post, file in posts:
            if file is not None:
                yield Entry(post, (file,))

    def _goes_on(self, held: _Waiting) -> bool:
        last = self._held[-1]
        follows = held.number == last.number + 1 and held.run == last.run
        return follows and len(self._held) < LARGEST_ALBUM

    def _photo(
        self, message: Mapping[str, Any], number: int, written: str, kind: Kind
    ) -> tuple[_Waiting, str]:
        """A message with a photo, and why its file can't be had. Raises ValueError where its time
        can't be told."""
        posted_at = _time(message)
        author, name = _author(message)
        file, lost = None, ""
        try:
            file = self._file(written)
        except Unreadable as error:
            lost = str(error)
        channel, id_ = self._place(number)
        own_name = clean(message.get("file_name")) or PurePosixPath(file or "").name
        ref = PhotoRef(
            EXPORT,
            f"{STAND_IN}{channel}/{id_}",
            Exported(str(self._package.path), file or "", kind).locator,
            own_name,
        )
        caption = _words(message)
        post = Post(
            group=self.group or "",
            group_name=self.title,
            channel=channel,
            message=id_,
            author=author,
            author_name=name,
            posted_at=posted_at,
            photos=(ref,),
            caption=caption,
            link=link_into(self._chat, number)
            if self._kind in SUPERGROUPS and number > 0
            else None,
            spoiler=message.get("media_spoiler") is True,
            is_numbered=not is_exported(channel),
        )
        run = (author, posted_at, message.get("forwarded_from"), kind)
        question = (bool(self._us) and author == self._us) or _command(message) in KNOWN
        return _Waiting(number, run, post, file, question), "" if question else lost

    def _said(self, message: Mapping[str, Any], number: int) -> Iterator[Found]:
        about = whole_number(message.get("reply_to_message_id"))
        words = _words(message)
        elsewhere = "reply_to_peer_id" in message or any(key in message for key in OTHER_CONTENT)
        if about is None or not words or elsewhere or _command(message) is not None:
            return
        author, _ = _author(message)
        channel, id_ = self._place(number)
        about_channel, about_id = self._place(about)
        if author != self._us and channel == about_channel and self.group:
            yield Said(self.group, channel, about_id, id_, author, words)

    def _has_links(self, number: int) -> bool:
        return self._kind in SUPERGROUPS and number > 0

    def _place(self, number: int) -> tuple[str, str]:
        """The channel and the id that live posts have, where the bot has the same."""
        channel = str(self._chat)
        if number < 0 or self._kind not in SUPERGROUPS:
            channel = exported(self._chat)
        return f"{PREFIX}{channel}" if self._is_local else channel, str(number)

    def _file(self, written: str) -> str:
        if left_out := NOT_WRITTEN.search(written):
            why = " ".join(left_out["why"].split())
            raise Unreadable(f"Telegram Desktop left its file out ({why})")
        return beside(self._package, self._json, written)


def _photo_in(message: Mapping[str, Any]) -> tuple[str | None, Kind]:
    """What is written of where the photo lies; stickers are none, as they are none live."""
    if isinstance(photo := message.get("photo"), str):
        return photo, "photo"
    kind = clean(message.get("mime_type"))
    file = message.get("file")
    is_image = kind.startswith("image/") and message.get("media_type") != "sticker"
    return (file if is_image and isinstance(file, str) else None), "document"


def _time(message: Mapping[str, Any]) -> datetime:
    """`date` is in the exporting machine's zone, which is not told; `date_unixtime` came later."""
    if (seconds := whole_number(message.get("date_unixtime"))) is not None:
        with contextlib.suppress(ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(seconds, UTC)
    written = clean(message.get("date"))
    try:
        return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"its date can't be read ({written[:40]!r})") from None


def _author(message: Mapping[str, Any]) -> tuple[str, str]:
    """Id and name, of a user or of the chat that somebody spoke for."""
    name = clean(message.get("from"))
    found = _SENDER.fullmatch(clean(message.get("from_id")))
    if found is None:
        return "", name
    kind, bare = found[1], int(found[2])
    id_ = {"user": bare, "chat": -bare, "channel": channel_id(bare)}[kind]
    return person_id(id_), name


def _words(message: Mapping[str, Any]) -> str:
    """Text is one string, or a list of strings and of entities with their text."""
    text = message.get("text")
    parts = text if isinstance(text, list) else [text]
    return "".join(clean(p.get("text") if isinstance(p, dict) else p) for p in parts)


def _command(message: Mapping[str, Any]) -> str | None:
    """The command that a message begins with, whoever's it is."""
    parts = message.get("text_entities") or message.get("text")
    first = parts[0] if isinstance(parts, list) and parts else None
    if not isinstance(first, dict) or first.get("type") != "bot_command":
        return None
    return clean(first.get("text")).removeprefix("/").partition("@")[0].lower()
