"""The emoji families that the starter is trained on and measured with.

Noto Color Emoji comes from the system's font package; the others are fetched from the npm
registry that this machine is set up for. Nothing of them is kept in the repository.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from bot.errors import ShoeboxError
from bot.starter import fonts
from bot.starter.concepts import concepts
from bot.starter.fonts import SIDE, EmojiFont

log = logging.getLogger(__name__)

TRAINED = ("noto", "fluent-3d", "fluent-flat")
"""Seen in training. Noto: SIL OFL 1.1; Fluent: MIT, by Microsoft."""

UNSEEN = "twemoji"
"""Never seen in training; only measured. CC-BY 4.0, by Twitter and contributors."""

PACKAGES = {
    "fluent-3d": "@lobehub/fluent-emoji-3d@1.1.0",
    "fluent-flat": "@lobehub/fluent-emoji-flat@1.1.0",
    "twemoji": "@twemoji/svg@15.0.0",
}
"""On npm, with the version that the committed weights were made with."""

Sprites = dict[str, Image.Image]
"""Emoji -> (SIDE, SIDE) RGBA."""


def sprites(family: str, work: Path) -> Sprites:
    """Every concept's pictures in one family; kept under `work` so that they are drawn once.

    Raises ShoeboxError with one line when a font or package can't be had.
    """
    kept = work / "sprites" / family
    wanted = [emoji for concept in concepts() for emoji in concept.emoji]
    if not (kept / "complete").exists():
        draw = _artist(family, work)
        kept.mkdir(parents=True, exist_ok=True)
        for emoji in wanted:
            image = draw(emoji)
            if image is not None:
                image.save(kept / f"{_code(emoji)}.png")
        (kept / "complete").touch()
    found: Sprites = {}
    for emoji in wanted:
        file = kept / f"{_code(emoji)}.png"
        if file.exists():
            with Image.open(file) as image:
                found[emoji] = image.convert("RGBA")
    missing = len(wanted) - len(found)
    if missing:
        log.info("%s has no picture of %d of %d emoji", family, missing, len(wanted))
    if len(found) < 0.8 * len(wanted):
        raise ShoeboxError(f"only {len(found)} of {len(wanted)} emoji could be drawn from {family}")
    return found


def _artist(family: str, work: Path) -> Callable[[str], Image.Image | None]:
    if family == "noto":
        return EmojiFont(fonts.find("NotoColorEmoji.ttf")).sprite
    if family not in PACKAGES:
        raise ShoeboxError(f"there is no emoji family {family}: noto, {', '.join(PACKAGES)}")
    folder = _package(PACKAGES[family], work)
    pictures = folder / "assets" if (folder / "assets").is_dir() else folder
    return lambda emoji: _file_sprite(pictures, emoji)


def _package(package: str, work: Path) -> Path:
    """An unpacked npm package. Raises ShoeboxError when npm is missing or has no such package."""
    folder = work / "npm" / package.strip("@").replace("/", "-")
    if (folder / "package").is_dir():
        return folder / "package"
    npm = shutil.which("npm")
    if npm is None:
        raise ShoeboxError(f"npm is needed to fetch {package}: install it (apt install npm)")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(  # noqa: S603
        [npm, "pack", "--silent", package], cwd=folder, capture_output=True, text=True, check=False
    )
    archives = list(folder.glob("*.tgz"))
    if done.returncode or not archives:
        said = " ".join(done.stderr.split())[:200]
        raise ShoeboxError(f"npm could not fetch {package}: {said or 'nothing came'}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def _file_sprite(assets: Path, emoji: str) -> Image.Image | None:
    bare = emoji.replace(fonts.VARIATION_SELECTOR, "")
    for text in (emoji, bare, bare + fonts.VARIATION_SELECTOR):
        for file in (assets / f"{_code(text)}.webp", assets / f"{_code(text)}.svg"):
            if file.exists():
                image = _svg(file) if file.suffix == ".svg" else Image.open(file)
                return None if image is None else fonts.fitted(image)
    return None


def _svg(file: Path) -> Image.Image | None:
    import skia

    drawing = skia.SVGDOM.MakeFromStream(skia.MemoryStream(file.read_bytes()))
    if drawing is None:
        return None
    surface = skia.Surface(2 * SIDE, 2 * SIDE)
    if drawing.containerSize().isEmpty():  # it has no size of its own, only a view box
        drawing.setContainerSize(skia.Size(2 * SIDE, 2 * SIDE))
    box = drawing.containerSize()
    scale = 2 * SIDE / max(box.width(), box.height())
    with surface as canvas:
        canvas.scale(scale, scale)
        drawing.render(canvas)
    array = surface.toarray(colorType=skia.kRGBA_8888_ColorType)
    return Image.fromarray(array, "RGBA")


def _code(emoji: str) -> str:
    return "-".join(f"{ord(character):04x}" for character in emoji)
