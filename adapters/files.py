"""Photos that are files on this machine: a folder to import, and what the web chat keeps."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import FetchFailed, PhotoGone, SettingsError
from bot.language import say, to_say
from bot.photos import PhotoRef, Post
from bot.ports import ChatAdapter

PLATFORM = "file"
CHANNEL = "import"
LOCAL = "local:"
"""Groups of this machine: the web chat's and those that folders are imported into."""
LONGEST_NAME = 64

EXTENSIONS = frozenset(
    """.jpg .jpeg .jpe .jfif .png .webp .gif .heic .heif .hif .avif .tif .tiff .bmp .mpo .apng
    .svg""".split()
)
MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
CONTAINER_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")


def local_group(name: str) -> str:
    """The id of a local group. Raises SettingsError for names that can't be one."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise SettingsError(
            say(
                "a group's name needs 1 to {most} printable characters, not {name}",
                most=LONGEST_NAME,
                name=repr(name[:80]),
            )
        )
    return LOCAL + name


class Files:
    """Fetches photos by path; paths that aren't absolute lie in the data folder."""

    platform = PLATFORM

    def __init__(self, data_folder: Path, most_bytes: int) -> None:
        """No more than one byte over `most_bytes` of a file is read: enough to refuse it."""
        self._base = data_folder.absolute()
        self._most = most_bytes

    def path(self, ref: PhotoRef) -> Path:
        """Where the photo lies."""
        return self._base / ref.locator

    async def fetch(self, ref: PhotoRef) -> bytes:
        """The file's bytes. Raises PhotoGone when it isn't there, FetchFailed otherwise."""
        return await asyncio.to_thread(self._read, self.path(ref))

    def _read(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                return file.read(self._most + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise PhotoGone(to_say("the file is no longer where it was")) from None
        except OSError as error:
            raise FetchFailed(f"the file can't be read: {error.strerror}") from error


class NotOnThisDisk:
    """ChatAdapter for photos that are files, in a process to which nobody gives them who has them:
    what isn't here may be somewhere else."""

    def __init__(self, files: ChatAdapter) -> None:
        self.platform = files.platform
        self._files = files

    async def fetch(self, ref: PhotoRef) -> bytes:
        """The file's bytes. Raises FetchFailed."""
        try:
            return await self._files.fetch(ref)
        except PhotoGone:
            raise FetchFailed(
                to_say("the file is not on this machine; a gateway that has it gives it out")
            ) from None


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a folder that calls itself a photo or is one."""

    path: Path
    content: str
    """SHA-256 of its bytes, hex: the photo stays the same when the file is moved."""
    modified: datetime


def photo_files(folder: Path) -> list[Path]:
    """The photos below a folder, sorted; hidden files and folders are left out.

    Raises SettingsError when it is no folder or can't be read.
    """
    try:
        if not folder.is_dir():
            raise SettingsError(f"there is no folder {str(folder)!r}")
        with os.scandir(folder) as looking:
            next(looking, None)
    except OSError as error:
        raise SettingsError(f"the folder {str(folder)!r} can't be read: {error.strerror}") from None
    return sorted(path for path in _walk(folder.absolute()) if _looks_like_photo(path))


def is_full_of_photos(folder: Path) -> bool:
    """Whether there is a photo in a folder itself. Raises OSError."""
    return folder.is_dir() and any(_looks_like_photo(path) for path in folder.iterdir())


def look_at(path: Path) -> Found:
    """Read a file once to know it again. Raises OSError."""
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return Found(path, content, datetime.fromtimestamp(path.stat().st_mtime, UTC))


def content_of(path: Path) -> str:
    """What an imported file is known by. Raises SettingsError when it can't be read."""
    try:
        return look_at(path).content
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from None


def as_post(found: Found, group: str, author: str, taken: datetime | None = None) -> Post:
    """The post that a file stands for: its bytes are its identity within the group."""
    return Post(
        group=local_group(group),
        group_name=group,
        channel=CHANNEL,
        message=found.content,
        author=author and LOCAL + author,
        author_name=author,
        posted_at=taken or found.modified,
        photos=(PhotoRef(PLATFORM, found.content, str(found.path), found.path.name),),
    )


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "@"))]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _looks_like_photo(path: Path) -> bool:
    if not path.is_file():
        return False
    if path.suffix.lower() in EXTENSIONS:
        return True
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return (
        head.startswith(MAGIC)
        or (head[:4] == b"RIFF" and head[8:] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:] in CONTAINER_BRANDS)
    )
