"""Files as Telegram keeps them: several JPEGs of each photo, and ids that lead to them."""

from __future__ import annotations

import base64
import io
import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from PIL import Image, ImageOps

from tests.standins.telegram.rules import Json, Refused, bad

SIDES = {"s": 90, "m": 320, "x": 800, "y": 1280}
"""Longest sides of a photo's sizes in pixels, under Telegram's names for them."""
MAX_DOWNLOAD = 20 * 1024 * 1024
MAX_PHOTO = 10 * 1024 * 1024
_PREFIXES = {
    "photo": "AgACAgIAAxkBAAI",
    "document": "BQACAgIAAxkBAAI",
    "thumbnail": "AAMCAgADGQEAAyo",
}


class Download(NamedTuple):
    """One file that was fetched."""

    file_unique_id: str
    label: str
    """s, m, x, y for the sizes of a photo; document; thumbnail."""
    width: int


@dataclass(eq=False)
class StoredFile:
    """The bytes behind any number of file ids."""

    kind: str
    """photo, document or thumbnail."""
    unique: str
    data: bytes
    width: int = 0
    height: int = 0
    label: str = ""
    name: str = ""
    mime: str = ""
    claimed_size: int | None = None
    thumbnail: StoredFile | None = None
    expired: bool = False
    siblings: list[StoredFile] = field(default_factory=list)
    """All sizes of the same photo, smallest first."""
    path: str = ""

    @property
    def size(self) -> int:
        return len(self.data) if self.claimed_size is None else self.claimed_size


class Files:
    """All files, by the ids that were given out for them."""

    def __init__(self) -> None:
        self.by_id: dict[str, StoredFile] = {}
        self.by_path: dict[str, StoredFile] = {}

    def photo(self, data: bytes) -> list[StoredFile]:
        """A photo's sizes, none larger than it was. Raises Refused for what is no photo."""
        try:
            with Image.open(io.BytesIO(data)) as opened:
                image = ImageOps.exif_transpose(opened).convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            raise bad("IMAGE_PROCESS_FAILED") from None
        width, height = image.size
        if width + height > 10_000 or max(width, height) > 20 * min(width, height):
            raise bad("PHOTO_INVALID_DIMENSIONS")
        stem = secrets.token_bytes(9)
        sizes: list[StoredFile] = []
        for label, side in SIDES.items():
            unique = _text(b"\x01\x00\x03" + stem + label.encode())
            pixels, content = _jpeg(image, side)
            sizes.append(StoredFile("photo", unique, content, *pixels, label=label))
            if side >= max(width, height):
                break
        for size in sizes:
            size.siblings = sizes
        return sizes

    def document(
        self,
        data: bytes,
        name: str,
        mime: str,
        thumbnail: bytes | None = None,
        claimed_size: int | None = None,
    ) -> StoredFile:
        unique = _text(b"\x02\x00\x03" + secrets.token_bytes(8))
        file = StoredFile(
            "document",
            unique,
            data,
            label="document",
            name=name,
            mime=mime,
            claimed_size=claimed_size,
        )
        if thumbnail is not None:
            with Image.open(io.BytesIO(thumbnail)) as opened:
                pixels, content = _jpeg(opened.convert("RGB"), SIDES["m"])
            unique = _text(b"\x03\x00\x03" + secrets.token_bytes(8))
            file.thumbnail = StoredFile("thumbnail", unique, content, *pixels, label="thumbnail")
        return file

    def json(self, file: StoredFile) -> Json:
        """As it stands in a message: with an id made for that message alone."""
        number = _PREFIXES[file.kind] + _text(secrets.token_bytes(45))
        self.by_id[number] = file
        shown: Json = {"file_id": number, "file_unique_id": file.unique, "file_size": file.size}
        if file.kind != "document":
            return shown | {"width": file.width, "height": file.height}
        shown |= {"file_name": file.name, "mime_type": file.mime}
        if file.thumbnail is not None:
            shown["thumbnail"] = shown["thumb"] = self.json(file.thumbnail)
        return shown

    def find(self, number: object, kind: str) -> StoredFile:
        """The file to send by an id. Raises Refused."""
        file = self.by_id.get(str(number))
        if file is None or file.expired:
            raise bad("wrong file identifier/HTTP URL specified")
        if file.kind != kind:
            raise bad("type of file mismatch")
        return file

    def prepare(self, number: object) -> Json:
        """What getFile answers. Raises Refused."""
        file = self.by_id.get(str(number))
        if file is None or file.expired:
            raise bad("wrong file_id or the file is temporarily unavailable")
        if file.size > MAX_DOWNLOAD:
            raise bad("file is too big")
        if not file.path:
            ending = file.name.rpartition(".")[2] if file.kind == "document" else "jpg"
            file.path = f"{file.kind}s/file_{len(self.by_path)}.{ending or 'bin'}"
            self.by_path[file.path] = file
        return {
            "file_id": number,
            "file_unique_id": file.unique,
            "file_size": file.size,
            "file_path": file.path,
        }

    def download(self, path: str) -> StoredFile:
        """Raises Refused: a path is known only once getFile has told it."""
        file = self.by_path.get(path)
        if file is None or file.expired:
            raise Refused("Not Found", 404)
        return file


def _jpeg(image: Image.Image, side: int) -> tuple[tuple[int, int], bytes]:
    small = image.copy()
    small.thumbnail((side, side))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=87)
    return small.size, out.getvalue()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
