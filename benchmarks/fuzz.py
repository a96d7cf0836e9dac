"""Damaged files by the hundred thousand: what becomes of the bot when strangers post them.

    python -m benchmarks.fuzz --files 100000 --seed 1 [--write]

Small pictures of every format are damaged as disks, networks and attackers do it, and go through
the bot's own decoder (bot.decoder); of those that still open, some are read for text too. A decoder
that crashes or hangs may cost that one file; the process that the bot lives in has to go on, and
neither may grow.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

from benchmarks import reliability
from bot.decoder import DECODE_SECONDS, MEMORY, Decoder
from bot.errors import NotAPhoto
from bot.photos import ImageSpec

SPEC = ImageSpec((224, 224))
NAME = "fuzz"
SLOW_SECONDS = 5.0
EVERY = 50
"""Every so many files, one that is whole: it must come through after whatever came before."""
READ_EVERY = 100
"""Of the files that still open, how many share one that is read for text as well."""
MOST_GROWN = 64.0
"""MiB that the bot's own process may gain from the first tenth of the run to the last, by their
medians, since it goes up and down with the size of files: more is a leak."""
MOST_BYTES = 32 * 2**20
"""Of a damaged file: more than any adapter takes."""
HEIC = Path(__file__).parent.parent / "tests" / "data" / "red-left.heic"
Mutation = Callable[[Random, bytes], bytes]


@dataclass
class Result:
    """What became of the files."""

    files: Counter[str] = field(default_factory=Counter)
    """By format."""
    opened: int = 0
    read: int = 0
    """For text."""
    refused: Counter[str] = field(default_factory=Counter)
    """By reason."""
    slow: int = 0
    slowest: float = 0.0
    seconds: float = 0.0
    children: int = 0
    """Processes that were started: one each for decoding and for reading, all others because their
    predecessor died."""
    child_mib: float = 0.0
    """The largest child, in MiB resident."""
    grown_mib: float = 0.0
    """What the bot's own process gained."""
    bot_mib: float = 0.0
    """The most that it had."""
    faults: list[str] = field(default_factory=list)


def corpus() -> dict[str, list[bytes]]:
    """Whole pictures, a few of each format."""
    found: dict[str, list[bytes]] = {}
    for number, size in enumerate(((64, 48), (120, 200))):
        image = _drawn(number, size)
        frames = [_drawn(number + n, size) for n in range(3)]
        sixteen = image.convert("I;16")
        exif = Image.Exif()
        exif[274], exif[306] = 6, "2024:05:01 12:00:00"
        for format_, more in (
            ("JPEG", {"quality": 80, "exif": exif}),
            ("JPEG", {"quality": 60, "progressive": True}),
            ("PNG", {"exif": exif}),
            ("PNG", {"save_all": True, "append_images": frames}),
            ("WEBP", {"quality": 70}),
            ("WEBP", {"save_all": True, "append_images": frames, "lossless": True}),
            ("GIF", {"save_all": True, "append_images": frames}),
            ("AVIF", {"quality": 60}),
            ("TIFF", {"compression": "tiff_lzw"}),
            ("TIFF", {"compression": "jpeg"}),
            ("BMP", {}),
        ):
            found.setdefault(format_, []).append(_saved(image, format_, **more))
        found["PNG"].append(_saved(sixteen, "PNG"))
        found["TIFF"].append(_saved(sixteen, "TIFF", compression="tiff_deflate"))
    found["HEIC"] = [HEIC.read_bytes()]  # nothing here writes HEIC
    return found


def _drawn(number: int, size: tuple[int, int]) -> Image.Image:
    rng = Random(number)
    image = Image.frombytes("RGB", size, rng.randbytes(3 * size[0] * size[1]))
    image = Image.blend(image, Image.new("RGB", size, "gray"), 0.7)
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        draw.ellipse((x, y, x + 20, y + 20), colour)
    return image


