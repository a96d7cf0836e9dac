"""Photos' bytes, from exports that stay where they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from adapters.exports.package import Opened, Package, Unreadable, read
from bot.errors import FetchFailed, PhotoGone, SettingsError
from bot.language import to_say
from bot.photos import PhotoRef

PLATFORM = "export"
Kind = Literal["photo", "document"]
AWAY = to_say("the export is no longer where it was: import it again from where it is now")


@dataclass(frozen=True, slots=True)
class Exported:
    """What the locator of a photo holds that only its export can give."""

    package: str
    """Path of the folder or the zip."""
    file: str
    """Its name in there."""
    kind: Kind = "photo"
    """How it was sent in Telegram."""

    @property
    def locator(self) -> str:
        return json.dumps([self.package, self.file, self.kind])

    @staticmethod
    def of(ref: PhotoRef) -> Exported:
        return Exported(*json.loads(ref.locator))


class ExportFiles:
    """ChatAdapter for photos of exports. Nothing outside of an export is read."""

    platform = PLATFORM

    def __init__(self, most_bytes: int) -> None:
        """No more than one byte over `most_bytes` of a file is read: enough to refuse it."""
        self._most = most_bytes
        self._opened = Opened()

    async def fetch(self, ref: PhotoRef) -> bytes:
        """The file's bytes. Raises PhotoGone, FetchFailed."""
        return await asyncio.to_thread(self._read, Exported.of(ref))

    def close(self) -> None:
        self._opened.close()

    def _read(self, photo: Exported) -> bytes:
        try:
            return self._opened.read(photo.package, photo.file, self._most + 1)
        except (FileNotFoundError, NotADirectoryError):  # a disk may only be unplugged
            raise FetchFailed(AWAY) from None
        except Unreadable as error:
            raise PhotoGone(str(error)) from None
        except OSError as error:
            raise FetchFailed(f"the export can't be read: {error.strerror}") from None
        except SettingsError as error:
            raise FetchFailed(str(error)) from None


class ImportedFirst:
    """ChatAdapter that has what is being imported from the export, while its platform, which it
    can be had from ever after, needn't be asked."""

    def __init__(
        self, platform: str, package: Package, files: Mapping[str, str], most_bytes: int
    ) -> None:
        """`files`: names in the package, by the photos' keys."""
        self.platform = platform
        self._package = package
        self._files = files
        self._most = most_bytes

    async def fetch(self, ref: PhotoRef) -> bytes:
        """The file's bytes. Raises PhotoGone, FetchFailed."""
        if (name := self._files.get(ref.key)) is None:
            raise FetchFailed(f"{self.platform} is not switched on")
        try:
            return await asyncio.to_thread(read, self._package, name, self._most + 1)
        except Unreadable as error:
            raise PhotoGone(str(error)) from None
