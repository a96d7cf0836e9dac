"""What people post, and what they might post to break things."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import numpy as np
import pi_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from bot import images
from bot.errors import NotAPhoto
from bot.photos import ImageSpec
from tests.pictures import encoded, photo, png_claiming, scene

SPEC = ImageSpec((64, 64))


def looks_like(pixels: np.ndarray, expected: Image.Image, within: float = 12.0) -> bool:
    """Whether the mean difference to the expected picture's own scaled version is small."""
    other = images.for_encoder(encoded(expected.convert("RGB"), "PNG"), SPEC)
    return float(np.abs(pixels.astype(float) - other.astype(float)).mean()) < within


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("MPO", {"save_all": True}),
        ("PNG", {}),
        ("WEBP", {"quality": 80}),
        ("GIF", {}),
        ("AVIF", {}),
        ("TIFF", {}),
        ("BMP", {}),
    ],
)
def test_every_format_shows_the_same_picture(format_: str, options: dict[str, object]) -> None:
    picture = scene(3)
    assert looks_like(images.for_encoder(encoded(picture, format_, **options), SPEC), picture)


def test_heic_is_read() -> None:
    # The reader is decode-only, so the smallest HEIC lies beside the test.
    data = (Path(__file__).parent / "data/red-left.heic").read_bytes()
    pixels = images.for_encoder(data, SPEC)
    assert pi_heif.is_supported(data[:64])
    assert pixels[32, 8, 0] > 180 > 80 > pixels[32, 8, 2]
    assert pixels[32, 56, 2] > 180 > 80 > pixels[32, 56, 0]


def test_cmyk_palette_grey_and_transparent_become_rgb() -> None:
    picture = scene(5)
    assert looks_like(images.for_encoder(encoded(picture.convert("CMYK")), SPEC), picture, 30)
    assert looks_like(images.for_encoder(encoded(picture.quantize(64), "PNG"), SPEC), picture, 20)
    grey = images.for_encoder(encoded(picture.convert("L"), "PNG"), SPEC)
    assert np.array_equal(grey[..., 0], grey[..., 2])
    clear = images.for_encoder(encoded(Image.new("RGBA", (50, 50), (0, 0, 0, 0)), "PNG"), SPEC)
    assert clear.min() == 255, "what is transparent shows white paper"


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64, dtype=np.uint16), (64, 1))
    pixels = images.for_encoder(encoded(Image.fromarray(ramp), "PNG"), SPEC)
    assert abs(int(pixels[32, 32, 0]) - 130) < 6
    assert pixels[32, 60, 0] > 230


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotated_by_exif_stands_upright(orientation: int) -> None:
    upright = Image.new("RGB", (80, 60), "white")
    ImageDraw.Draw(upright).rectangle((0, 0, 39, 29), fill="red")
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright
    if orientation > 1:
        stored = upright.transpose(Image.Transpose(back[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = images.preview(encoded(stored, quality=95, exif=exif), 200)
    with Image.open(io.BytesIO(out)) as seen:
        assert seen.size == upright.size
        assert not seen.getexif(), "a preview tells nothing of camera and place"
        red = np.asarray(seen)[5:25, 5:35].mean(axis=(0, 1))
    assert red[0] > 200
    assert red[1] < 80


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG"])
def test_animation_shows_its_first_frame_that_is_not_blank(format_: str) -> None:
    frames = [Image.new("RGB", (60, 60), "black"), Image.new("RGB", (60, 60), "black"), scene(9)]
    frames[2] = frames[2].resize((60, 60))
    data = encoded(frames[0], format_, save_all=True, append_images=frames[1:], duration=50, loop=0)
    assert looks_like(images.for_encoder(data, SPEC), frames[2], 20)


def test_an_animation_of_blank_frames_is_still_a_picture() -> None:
    black = Image.new("RGB", (60, 60), "black")
    other = Image.new("RGB", (60, 60), (1, 1, 1))
    data = encoded(black, "GIF", save_all=True, append_images=[other], duration=50)
    assert images.for_encoder(data, SPEC).max() < 5


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"Dear diary, this is not a picture.\n" * 20, "not a picture"),
        (photo()[:100], "not a picture|damaged"),
        (photo()[: len(photo()) // 2], "damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg></svg>', "SVG"),
        (png_claiming(50_000, 50_000), "too large: 50000 × 50000"),
        (b"%PDF-1.4\n" + bytes(500), "not a picture"),
        (b"\xff\xd8\xff" + bytes(300), "not a picture|damaged"),
        (b"GIF89a" + bytes(30), "not a picture|damaged"),
    ],
    ids=["empty", "text", "stub", "cut off", "svg", "svg in xml", "bomb", "pdf", "zeros", "gif"],
)
def test_what_is_no_photo_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    for use in (lambda d: images.for_encoder(d, SPEC), lambda d: images.preview(d, 100)):
        with pytest.raises(NotAPhoto, match=reason) as refused:
            use(data)
        assert "\n" not in str(refused.value)
    assert images.taken_at(data) is None


def test_a_file_beyond_the_limit_is_refused_unopened() -> None:
    with pytest.raises(NotAPhoto, match="larger than 64 MB"):
        images.preview(photo() + bytes(images.MAX_BYTES), 100)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (6000, 2), (7, 5)])
