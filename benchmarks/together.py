"""`python -m benchmarks.together`: do searches wait for indexing, and groups for each other?

The bot's own parts at work: SqliteStore, Indexer, Decoder, encoder, PhotoMemory. Questions are
asked at a steady pace, each another one, so that no cache answers; photos are as chats hand them
out (2 megapixels). Four times are compared, in turns: nothing is posted; everything waits to be
indexed at full rate; ten groups post together; one of the ten posts ten times as much.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import models, phone
from benchmarks.chat import Chat
from benchmarks.remembering import Remembering
from benchmarks.rounds import Figure, as_the_bot, machine, save, table, verdict
from bot import perceptual
from bot.decoder import Decoder
from bot.indexing import Indexer
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import EVERYONE, Query, Task

SIZE = "2 MP"
DISTINCT = 6
KNOWN = 2000
"""Photos that the asked group has already."""
PAUSE = 0.35
"""Seconds between two questions of one asker."""
SLOWER, LOSES, UNFAIR = 3.0, 0.10, 1.5
"""Most: p95 while indexing to idle p95; the share of photos a second lost to questions; p95 of the
others' questions in a flood to the same while all post alike."""
IDLE, BUSY, ALIKE, FLOOD = "idle", "indexing", "ten groups post alike", "one of ten floods"
GROUPS = 10
WORDS = (
    *("cake", "dog", "beach", "snow", "train", "party", "garden", "boat", "sign", "cat"),
    *("bicycle", "bridge", "candle", "lake", "kitchen", "tower", "horse", "flower"),
)


