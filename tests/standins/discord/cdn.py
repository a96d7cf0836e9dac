"""Files of the stand-in, and the links to them: signed, expiring, never the same for long.

Inside the backend a file has a plain address that nobody outside can open. Each time a message
leaves, its addresses become links with a fresh signature, as Discord refreshes them.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import mimetypes
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from PIL import Image, UnidentifiedImageError
from simcord.backend.cdn import CDN_BASE, CdnStore

from tests.standins.discord.clock import RunningClock

INSIDE = f"{CDN_BASE}/attachments/"
"""How addresses of attachments begin inside the backend."""
LIFE = 24 * 60 * 60
"""Seconds that a link is good for."""
SPOILER = 1 << 3
"""An attachment's flag (https://docs.discord.com/developers/resources/message)."""


@dataclass(frozen=True)
class File:
    """What is known of a file."""

    content: bytes
    content_type: str
    width: int | None = None
    height: int | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """The fields that describe it in attachments and in media."""
        known: dict[str, Any] = {"content_type": self.content_type}
        if self.width is not None:
            known |= {"width": self.width, "height": self.height}
        return known


def file_of(name: str, content: bytes) -> File:
    """A file with what Discord finds out about it; the name decides nothing about an image."""
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    try:
        with Image.open(io.BytesIO(content)) as image:
            kind = Image.MIME.get(image.format or "", guessed)
            return File(content, kind, *image.size)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return File(content, guessed)


@dataclass
class Cdn(CdnStore):
    """The files, and who may open what."""

    clock: RunningClock
    base: str = "http://127.0.0.1"
    """Where this server is."""
    files: dict[str, File] = field(default_factory=dict)
    """By path, e.g. /attachments/1/2/cat.jpg"""
    generation: int = 0
    """Part of each signature; counting it up spoils all that were given out."""
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def __post_init__(self) -> None:
        super().__init__()

    def store_attachment(
        self,
        attachment_id: int,
        channel_id: int,
        filename: str,
        data: bytes,
        description: str | None,
    ) -> dict[str, Any]:
        """Keep a file; the backend calls this for whatever anybody uploads."""
        path = f"/attachments/{channel_id}/{attachment_id}/{quote(filename)}"
        file = self.files[path] = file_of(filename, data)
        url = CDN_BASE + path
        stored = {
            "id": str(attachment_id),
            "filename": filename,
            "size": len(data),
            "url": url,
            "proxy_url": url,
            "flags": SPOILER if filename.startswith("SPOILER_") else 0,
            **file.facts,
        }
        if description is not None:
            stored["description"] = description
        return stored

    def store_external(self, link: str, content: bytes) -> str:
        """Keep what a posted link leads to, as Discord's proxy does. Gives back its path."""
        parts = urlsplit(link)
        signature = hmac.new(self.secret, link.encode(), hashlib.sha256).hexdigest()[:40]
        path = f"/external/{signature}/{parts.scheme}/{parts.netloc}{quote(parts.path)}"
        self.files[path] = file_of(parts.path, content)
        return path

    def get(self, url: str) -> bytes | None:
        """A file by its address inside the backend."""
        if url.startswith(INSIDE):
            found = self.files.get(url.removeprefix(CDN_BASE))
            return found.content if found else None
        return super().get(url)

    def link(self, inside: str, room: str = "cdn") -> str:
        """A signed link for an address inside the backend."""
        path = inside.removeprefix(CDN_BASE)
        now = int(self.clock.now().timestamp())
        ex, since = f"{now + LIFE:x}", f"{now:x}"
        return f"{self.base}/{room}{path}?ex={ex}&is={since}&hm={self._signature(path, ex, since)}&"

    def inside(self, link: str) -> str | None:
        """The address behind a link that is good now; None for all others."""
        parts = urlsplit(link)
        if f"{parts.scheme}://{parts.netloc}" != self.base:
            return None
        room, _, path = parts.path.lstrip("/").partition("/")
        if room not in ("cdn", "proxy") or not path.startswith("attachments/"):
            return None
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return CDN_BASE + "/" + path if self.good("/" + path, query) else None

    def good(self, path: str, query: dict[str, str]) -> bool:
        """Is a link's signature right, and not expired?"""
        if path.startswith("/external/"):
            return path in self.files
        ex, since = query.get("ex", ""), query.get("is", "")
        if not re.fullmatch("[0-9a-f]+", ex) or int(ex, 16) <= self.clock.now().timestamp():
            return False
        return hmac.compare_digest(query.get("hm", ""), self._signature(path, ex, since))

    def open(self, link: str) -> bytes:
        """What a browser gets for a link to this server; LookupError if it gets nothing."""
        parts = urlsplit(link)
        path = "/" + parts.path.lstrip("/").partition("/")[2]
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if not link.startswith(self.base) or not self.good(path, query) or path not in self.files:
            raise LookupError(f"no picture at {unquote(link)}")
        return self.files[path].content

    def _signature(self, path: str, ex: str, since: str) -> str:
        signed = f"{self.generation}:{path}:{ex}:{since}"
        return hmac.new(self.secret, signed.encode(), hashlib.sha256).hexdigest()
