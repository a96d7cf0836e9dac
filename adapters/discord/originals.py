"""What a photo in Discord is known by and found again with; needs no SDK."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from bot.photos import PhotoRef

IMAGE_ENDINGS = frozenset(
    ".jpg .jpeg .jfif .png .webp .gif .heic .heif .avif .tif .tiff .bmp".split()
)
LINK = "link:"
SPOILER = "SPOILER_"
"""What the names of files that are spoilers begin with."""


@dataclass(frozen=True, slots=True)
class Original:
    """What a photo's locator holds: the message that it is in, which leads to fresh addresses."""

    channel: int
    message: int

    @property
    def locator(self) -> str:
        return json.dumps([self.channel, self.message])

    @staticmethod
    def of(ref: PhotoRef) -> Original:
        return Original(*json.loads(ref.locator))


def link_key(url: str) -> str:
    """What the image that a posted link leads to is known by within its message."""
    return LINK + hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:24]


def link_to(guild: int, channel: int, message: int) -> str:
    """Where members can see a message, as `discord.Message.jump_url` has it."""
    return f"https://discord.com/channels/{guild}/{channel}/{message}"