@dataclass(slots=True)
class Times:
    """One kind of time, over all rounds."""

    questions: list[float] = field(default_factory=list)
    """Milliseconds each took."""
    findable: list[float] = field(default_factory=list)
    """Seconds from posting a photo in a quiet group until its vector was stored."""
    rates: list[float] = field(default_factory=list)
    """Photos a second, round by round."""

    def percentile(self, share: float) -> float:
        return float(np.percentile(self.questions, share)) if self.questions else float("nan")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured."""

    times: dict[str, Times]
    alone: Figure
    """Photos a second while nobody asks."""
    machine: str
    rounds: int


class Bench:
    """The bot at work, with a group that has photos already."""

    def __init__(self, store: Remembering, memory: PhotoMemory, chat: Chat) -> None:
        self.store, self.memory, self.chat = store, memory, chat
        self._asked: Iterator[str] = _questions()

    async def fill(self, group: int, photos: int, dimension: int) -> None:
        """Photos with random vectors; what they show doesn't matter here."""
        encoder = self.memory.model.encoder
        assert encoder is not None
        rng = np.random.default_rng(group)
        ids = [(await self.memory.remember(self.chat.post(group))).added[0] for _ in range(photos)]
        vectors = rng.normal(size=(photos, dimension)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        await self.store.save_vectors(encoder.model, ids, vectors)
        await self.store.save_fingerprints({each: _fingerprint(rng) for each in ids})
        for each in ids:
            await self.store.end(each, Task.READ)

    async def ask(self, group: int, times: Times, until: asyncio.Event) -> None:
        """Questions at a steady pace."""
        while not until.is_set():
            query = Query((f"chat:{group}",), next(self._asked), EVERYONE)
            began = time.perf_counter()
            await self.memory.find(query)
            times.questions.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(PAUSE)

    async def post(self, group: int, photos: int) -> list[int]:
        return [(await self.memory.remember(self.chat.post(group))).added[0] for _ in range(photos)]

    async def indexed(self, ids: Sequence[int]) -> float:
        """Seconds until the last of them has its vector."""
        began = time.perf_counter()
        await self.store.all_stored(ids)
        return time.perf_counter() - began

    async def drop(self, ids: Sequence[int]) -> None:
        for each in ids:
            await self.memory.drop(each)


def _fingerprint(rng: np.random.Generator) -> bytes:
    """Of a picture of a few soft patches: noise would be another thing to compare."""
    patches = rng.integers(0, 256, (*rng.integers(3, 12, 2), 3), dtype=np.uint8)
    picture = Image.fromarray(patches).resize((96, 72), Image.Resampling.BICUBIC)
    return perceptual.fingerprint(picture)


def _questions() -> Iterator[str]:
    pairs = itertools.permutations(WORDS, 2)
    for number, (one, other) in enumerate(itertools.cycle(pairs)):
        yield f"{one} and {other} {number}"


async def measure(work: Path, rounds: int, photos: int, seconds: float) -> Report:
    """`photos` are indexed a round and time; idle time lasts `seconds`."""
    folder = models.make(models.SMALL, work)
    encoder = models.load(folder, work)
    jpegs = [phone.photo(phone.SIZES[SIZE], seed) for seed in range(DISTINCT)]
    chat = Chat(jpegs)
    times = {name: Times() for name in (IDLE, BUSY, ALIKE, FLOOD)}
    alone: list[float] = []
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=work)))
        stack.callback(encoder.close)
        store = await stack.enter_async_context(Remembering(scratch / "group.db"))
        decoder = await stack.enter_async_context(Decoder())
        state = ModelState(models.SMALL, encoder)
        memory = PhotoMemory(store, state, {chat.platform: chat}, decoder)
        await memory.prepare(encoder)
        bench = Bench(store, memory, chat)
        for group in range(GROUPS):
            await bench.fill(group, KNOWN, encoder.model.dimension)
        indexer = Indexer(store, memory, {chat.platform: chat}, decoder)
        await stack.enter_async_context(indexer.running())
        for number in range(rounds + 1):
            kept = times if number else {name: Times() for name in times}  # the first warms up
            await _with_questions(bench, kept[IDLE], [1], asyncio.sleep(seconds))
            for asked in (False, True) if number % 2 else (True, False):  # neither is always first
                ids = await bench.post(0, photos)
                groups, asking = ([1], kept[BUSY]) if asked else ([], Times())
                took = await _with_questions(bench, asking, groups, bench.indexed(ids))
                if number:
                    (kept[BUSY].rates if asked else alone).append(photos / took)
                await bench.drop(ids)
            for name, share in ((ALIKE, photos // GROUPS), (FLOOD, photos)):
                await _crowd(bench, kept[name], photos, share)
    packages = ("onnxruntime", "numpy", "pillow", "aiosqlite")
    return Report(times, Figure(tuple(alone)), machine(*packages), rounds)


async def _with_questions(bench: Bench, times: Times, groups: Sequence[int], work: object) -> float:
    until = asyncio.Event()
    asking = [asyncio.create_task(bench.ask(group, times, until)) for group in groups]
    took = await work  # type: ignore[misc]
    until.set()
    await asyncio.gather(*asking)
    return float(took or 0)


async def _crowd(bench: Bench, times: Times, photos: int, first: int) -> None:
    """Group 0 posts `first` photos at once; the nine others now and then one, and ask."""
    flood = await bench.post(0, first)
    others: list[int] = []

    async def living() -> float:
        began = time.perf_counter()
        for turn in range(max(1, photos // GROUPS)):
            new = await bench.post(1 + turn % (GROUPS - 1), 1)
            others.extend(new)
            times.findable.append(await bench.indexed(new))
        await bench.indexed([*flood, *others])
        return time.perf_counter() - began

    await _with_questions(bench, times, [1 + n for n in range(3)], living())
    await bench.drop([*flood, *others])


def verdicts(report: Report) -> list[str]:
    """Every bar with what was measured."""
    times = report.times
    idle, busy = times[IDLE].percentile(95), times[BUSY].percentile(95)
    alike, flood = times[ALIKE].percentile(95), times[FLOOD].percentile(95)
    rate = Figure(tuple(times[BUSY].rates)).median
    lost = 1 - rate / report.alone.median
    return [
        verdict(
            busy <= SLOWER * idle,
            f"p95 of questions while indexing is {busy / idle:.1f} times idle (at most {SLOWER})",
        ),
        verdict(
            lost <= LOSES,
            f"questions cost indexing {lost:.0%} of its photos a second (at most {LOSES:.0%})",
        ),
        verdict(
            flood <= UNFAIR * alike,
            f"p95 of the others' questions in a flood is {flood / alike:.2f} times that of all "
            f"posting alike (at most {UNFAIR})",
        ),
    ]


def document(report: Report) -> str:
    """docs/benchmarks/together.md"""
    rows = []
    for name, times in report.times.items():
        rates = str(Figure(tuple(times.rates))) if times.rates else ""
        findable = f"{np.median(times.findable):.2f} s" if times.findable else ""
        cells = [f"{times.percentile(share):.0f} ms" for share in (50, 95)]
        rows.append([name, len(times.questions), *cells, rates, findable])
    heads = [
        "",
        "questions",
        "p50",
        "p95",
        "photos a second",
        "a quiet group's photo is findable in",
    ]
    return f"""# Searching while indexing

`python -m benchmarks.together` wrote this: `PhotoMemory.find` in groups of {KNOWN:,} photos,
ViT-B-32, while photos of 2 megapixels are indexed, text in photos read beside; {report.rounds}
rounds in turns. With nobody asking, {report.alone} photos a second are indexed.

{table(heads, rows)}

{chr(10).join(verdicts(report))}

{report.machine}
"""


def main() -> int:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.together", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="few photos, to see that it runs")
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks as it is")
    parser.add_argument("--work", type=Path, default=Path("data/benchmarks"), help="kept models")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rounds, photos, seconds = (1, 20, 3.0) if options.quick else (options.rounds, 200, 15.0)
    with as_the_bot():
        report = asyncio.run(measure(options.work, rounds, photos, seconds))
    print(document(report))
    if not options.dry:
        save("together", document(report), asdict(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
