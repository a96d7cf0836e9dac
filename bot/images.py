"""Bytes that strangers posted -> a safe, upright RGB image, or the reason why there is none.

Runs in a process of its own (see bot.sandbox), because decoders of damaged files can crash,
hang or eat memory.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np
from PIL import ExifTags, Image, ImageOps, ImageSequence, UnidentifiedImageError

from bot import perceptual
from bot.errors import NotAPhoto
from bot.language import to_say
from bot.photos import ImageSpec, Pixels

MAX_BYTES = 64 * 1024 * 1024
"""Largest file that is looked at; the biggest phone photos (200 megapixels) are under it."""
MAX_PIXELS = 80_000_000
"""Largest image that is decoded whole; as RGBA it takes 320 MB."""
MAX_JPEG_PIXELS = 260_000_000
"""JPEGs may be larger: they are decoded at 1/2, 1/4 or 1/8 of their size (draft mode)."""
SHARP = 1.2
"""JPEGs are decoded at the smallest of their scales (1/8, 1/4, 1/2) that has this much more than
the encoder's size each way. Cosines to a full decode, over 1,500 drawn scenes with the starter
model: at least 0.998. Twice the size gives 0.9997 and takes half as much time again."""
MAX_ASPECT = 8
"""Longer strips are cut to their middle before they are scaled up."""
MAX_FRAMES = 24
"""How far into an animation the first frame that is not blank is looked for."""
BLANK_DEVIATION = 3.0
"""Standard deviation of grey values (0..255) under which a frame counts as blank."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF", "TIFF", "BMP")
_SVG_MARKS = (b"<svg", b"<!DOCTYPE svg")
_OFFSET = re.compile(r"[+-]\d\d:\d\d")
_TIMES = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
)


def for_encoder(data: bytes, spec: ImageSpec) -> Pixels:
    """The picture an encoder wants: (height, width, 3) uint8, scaled and cut as open_clip does.

    Differs from open_clip's own preprocessing only in that JPEGs are decoded at a smaller scale
    (SHARP). Raises NotAPhoto.
    """
    image = _open(data, at_least=_enough(spec))
    return np.asarray(_fit(image, spec))


def looked_at(data: bytes, spec: ImageSpec, thumbnail: int = 0) -> tuple[Pixels, bytes, bytes]:
    """What `for_encoder` and `fingerprint` give, and a JPEG whose long side is at most `thumbnail`
    pixels (0: none), decoded once. Raises NotAPhoto."""
    image = _open(data, at_least=max(_enough(spec), perceptual.AT_LEAST))
    pixels, seen = np.asarray(_fit(image, spec)), perceptual.fingerprint(image)
    return pixels, seen, _jpeg(image, thumbnail) if thumbnail else b""


def fingerprint(data: bytes) -> bytes:
    """What copies of the photo are known by (bot.perceptual). Raises NotAPhoto."""
    return perceptual.fingerprint(_open(data, at_least=perceptual.AT_LEAST))


def for_reading(data: bytes, longest: int) -> Pixels:
    """The picture to read text from: its long side at most `longest` pixels. Raises NotAPhoto."""
    return np.asarray(_shrink(_open(data, at_least=longest), longest))


def preview(data: bytes, longest: int) -> bytes:
    """A JPEG to show on a page, without the original's metadata. Raises NotAPhoto."""
    return _jpeg(_open(data, at_least=longest), longest)


def taken_at(data: bytes) -> datetime | None:
    """When the camera says the photo was taken, or the scanner that it was scanned (EXIF 2.32,
    DateTimeOriginal or DateTimeDigitized, and its offset or that of all times of the file).

    Cameras that name no offset mean their own place, which is taken to be this machine's.
    """
    _register_formats()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                tags = image.getexif().get_ifd(ExifTags.IFD.Exif)
    except Exception:  # decoders raise anything on bytes that were made to break them
        return None
    return next((moment for pair in _TIMES if (moment := _moment(tags, *pair))), None)


