"""The web chat's files on disk: uploads on their way in, posted photos, previews to show."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bot.errors import ShoeboxError, StoreError
from bot.language import say
from storage.chatlog import Attachment

MAX_BYTES = 64 * 1024 * 1024
"""Of one uploaded file."""
MAX_WAITING = 200
"""Uploads that wait for their message to be sent, of everybody together."""
KEEP_WAITING = 3600
"""Seconds after which an upload without a message is thrown away."""
MAX_PREVIEWS = 4000
"""Files kept in the preview cache; some 100 KB each."""
CHUNK = 1024 * 1024

_log = logging.getLogger(__name__)
_ELSEWHERE = re.compile(r"photo:\d+")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}")

Preview = Callable[[bytes], Awaitable[bytes]]
"""Any picture's bytes -> a JPEG that is safe to show. Raises NotAPhoto."""


class UploadRefused(ShoeboxError):
    """A file that is not taken in; the message is for its sender."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has arrived whole and waits for the message it belongs to."""

    token: str
    path: Path
    name: str
    picture: bool
    arrived: float = field(default_factory=time.monotonic)


class WebFiles:
    """Everything below `<data folder>/web` that is a file of its own."""

    def __init__(self, folder: Path, preview: Preview) -> None:
        """`folder` is the data folder; locators are relative to it."""
        self._folder = folder
        self._uploads = folder / "web" / "uploads"
        self._photos = folder / "web" / "photos"
        self._previews = folder / "web" / "previews"
        self._preview = preview
        self._waiting: dict[str, Upload] = {}
        self._making: dict[str, asyncio.Task[Path]] = {}
        self._at_once = asyncio.Semaphore(2)

    async def prepare(self) -> None:
        """Make the folders; throw away uploads that a crash left without a message."""
        await asyncio.to_thread(self._prepare)

    def _prepare(self) -> None:
        for folder in (self._uploads, self._photos, self._previews):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left_over in (*self._uploads.iterdir(), *self._previews.glob("*.part")):
            left_over.unlink(missing_ok=True)

    async def receive(self, name: str, chunks: AsyncIterator[bytes]) -> Upload:
        """Write a file down as it arrives. Raises UploadRefused."""
        await self._drop_stale()
        if len(self._waiting) >= MAX_WAITING:
            raise UploadRefused(
                say("Too many photos are on their way at once. Try again in a while.")
            )
        token = secrets.token_hex(16)
        path = self._uploads / (token + _extension(name))
        try:
            await _write(path, chunks)
        except BaseException as error:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            if isinstance(error, OSError):
                _log.error("an upload can't be written: %s", error)
                raise UploadRefused(say("The photo can't be kept: the disk refuses it.")) from error
            raise
        upload = Upload(token, path, name, await self._can_be_shown(path))
        self._waiting[token] = upload
        return upload

    async def keep(self, tokens: Sequence[str]) -> tuple[Attachment, ...]:
        """Move uploads to their lasting place, durably. Raises UploadRefused."""
        if any(token not in self._waiting for token in tokens):
            raise UploadRefused(say("These photos were waiting for too long. Add them again."))
        uploads = [self._waiting.pop(token) for token in dict.fromkeys(tokens)]
        try:
            await asyncio.to_thread(self._move, [upload.path for upload in uploads])
        except OSError as error:
            _log.error("uploads can't be kept: %s", error)
            raise UploadRefused(say("The photos can't be kept: the disk refuses them.")) from error
        return tuple(
            Attachment(f"web/photos/{upload.path.name}", upload.name, upload.picture)
            for upload in uploads
        )

    def _move(self, paths: Sequence[Path]) -> None:
        for path in paths:
            path.rename(self._photos / path.name)
        _sync(self._photos)

    async def discard(self, token: str) -> None:
        """Throw away an upload whose sender changed their mind."""
        if upload := self._waiting.pop(token, None):
            await asyncio.to_thread(upload.path.unlink, missing_ok=True)
            await asyncio.to_thread(self._preview_path(upload.path.name).unlink, missing_ok=True)

    async def remove(self, attachments: Sequence[Attachment]) -> None:
        """Delete posted files and their previews. Raises StoreError."""
        try:
            for attachment in attachments:
                photo = self._photos / PurePosixPath(attachment.locator).name
                for path in (photo, self._preview_path(attachment.locator)):
                    await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as error:
            raise StoreError(f"a posted file can't be deleted: {error}") from error

    async def read(self, locator: str) -> bytes:
        """A posted file's bytes. Raises OSError."""
        return await asyncio.to_thread((self._folder / locator).read_bytes)

    async def preview(self, locator: str, load: Callable[[], Awaitable[bytes]]) -> Path:
        """A JPEG to show for `locator`; `load` gives the original if none is cached yet.

        Raises NotAPhoto, and whatever `load` raises.
        """
        path = self._preview_path(locator)
        if await asyncio.to_thread(path.exists):
            return path
        making = self._making.get(path.name)
        if making is None:
            making = asyncio.create_task(self._make(path, load))
            self._making[path.name] = making
            making.add_done_callback(lambda _: self._making.pop(path.name, None))
        return await asyncio.shield(making)

    async def close(self) -> None:
        """Stop making previews."""
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, path: Path, load: Callable[[], Awaitable[bytes]]) -> Path:
        async with self._at_once:
            jpeg = await self._preview(await load())
        await asyncio.to_thread(self._cache, path, jpeg)
        return path

    def _cache(self, path: Path, jpeg: bytes) -> None:
        part = path.with_suffix(".part")
        part.write_bytes(jpeg)
        part.rename(path)
        cached = list(self._previews.glob("*.jpg"))
        if len(cached) > MAX_PREVIEWS:
            cached.sort(key=lambda file: file.stat().st_mtime)
            for file in cached[: MAX_PREVIEWS // 4]:
                file.unlink(missing_ok=True)

    async def _can_be_shown(self, path: Path) -> bool:
        async def load() -> bytes:
            return await asyncio.to_thread(path.read_bytes)

        try:
            await self.preview(f"web/photos/{path.name}", load)
        except ShoeboxError:
            return False
        except Exception:
            _log.exception("no preview could be made of an upload")
        return True

    async def previewed(self) -> set[int]:
        """The memory's ids of photos that were posted elsewhere and have a preview here."""
        names = await asyncio.to_thread(
            lambda: [p.stem for p in self._previews.glob("photo-*.jpg")]
        )
        return {int(name.removeprefix("photo-")) for name in names}

    async def drop_previews(self, photos: Collection[int]) -> None:
        """These photos are no longer remembered. Raises StoreError."""
        try:
            for photo in photos:
                path = self._preview_path(preview_key(photo))
                await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as error:
            raise StoreError(f"a preview can't be deleted: {error}") from error

    def _preview_path(self, locator: str) -> Path:
        if _ELSEWHERE.fullmatch(locator):
            return self._previews / f"{locator.replace(':', '-')}.jpg"
        name = hashlib.sha256(locator.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        return self._previews / f"{name}.jpg"

    async def _drop_stale(self) -> None:
        oldest = time.monotonic() - KEEP_WAITING
        for upload in [u for u in self._waiting.values() if u.arrived < oldest]:
            await self.discard(upload.token)


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> None:
    size = 0
    pending: list[bytes] = []
    file = await asyncio.to_thread(path.open, "xb")
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > MAX_BYTES:
                raise UploadRefused(too_large())
            pending.append(chunk)
            if sum(map(len, pending)) >= CHUNK:
                await asyncio.to_thread(file.write, b"".join(pending))
                pending.clear()
        await asyncio.to_thread(file.write, b"".join(pending))
        await asyncio.to_thread(file.flush)
        await asyncio.to_thread(os.fsync, file.fileno())
    finally:
        await asyncio.to_thread(file.close)


def preview_key(photo: int) -> str:
    """What the preview of a photo goes by that was posted elsewhere."""
    return f"photo:{photo}"


def too_large() -> str:
    most = MAX_BYTES // 1024 // 1024
    return say("The file is larger than {most} MB, the most that is taken.", most=most)


def _sync(folder: Path) -> None:
    """Make renames in a folder survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _extension(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if _EXTENSION.fullmatch(suffix) else ""