def test_odd_sizes_are_embedded_and_stay_small(size: tuple[int, int]) -> None:
    data = encoded(Image.new("RGB", size, "green"), "PNG")
    assert images.for_encoder(data, SPEC).shape == (64, 64, 3)
    assert max(images.for_reading(data, 2000).shape) <= 2000 or max(size) > 2000


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("shape", [(64, 64), (48, 80)])
def test_equals_open_clips_own_preprocessing(mode: str, shape: tuple[int, int]) -> None:
    from bot import torchvision_nms

    torchvision_nms.make_importable()
    from open_clip.transform import PreprocessCfg, image_transform_v2

    if mode == "shortest" and shape[0] != shape[1]:
        shape = (64, 64)  # open_clip's own non-square crop is only ever used for training
    cfg = PreprocessCfg(
        size=shape, mean=(0, 0, 0), std=(1, 1, 1), resize_mode=mode, interpolation="bicubic"
    )
    picture = scene(11, (301, 203))
    theirs = image_transform_v2(cfg, is_train=False)(picture).permute(1, 2, 0).numpy() * 255
    ours = images.for_encoder(encoded(picture, "PNG"), ImageSpec(shape, mode))
    assert np.abs(ours - theirs).max() <= 1.0


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    picture = scene(2, (2400, 1800))
    whole = images.for_encoder(encoded(picture, "PNG"), SPEC).astype(float).ravel()
    small = images.for_encoder(encoded(picture, quality=92), SPEC).astype(float).ravel()
    cosine = whole @ small / np.linalg.norm(whole) / np.linalg.norm(small)
    assert cosine > 0.999


def test_when_a_photo_was_taken() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2023:12:24 18:30:00"
    exif.get_ifd(0x8769)[0x9011] = "+02:00"
    taken = images.taken_at(encoded(scene(), exif=exif))
    assert taken is not None
    assert taken.isoformat() == "2023-12-24T18:30:00+02:00"
    exif.get_ifd(0x8769)[0x9011] = "nonsense"
    taken = images.taken_at(encoded(scene(), exif=exif))
    assert taken is not None
    assert isinstance(taken.utcoffset(), timedelta), "without an offset: this machine's"
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"
    assert images.taken_at(encoded(scene(), exif=exif)) is None
    exif.get_ifd(0x8769)[0x9004] = "1999:01:02 03:04:05"
    exif.get_ifd(0x8769)[0x9010] = "-05:00"
    exif[0x010F] = "a scanner's maker"
    for format_ in ("JPEG", "PNG", "WEBP"):
        scanned = images.taken_at(encoded(scene(), format_, exif=exif))
        assert scanned is not None, format_
        assert scanned.isoformat() == "1999-01-02T03:04:05-05:00"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutated_files_are_pictures_or_refused(data: st.DataObject) -> None:
    whole = bytearray(
        encoded(
            scene(1, (90, 70)),
            data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])),
        )
    )
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.integers(1, len(whole))) :]
    try:
        assert images.for_encoder(bytes(whole), SPEC).shape == (64, 64, 3)
    except NotAPhoto as refused:
        assert str(refused)


@settings(max_examples=40, deadline=None)
@given(st.integers(64, 900), st.integers(64, 900), st.sampled_from([(64, 64), (48, 60)]))
def test_a_cut_is_what_the_whole_scaled_picture_has_there(
    width: int, height: int, size: tuple[int, int]
) -> None:
    picture = images._cut_strip(scene(6).resize((width, height)))
    spec = ImageSpec(size)
    scale = max(size[0] / picture.height, size[1] / picture.width)
    rounded = int if size[0] == size[1] else round
    whole = [
        max(least, rounded(side * scale))
        for least, side in zip(reversed(size), picture.size, strict=True)
    ]
    left, top = round((whole[0] - size[1]) / 2), round((whole[1] - size[0]) / 2)
    scaled = picture.resize((whole[0], whole[1]), Image.Resampling.BICUBIC)
    expected = np.asarray(scaled.crop((left, top, left + size[1], top + size[0]))).astype(int)
    found = np.asarray(images._fit(picture, spec)).astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 2