def _moment(tags: Mapping[int, object], time: int, offset: int) -> datetime | None:
    """One of a file's times, in the zone that it names."""
    try:
        text = str(tags.get(time, "")).strip("\0 ")
        moment = datetime.strptime(text, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
        for tag in (offset, ExifTags.Base.OffsetTime):
            zone = str(tags.get(tag, "")).strip("\0 ")
            if _OFFSET.fullmatch(zone):
                return datetime.fromisoformat(f"{moment.isoformat()}{zone}")
        return moment.astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _jpeg(image: Image.Image, longest: int) -> bytes:
    out = io.BytesIO()
    _shrink(image, longest).save(out, "JPEG", quality=85, progressive=True)
    return out.getvalue()


def _enough(spec: ImageSpec) -> int:
    return math.ceil(SHARP * max(spec.size))


def _open(data: bytes, at_least: int) -> Image.Image:
    """Decode to upright RGB; JPEGs at the smallest scale with both sides >= `at_least`."""
    if not data:
        raise NotAPhoto(to_say("the file is empty"))
    if len(data) > MAX_BYTES:
        raise NotAPhoto(f"the file is larger than {MAX_BYTES // 2**20} MB")
    if any(mark in data[:1024] for mark in _SVG_MARKS):
        raise NotAPhoto(to_say("SVG drawings are not kept"))
    _register_formats()
    Image.MAX_IMAGE_PIXELS = None  # the limits above take its place
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata in files we still read
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _decode(image, at_least)
    except UnidentifiedImageError:
        raise NotAPhoto(to_say("the file is not a picture")) from None
    except MemoryError:
        raise NotAPhoto(to_say("the picture needs too much memory to open")) from None
    except NotAPhoto:
        raise
    except Exception as error:  # decoders raise anything on bytes that were made to break them
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotAPhoto(f"the picture is damaged: {reason[:120]}") from None


def _decode(image: Image.Image, at_least: int) -> Image.Image:
    width, height = image.size
    jpeg = image.format in ("JPEG", "MPO")
    if width * height > (MAX_JPEG_PIXELS if jpeg else MAX_PIXELS):
        raise NotAPhoto(f"the picture is too large: {width} × {height} pixels")
    if jpeg:
        image.draft(None, (at_least, at_least))
        if image.width * image.height > MAX_PIXELS:
            raise NotAPhoto(f"the picture is too large: {width} × {height} pixels")
    frame = _first_frame_to_see(image)
    return _to_rgb(ImageOps.exif_transpose(frame))


def _first_frame_to_see(image: Image.Image) -> Image.Image:
    """Animations often start with a blank frame, which would be found by every query."""
    if getattr(image, "n_frames", 1) == 1 or image.format in ("MPO", "TIFF", "HEIF"):
        image.load()
        return image
    first: Image.Image | None = None
    for frame in _frames(image):
        if first is None:
            first = frame
        grey = np.asarray(_to_rgb(frame).convert("L").resize((32, 32), Image.Resampling.BOX))
        if float(grey.std()) >= BLANK_DEVIATION:
            return frame
    if first is None:
        raise NotAPhoto(to_say("the animation has no frames"))
    return first


def _frames(image: Image.Image) -> Iterator[Image.Image]:
    """Frames until one is damaged: what could be read before it is still a picture."""
    iterator = ImageSequence.Iterator(image)
    for number in range(MAX_FRAMES):
        try:
            frame = next(iterator).copy()
        except StopIteration:
            return
        except Exception:
            if number == 0:
                raise
            return
        yield frame


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        paper = Image.new("RGB", layer.size, "white")
        paper.paste(layer, mask=layer.getchannel("A"))
        return paper
    return image.convert("RGB")


def _deep_grey(image: Image.Image) -> Image.Image:
    """More than 8 bits a pixel: Pillow's own conversion would clip instead of scale."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else _range(values)
    scaled = (values - low) * (255.0 / max(high - low, 1e-6))
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8), "L").convert("RGB")


def _range(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 65535 and high > 255:
        return 0.0, 65535.0
    return (0.0, 255.0) if low >= 0 and 1 < high <= 255 else (low, high)


def _shrink(image: Image.Image, longest: int) -> Image.Image:
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image


def _fit(image: Image.Image, spec: ImageSpec) -> Image.Image:
    height, width = spec.size
    filter_ = getattr(Image.Resampling, spec.interpolation.upper())
    if spec.resize_mode == "squash":
        return image.resize((width, height), filter_)
    if spec.resize_mode == "longest":
        scale = min(height / image.height, width / image.width)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        paper = Image.new("RGB", (width, height), (spec.fill,) * 3)
        paper.paste(image.resize(size, filter_), ((width - size[0]) // 2, (height - size[1]) // 2))
        return paper
    image = _cut_strip(image)
    scale = max(height / image.height, width / image.width)
    if width == height:  # torchvision truncates, timm rounds
        size = (max(width, int(image.width * scale)), max(height, int(image.height * scale)))
    else:
        size = (max(width, round(image.width * scale)), max(height, round(image.height * scale)))
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    across, down = image.width / size[0], image.height / size[1]
    # Only what the cut leaves is computed.
    kept = (left * across, top * down, (left + width) * across, (top + height) * down)
    return image.resize((width, height), filter_, _within(kept, image.size))


def _within(
    box: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Without what rounding puts beyond the edges."""
    left, top, right, bottom = box
    return max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])


def _cut_strip(image: Image.Image) -> Image.Image:
    """A 1 × 50,000 strip scaled by its short side would need gigabytes: keep its middle."""
    short, long = sorted(image.size)
    if long <= MAX_ASPECT * short:
        return image
    keep = MAX_ASPECT * short
    if image.width > image.height:
        left = (image.width - keep) // 2
        return image.crop((left, 0, left + keep, image.height))
    top = (image.height - keep) // 2
    return image.crop((0, top, image.width, top + keep))


def _register_formats() -> None:
    if "HEIF" not in Image.OPEN:
        import pi_heif

        Image.init()
        pi_heif.register_heif_opener()