def _saved(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def damaged(rng: Random, data: bytes, others: list[bytes]) -> bytes:
    """One to four mutations of a file."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(MUTATIONS)(rng, data)
        if rng.random() < 0.05:
            other = rng.choice(others)
            data = data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other)) :]
        if not data:
            return data
    return data


def _flip(rng: Random, data: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(rng.choice((1, 4, 32))):
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def _numbers(rng: Random, data: bytes) -> bytes:
    """Lengths, counts and offsets are what parsers trust."""
    made = bytearray(data)
    width = rng.choice((1, 2, 4, 8))
    at = rng.randrange(max(1, min(len(made), rng.choice((64, 512, len(made)))) - width))
    value = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1))
    little = rng.random() < 0.5
    made[at : at + width] = (value % 256**width).to_bytes(width, "little" if little else "big")
    return bytes(made)


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _hole(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randrange(1, 1 + max(1, len(data) // 4)) :]


def _repeat(rng: Random, data: bytes) -> bytes:
    at, end = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    times = min(rng.choice((1, 3, 200)), MOST_BYTES // max(1, len(data)))
    return data[:end] + data[at:end] * times + data[end:]


def _junk(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 16, 512))) + data[at:]


MUTATIONS: tuple[Mutation, ...] = (_flip, _numbers, _numbers, _cut, _hole, _repeat, _junk)


async def run(files: int, seed: int, progress: Callable[[int], None]) -> Result:
    """Damage and open so many files."""
    rng, whole = Random(seed), corpus()
    formats = sorted(whole)
    everything = [data for each in whole.values() for data in each]
    result = Result()
    began = time.monotonic()
    async with Decoder() as decoder:
        for data in everything:  # those that this machine's libraries read, and a first child
            await _opened(decoder, data)
        await decoder.read(whole["JPEG"][0])
        first, last = list[float](), list[float]()
        for number in range(files):
            format_ = rng.choice(formats)
            data = damaged(rng, rng.choice(whole[format_]), everything)
            result.files[format_] += 1
            start = time.monotonic()
            reason = await _opened(decoder, data)
            took = time.monotonic() - start
            result.slowest = max(result.slowest, took)
            result.slow += took > SLOW_SECONDS
            if reason is None:
                result.opened += 1
                if result.opened % READ_EVERY == 0:
                    await _read(decoder, data)
                    result.read += 1
            else:
                result.refused[_kind(reason)] += 1
            if number % EVERY == 0 and await _opened(decoder, whole["JPEG"][0]) is not None:
                result.faults.append(f"after file {number} a whole one is refused")
            if not files // 10 < number + 1 <= files - files // 10:
                (first if number < files // 2 else last).append(_resident(os.getpid()))
            for child in _children():
                result.child_mib = max(result.child_mib, _resident(child))
            progress(number + 1)
        result.children = decoder.started
        result.grown_mib = statistics.median(last) - statistics.median(first)
        result.bot_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if result.slowest > DECODE_SECONDS + SLOW_SECONDS:
        result.faults.append(f"a file took {result.slowest:.0f} s")
    if result.grown_mib > MOST_GROWN:
        result.faults.append(f"the bot's own process grew by {result.grown_mib:.0f} MiB")
    if result.child_mib > MEMORY / 2**20:
        result.faults.append(f"a decoder took {result.child_mib:.0f} MiB")
    result.seconds = time.monotonic() - began
    return result


async def _opened(decoder: Decoder, data: bytes) -> str | None:
    """Why it was refused, or None."""
    try:
        pixels = (await decoder.look(data, SPEC)).pixels
    except NotAPhoto as refusal:
        return str(refusal)
    assert pixels.shape == (*SPEC.size, 3)
    return None


async def _read(decoder: Decoder, data: bytes) -> None:
    """Its text is nobody's matter here; that an answer comes is."""
    with suppress(NotAPhoto):
        await decoder.read(data)


def _kind(reason: str) -> str:
    """Reasons without what differs from file to file."""
    return reason.partition(":")[0].partition("(")[0].strip()[:60]


def _children() -> list[int]:
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii")
    except OSError:
        return []
    return [int(each) for each in text.split()]


def _resident(pid: int) -> float:
    """MiB."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


def report(result: Result, seed: int) -> str:
    """As Markdown."""
    files = sum(result.files.values())
    lines = [
        "## Damaged files",
        "",
        f"`python -m benchmarks.fuzz --files {files} --seed {seed} --write` "
        f"({reliability.machine()}): small pictures are damaged (flipped bits, other numbers, cut, "
        "holes, repetitions, junk, two files in one) and go through the bot's own decoder; every "
        f"{READ_EVERY}th of those that still open is read for text too, and every {EVERY} files a "
        "whole picture must come through. A fault is a whole picture that doesn't, a file that "
        f"takes longer than its time limit ({DECODE_SECONDS} s), a decoder above its memory limit "
        f"({MEMORY // 2**20} MiB), or a bot that grows by more than {MOST_GROWN:g} MiB.",
        "",
        "| | |",
        "|---|---|",
        f"| damaged files | {files:,} |",
        f"| of them | {', '.join(f'{n:,} {name}' for name, n in sorted(result.files.items()))} |",
        f"| still opened | {result.opened:,} |",
        f"| of these, read for text too | {result.read:,} |",
        f"| refused with a reason | {sum(result.refused.values()):,} |",
        f"| decoder processes that died | {max(0, result.children - 2):,} |",
        f"| slower than {SLOW_SECONDS:g} s | {result.slow} (slowest {result.slowest:.1f} s) |",
        f"| largest decoder process | {result.child_mib:.0f} MiB |",
        f"| the bot's own process, at most | {result.bot_mib:.0f} MiB |",
        f"| its growth from the first tenth to the last (medians) | {result.grown_mib:.1f} MiB |",
        f"| files a second | {files / result.seconds:.0f} |",
        f"| faults | {len(result.faults)} |",
        "",
        "Reasons: " + ", ".join(f"{why} {n:,}" for why, n in result.refused.most_common(12)) + ".",
    ]
    return "\n".join([*lines, *(f"- **{fault}**" for fault in result.faults[:20])])


def main() -> int:
    """Read the command line, run, print."""
    from tqdm import tqdm

    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"into {reliability.PAGE}")
    options = parser.parse_args()
    with tqdm(total=options.files, unit="file", file=sys.stderr, mininterval=1) as bar:

        def progress(done: int) -> None:
            bar.update(done - bar.n)

        result = asyncio.run(run(options.files, options.seed, progress))
    text = report(result, options.seed)
    print(text)
    if options.write:
        reliability.write(NAME, text)
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
