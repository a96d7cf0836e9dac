"""Pictures of emoji, out of the colour fonts that a machine has."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bot.errors import ShoeboxError

SIDE = 128
"""Width and height of a sprite in pixels."""

NAMES = ("NotoColorEmoji.ttf", "Apple Color Emoji.ttc", "seguiemj.ttf", "TwemojiMozilla.ttf")
"""Colour emoji fonts as systems bring them, best known to the starter model first."""

BITMAP_SIZES = (109, 160, 136, 96, 64)
"""The sizes in which bitmap fonts hold their pictures (Noto: 109, Apple: 160)."""

VARIATION_SELECTOR = "\ufe0f"


class NoEmojiFont(ShoeboxError):
    """This machine has no colour emoji font."""


def folders() -> list[Path]:
    """Where systems keep fonts."""
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"]
    home = Path.home()
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts"]


def find(name: str = "") -> Path:
    """The file of the font called `name`, or of the best one here. Raises NoEmojiFont."""
    here = {file.name: file for folder in folders() for file in _files(folder)}
    for wanted in (name,) if name else NAMES:
        if wanted in here:
            return here[wanted]
    raise NoEmojiFont(
        f"no {name or 'colour emoji font'} on this machine: install one "
        "(Debian and Ubuntu: apt install fonts-noto-color-emoji) and try again"
    )


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            yield Path(place) / name


class EmojiFont:
    """Draws single emoji with a colour font file."""

    def __init__(self, file: Path) -> None:
        """Raises NoEmojiFont when the file is none that Pillow can draw."""
        self._font = _opened(file)

    def sprite(self, emoji: str) -> Image.Image | None:
        """The emoji's picture, (SIDE, SIDE) RGBA and filling it; None if the font lacks it."""
        text = emoji.replace(VARIATION_SELECTOR, "")
        left, top, right, bottom = self._font.getbbox(text)
        size = (int(right - left) + 8, int(bottom - top) + 8)
        image = Image.new("RGBA", size, (0, 0, 0, 0))
        ImageDraw.Draw(image).text((4 - left, 4 - top), text, font=self._font, embedded_color=True)
        return fitted(image)


def fitted(image: Image.Image) -> Image.Image | None:
    """Cut to what is not transparent, centred in a square of SIDE; None if it is blank."""
    image = image.convert("RGBA")
    box = image.getchannel("A").point(lambda alpha: 255 * (alpha > 16)).getbbox()
    if box is None:
        return None
    cut = image.crop(box)
    scale = SIDE / max(cut.size)
    size = (max(1, round(cut.width * scale)), max(1, round(cut.height * scale)))
    square = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    place = ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2)
    square.paste(cut.resize(size, Image.Resampling.LANCZOS), place)
    return square


def _opened(file: Path) -> ImageFont.FreeTypeFont:
    for size in BITMAP_SIZES:
        try:
            return ImageFont.truetype(str(file), size)
        except OSError as error:  # a bitmap font that has another size
            problem = error
    raise NoEmojiFont(f"{file} can't be used as an emoji font: {problem}")
