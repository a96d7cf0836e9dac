"""An export as it lies on this machine, a folder or a zip: nothing outside of it is ever read."""

from __future__ import annotations

import re
import stat
import threading
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol
from zipfile import BadZipFile, ZipFile, ZipInfo

from bot.errors import SettingsError
from bot.language import to_say

DEEPEST = 2
"""Folders between the top of a package and the files that say what was written."""
BOMB_BYTES, BOMB_RATIO = 64 * 1024 * 1024, 300
"""What unpacks to more than that, and to so many times its size, was made to fill memory. Chats
written as JSON pack to a twentieth."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")

NOT_HERE = to_say("its file is not in the export")
OUTSIDE = to_say("its path leads out of the export")
AN_ADDRESS = "its file is not in the export, which holds an address only (export with the media)"
ENCRYPTED = to_say("its file is encrypted")
DAMAGED_ZIP = to_say("the zip is damaged there")

UNREADABLE = (OSError, BadZipFile, zlib.error, EOFError, RuntimeError)
"""What reading a file of a package raises: of a zip also for passwords and unknown packing."""


class Unreadable(Exception):
    """A file of an export can't be had; the message says why."""


class Package(Protocol):
    """Where an export lies. Names are relative to its top, with slashes."""

    @property
    def path(self) -> Path: ...

    def jsons(self, depth: int) -> list[str]:
        """Names of the JSON files that lie so many folders deep."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Raises Unreadable, and what UNREADABLE names."""
        ...

    def size(self, name: str) -> int:
        """Bytes. Raises Unreadable where there is no such file."""
        ...

    def close(self) -> None: ...


class Folder:
    """A package that is a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._real = self.path.resolve()

    def jsons(self, depth: int) -> list[str]:
        found = self.path.glob("*/" * depth + "*.json")
        names = (path.relative_to(self.path) for path in found if path.is_file())
        return sorted(n.as_posix() for n in names if not any(p.startswith(".") for p in n.parts))

    def open(self, name: str) -> BinaryIO:
        return self._inside(name).open("rb")

    def size(self, name: str) -> int:
        found = self._inside(name).stat()
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable(NOT_HERE)
        return found.st_size

    def close(self) -> None:
        """Nothing is kept open."""

    def _inside(self, name: str) -> Path:
        """Where a name leads to, links followed."""
        try:
            real = (self._real / name).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            raise Unreadable(NOT_HERE) from None
        if not real.is_relative_to(self._real):
            raise Unreadable(OUTSIDE)
        return real


class Zip:
    """A package that is a zip; nothing is unpacked to the disk."""

    def __init__(self, path: Path) -> None:
        """Raises what UNREADABLE names."""
        self.path = path.absolute()
        self._zip = ZipFile(path)
        self._files: dict[str, ZipInfo] = {}
        for info in self._zip.infolist():
            name = _within(PurePosixPath(), info.filename.replace("\\", "/"))
            if name is not None and not info.is_dir():
                self._files.setdefault(name, info)

    def jsons(self, depth: int) -> list[str]:
        hidden = ("__MACOSX/", ".")
        return sorted(
            name
            for name in self._files
            if name.lower().endswith(".json")
            and name.count("/") == depth
            and not name.startswith(hidden)
        )

    def open(self, name: str) -> BinaryIO:
        info = self._info(name)
        if info.file_size > BOMB_BYTES and info.file_size > BOMB_RATIO * info.compress_size:
            raise Unreadable("it unpacks to far more than can be true (a zip bomb)")
        return self._zip.open(info)  # type: ignore[return-value]

    def size(self, name: str) -> int:
        return self._info(name).file_size

    def close(self) -> None:
        self._zip.close()

    def _info(self, name: str) -> ZipInfo:
        info = self._files.get(name)
        if info is None:
            raise Unreadable(NOT_HERE)
        if info.flag_bits & 1:
            raise Unreadable(ENCRYPTED)
        return info


def open_package(path: Path) -> Package:
    """Raises SettingsError for what is neither a folder nor a zip."""
    try:
        if path.is_dir():
            return Folder(path)
        if not path.exists():
            raise SettingsError(f"there is no folder or file {str(path)!r}")
        if zipfile.is_zipfile(path):
            return Zip(path)
    except UNREADABLE as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(f"{str(path)!r} can't be read: {why}") from None
    raise SettingsError(f"{str(path)!r} is neither a folder nor a whole zip")


def beside(package: Package, json: str, written: str) -> str:
    """The file that a path means which is written in a JSON file of the package. Raises
    Unreadable, also where it leads out of the package."""
    if _ADDRESS.match(written):
        raise Unreadable(AN_ADDRESS)
    if written.startswith(("/", "\\")) or _DRIVE.match(written):
        raise Unreadable(OUTSIDE)
    why = NOT_HERE
    for candidate in dict.fromkeys((written, written.replace("\\", "/"))):  # as Windows has it
        name = _within(PurePosixPath(json).parent, candidate)
        if name is None:
            raise Unreadable(OUTSIDE)
        try:
            package.size(name)
            return name
        except Unreadable as error:
            why = str(error)
    raise Unreadable(why)


def read(package: Package, name: str, most: int) -> bytes:
    """A file's bytes, of a longer one the first `most`. Raises Unreadable."""
    try:
        with package.open(name) as file:
            return file.read(most)
    except OSError as error:
        raise Unreadable(f"its file can't be read: {error.strerror}") from None
    except UNREADABLE:
        raise Unreadable(DAMAGED_ZIP) from None


class Opened:
    """The packages that were read from lately: opening a zip means reading what is in it."""

    MOST = 4

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, int, int], Package] = {}

    def read(self, path: str, name: str, most: int) -> bytes:
        """Raises Unreadable, FileNotFoundError where the package is no more, SettingsError."""
        with self._lock:  # so that none is closed while it is read from
            return read(self._package(Path(path)), name, most)

    def close(self) -> None:
        with self._lock:
            for package in self._kept.values():
                package.close()
            self._kept.clear()

    def _package(self, path: Path) -> Package:
        found = path.stat()
        key = (str(path), found.st_mtime_ns, found.st_ino)
        if path.is_dir():
            return Folder(path)
        if (known := self._kept.pop(key, None)) is None:
            known = open_package(path)
        self._kept[key] = known
        while len(self._kept) > self.MOST:
            self._kept.pop(next(iter(self._kept))).close()
        return known


def _within(folder: PurePosixPath, written: str) -> str | None:
    """The name that a path means, seen from a folder of the package; None if it leads out."""
    if written.startswith("/") or "\0" in written:
        return None
    parts = list(folder.parts)
    for part in written.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
