"""DiscordChatExporter's JSON, one file a channel or thread, as the program writes it:
DiscordChatExporter.Core/Exporting/JsonMessageWriter.cs of Tyrrrz/DiscordChatExporter. With
`--media`, addresses become paths (ResolveAssetUrlAsync in ExportContext.cs): relative to the JSON,
or absolute where the media folder lies elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from adapters.discord.originals import IMAGE_ENDINGS, SPOILER, Original, link_key, link_to
from adapters.discord.places import PLATFORM, PREFIX, Place, group_id, person_id
from adapters.exports.entries import Entry, Found, Left, Said, clean, whole_number
from adapters.exports.files import PLATFORM as EXPORT
from adapters.exports.files import Exported
from adapters.exports.package import Package, Unreadable, beside
from bot.photos import PhotoRef, Post

THREADS = ("GuildNewsThread", "GuildPublicThread", "GuildPrivateThread")
"""ChannelKind.cs. Of these, `categoryId` is the channel that the thread is in."""
CLOSED = "GuildPrivateThread"
UNKNOWN_PARENT = 0
EPOCH = 1420070400000
"""Milliseconds; ids count from there (https://docs.discord.com/developers/reference#snowflakes)."""
RICH = ("title", "description", "author", "footer", "video", "fields", "image", "images")
"""An embed with any of these is more than the picture that a link leads to."""


@dataclass(frozen=True, slots=True)
class _Picture:
    key: str
    name: str
    written: str
    """The path, or the address, that leads to it."""

    @property
    def is_spoiler(self) -> bool:
        return self.name.startswith(SPOILER)


class DiscordChannel:
    """ChatReader for one channel or thread."""

    def __init__(
        self, facts: Mapping[str, Any], package: Package, json: str, local: str | None = None
    ) -> None:
        """`json`: the file that it is in. `local`: the group of this machine that it goes into
        instead of its guild."""
        self._package = package
        self._json = json
        guild, channel = (_object(facts.get(key)) for key in ("guild", "channel"))
        self._guild = whole_number(guild.get("id")) or 0
        self.group_name = clean(guild.get("name")).strip()
        own = whole_number(channel.get("id"))
        self.title = f"{self.group_name} #{clean(channel.get('name')).strip()}"
        self._place = _place(own or 0, channel)
        self._is_local = local is not None
        self.group, self.why_not = local, ""
        if local is None and not self._guild:
            self.why_not = "these are direct messages: use --group, if they are to be kept"
        elif own is None:
            self.group, self.why_not = None, "its channel's id is missing"
        elif local is None:
            self.group = group_id(self._guild)
        self._channel = f"{PREFIX}{self._place.key}" if self._is_local else self._place.key

    @property
    def names(self) -> tuple[str, ...]:
        name = self.title.partition(" #")[2]
        return (str(self._place.id), name, f"#{name}", self.group_name, str(self._guild))

    def read(self, message: Any) -> Iterator[Found]:
        number = whole_number(message.get("id")) if isinstance(message, dict) else None
        if number is None or number < 0:
            yield Left(f"{self.title}, a message", "it has no id")
            return
        author = _object(message.get("author"))
        if author.get("isBot") is True:
            return
        forwarded = _object(message.get("forwardedMessage"))
        pictures = {each.key: each for part in (message, forwarded) for each in _pictures(part)}
        if not pictures:
            yield from self._said(message, number, author)
            return
        where = f"{self.title}, message {number}"
        found: list[tuple[_Picture, str]] = []
        for picture in pictures.values():
            try:
                file = beside(self._package, self._json, picture.written)
                found.append((picture, file))
            except Unreadable as error:
                yield Left(f"{where}, {picture.name}", str(error))
        if found:
            is_spoiler = any(picture.is_spoiler for picture in pictures.values())
            try:
                yield self._entry(message, number, forwarded, found, is_spoiler)
            except (ValueError, OverflowError, OSError):
                yield Left(where, "its time can't be told from its id")

    def rest(self) -> Iterator[Found]:
        """Nothing is held back."""
        return iter(())

    def _entry(
        self,
        message: Mapping[str, Any],
        number: int,
        forwarded: Mapping[str, Any],
        found: list[tuple[_Picture, str]],
        is_spoiler: bool,
    ) -> Entry:
        author = _object(message.get("author"))
        said = (clean(part.get("content")) for part in (message, forwarded))
        user = whole_number(author.get("id"))
        post = Post(
            group=self.group or "",
            group_name=self.group_name,
            channel=self._channel,
            message=str(number),
            author="" if user is None else person_id(user),
            author_name=clean(author.get("nickname")) or clean(author.get("name")),
            posted_at=datetime.fromtimestamp(((number >> 22) + EPOCH) / 1000, UTC),
            photos=tuple(self._ref(picture, file, number) for picture, file in found),
            caption="\n".join(words for words in said if words),
            link=link_to(self._guild, self._place.id, number) if self._guild else None,
            spoiler=is_spoiler,
        )
        return Entry(post, tuple(file for _, file in found))

    def _ref(self, picture: _Picture, file: str, message: int) -> PhotoRef:
        """As live ones are, so that the bot can show it from its message."""
        if self._is_local:
            locator = Exported(str(self._package.path), file).locator
            return PhotoRef(EXPORT, picture.key, locator, picture.name)
        original = Original(self._place.id, message)
        return PhotoRef(PLATFORM, picture.key, original.locator, picture.name)

    def _said(
        self, message: Mapping[str, Any], number: int, author: Mapping[str, Any]
    ) -> Iterator[Found]:
        to = _object(message.get("reference"))
        about = whole_number(to.get("messageId"))
        words = clean(message.get("content"))
        here = whole_number(to.get("channelId")) == self._place.id
        user = whole_number(author.get("id"))
        if message.get("type") != "Reply" or about is None or not here or not words:
            return
        if self.group:
            person = "" if user is None else person_id(user)
            yield Said(self.group, self._channel, str(about), str(number), person, words)


def _place(own: int, channel: Mapping[str, Any]) -> Place:
    """Where live posts of it are kept. A kind that isn't known is taken for a channel of its own:
    what Discord doesn't know by that id, the audience's rules show to nobody."""
    if (kind := channel.get("type")) not in THREADS:
        return Place(own)
    parent = whole_number(channel.get("categoryId"))
    return Place(UNKNOWN_PARENT if parent is None else parent, own, kind == CLOSED)


def _pictures(message: Mapping[str, Any]) -> Iterator[_Picture]:
    """The images that are attached, and those that posted links lead to."""
    for each in map(_object, _list(message.get("attachments"))):
        key, name = whole_number(each.get("id")), clean(each.get("fileName"))
        if key is not None and PurePosixPath(name).suffix.lower() in IMAGE_ENDINGS:
            yield _Picture(str(key), name, clean(each.get("url")))
    for each in map(_object, _list(message.get("embeds"))):
        url, shown = clean(each.get("url")), _object(each.get("thumbnail"))
        if url and shown.get("url") and not any(each.get(part) for part in RICH):
            name = PurePosixPath(url.partition("?")[0]).name
            yield _Picture(link_key(url), name, clean(shown.get("url")))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
