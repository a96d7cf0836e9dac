"""Photos' bytes, from Discord's servers and no others."""

from __future__ import annotations

import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import aiohttp
import discord

from adapters.discord.download import MOST_BYTES, TOO_LARGE
from adapters.discord.originals import Original
from adapters.discord.pictures import Picture, pictures_in
from bot.errors import FetchFailed, PhotoGone
from bot.language import to_say
from bot.photos import PhotoRef

HOSTS = ("discordapp.com", "discordapp.net", "discord.com", "discord.media")
"""Discord's own: the CDN and the media proxy are in these domains."""
SHORT_SIDE = 640
"""Pixels. A rendition that has them is asked for instead of the whole file: encoders look at 224
to 384, and text that people would read on a phone is still read."""
KEPT = 1000
"""Pictures whose addresses are kept, so that most are fetched without asking for their message."""
FRESH_SECONDS = 6 * 3600.0
UNKNOWN_MESSAGE, UNKNOWN_CHANNEL = 10008, 10003
"""https://docs.discord.com/developers/topics/opcodes-and-status-codes#json"""

REACH = (
    discord.HTTPException,
    discord.GatewayNotFound,
    aiohttp.ClientError,
    OSError,
    TimeoutError,
)
"""What a request to Discord raises when it does not work."""


@dataclass(slots=True)
class Pictures:
    """Knows the pictures that were seen lately, by key."""

    _seen: OrderedDict[str, tuple[float, Picture]] = field(default_factory=OrderedDict)

    def see(self, *pictures: Picture) -> None:
        now = time.time()
        for picture in pictures:
            self._seen[picture.key] = (now, picture)
            self._seen.move_to_end(picture.key)
        while len(self._seen) > KEPT:
            self._seen.popitem(last=False)

    def get(self, key: str) -> Picture | None:
        """Unless its addresses are so old that they may have expired."""
        at, picture = self._seen.get(key, (0.0, None))
        return picture if time.time() - at < FRESH_SECONDS else None

    def drop(self, key: str) -> None:
        self._seen.pop(key, None)


class Files:
    """Fetches photos and knows whether they are still where they were posted."""

    def __init__(
        self,
        client: discord.Client,
        api_url: str,
        sees_content: bool,
        download: Callable[[str], Awaitable[bytes]],
    ) -> None:
        """`download`: see Downloader.get."""
        self._client = client
        self._download = download
        own = urlsplit(api_url).hostname or ""
        self._hosts = HOSTS if own.endswith(HOSTS) else (*HOSTS, own)
        self._sees_content = sees_content
        self.pictures = Pictures()

    async def fetch(self, ref: PhotoRef) -> bytes:
        """The bytes of a rendition that is large enough, else of the file. Raises PhotoGone,
        FetchFailed."""
        picture = self.pictures.get(ref.key)
        if picture is not None:
            try:
                return await self._bytes_of(picture)
            except PhotoGone:
                raise
            except FetchFailed:  # its address may have expired
                self.pictures.drop(ref.key)
        try:
            fresh = await self.look(ref)
        except discord.Forbidden:
            raise FetchFailed(to_say("the bot may not read that channel now")) from None
        except REACH as error:
            raise FetchFailed(f"Discord: {reason(error)}") from None
        if fresh is None:
            raise PhotoGone(to_say("the attachment was taken out of its message"))
        return await self._bytes_of(fresh)

    async def look(self, ref: PhotoRef) -> Picture | None:
        """The picture in its message, with addresses of today; None if it is no longer in it.

        Without the Message Content intent Discord hides attachments: then it is made up from what
        is known, since Discord renders an attachment's plain address. Raises PhotoGone when the
        message was deleted, and what REACH names.
        """
        original = Original.of(ref)
        channel = self._client.get_partial_messageable(original.channel)
        try:
            message = await channel.fetch_message(original.message)
        except discord.NotFound as error:
            if error.code in (UNKNOWN_MESSAGE, UNKNOWN_CHANNEL):
                raise PhotoGone(to_say("the message was deleted")) from None
            raise
        found = pictures_in(message)
        self.pictures.see(*found)
        for picture in found:
            if picture.key == ref.key:
                return picture
        return None if self._sees_content or found else _made_up(ref, original)

    async def _bytes_of(self, picture: Picture) -> bytes:
        if (smaller := _rendition(picture)) is not None and self._is_allowed(smaller):
            with contextlib.suppress(FetchFailed):  # not promised, and not of every format
                return await self._download(smaller)
        if picture.size > MOST_BYTES:
            raise PhotoGone(TOO_LARGE)
        if not self._is_allowed(picture.source):
            raise PhotoGone(to_say("it is not on Discord's servers"))
        return await self._download(picture.source)

    def _is_allowed(self, url: str) -> bool:
        parts = urlsplit(url)
        host = parts.hostname or ""
        own = len(self._hosts) > len(HOSTS) and host == self._hosts[-1]
        known = any(host == name or host.endswith(f".{name}") for name in HOSTS)
        return own or (parts.scheme == "https" and known)


def reason(error: BaseException) -> str:
    """What went wrong, in one line without addresses, which may hold secrets."""
    match error:
        case discord.HTTPException():
            words = "" if error.text.lstrip().startswith("<") else error.text  # a proxy's page
            return " ".join(f"{error.status} {words}".split())[:200]
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientConnectorError():
            return "it can't be reached"
        case _:
            return f"the connection failed ({type(error).__name__})"


def _rendition(picture: Picture) -> str | None:
    """A smaller one, if that saves anything; the proxy's parameters are not documented."""
    if not picture.proxy or not picture.width or not picture.height:
        return None
    short = min(picture.width, picture.height)
    if short <= 1.5 * SHORT_SIDE:
        return None
    width, height = (round(side * SHORT_SIDE / short) for side in (picture.width, picture.height))
    parts = urlsplit(picture.proxy)
    query = [*parse_qsl(parts.query), ("width", str(width)), ("height", str(height))]
    return urlunsplit(parts._replace(query=urlencode(query)))


def _made_up(ref: PhotoRef, original: Original) -> Picture | None:
    if not ref.key.isdecimal():
        return None
    url = f"https://cdn.discordapp.com/attachments/{original.channel}/{ref.key}/{ref.name}"
    return Picture(ref.key, ref.name, url, url, "", spoiler=ref.name.startswith("SPOILER_"))
