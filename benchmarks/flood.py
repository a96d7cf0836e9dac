"""A flood: one group posts 10,000 photos in 10 minutes, while nine others live on.

    python -m benchmarks.flood [--posts 10000] [--minutes 10] [--seed 1] [--quick] [--write]

The bot's own parts at work: PhotoMemory, SqliteStore, Indexer, Decoder with its processes, text
reading too, and the starter model. First the nine groups post and ask in peace, then the same while
the tenth floods. The bot's memory has to stay under what its settings allow, every question has to
be answered, and the others' photos have to be findable about as soon as before.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
import psutil

from benchmarks import phone, reliability, rounds
from benchmarks.chat import Chat
from bot.decoder import Decoder
from bot.indexing import Indexer
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import EVERYONE, Query, Task
from bot.ports import Encoder
from storage.sqlite import SqliteStore

NAME = "flood"
GROUPS = 10
KNOWN = 300
"""Photos that each group has before."""
DISTINCT = 6
INDEXING_MB, SEARCH_MB = 128, 128
"""The settings INDEXING_MB and SEARCH_CACHE_MB of this run: together they are the bound."""
ASK_EVERY, POST_EVERY = 0.5, 1.0
"""Seconds between two questions, and two photos, of the nine groups together."""
ANSWERED = 5.0
"""Seconds within which every question has to be answered."""
SOON = 10.0
"""Seconds by which the others' photos may become findable later than in peace (95 of 100)."""
WORDS = ("cake", "dog", "beach", "snow", "train", "party", "garden", "boat", "sign", "cat")


@dataclass
class Times:
    """What the nine groups saw."""

    questions: list[float] = field(default_factory=list)
    """Seconds each took."""
    findable: list[float] = field(default_factory=list)
    """Seconds from posting a photo until its vector was stored."""
    failed: list[str] = field(default_factory=list)


@dataclass
class Result:
    """What happened."""

    quiet: Times = field(default_factory=Times)
    flooded: Times = field(default_factory=Times)
    posts: int = 0
    seconds: float = 0.0
    """That the flood lasted."""
    embedded: int = 0
    """Of its photos, when it ended."""
    before_mb: float = 0.0
    most_mb: float = 0.0
    children_mb: float = 0.0
    """The most that all decoder processes took together."""

    @property
    def grown_mb(self) -> float:
        return self.most_mb - self.before_mb


class Flood:
    """One bot with ten groups."""

    def __init__(self, store: SqliteStore, memory: PhotoMemory, chat: Chat, seed: int) -> None:
        self._store, self._memory, self._chat = store, memory, chat
        self._chance = Random(seed)
        self._process = psutil.Process()

    async def fill(self, photos: int) -> None:
        """What the groups have from before, with vectors of nothing."""
        encoder = self._memory.model.encoder
        assert encoder is not None
        rng = np.random.default_rng(1)
        for group in range(GROUPS):
            ids = [await self._remember(group) for _ in range(photos)]
            vectors = rng.normal(size=(photos, encoder.model.dimension)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            await self._store.save_vectors(encoder.model, ids, vectors)
            for each in ids:
                await self._store.end(each, Task.READ)
                await self._store.end(each, Task.FINGERPRINT)

    async def live(self, times: Times, until: asyncio.Event) -> None:
        """Nine groups ask and post, until they are told to stop; what they posted is waited for."""
        waiting: set[asyncio.Task[None]] = set()
        began = time.monotonic()
        for turn in itertools.count():
            if until.is_set():
                break
            waiting.add(asyncio.create_task(self._ask(times)))
            if turn % round(POST_EVERY / ASK_EVERY) == 0:
                waiting.add(asyncio.create_task(self._post_and_wait(times)))
            pause = began + (turn + 1) * ASK_EVERY - time.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), max(0.0, pause))
        await asyncio.gather(*waiting)

    async def flood(self, posts: int, seconds: float, progress: Callable[[int], None]) -> list[int]:
        """Group 0 posts at a steady pace, or as fast as it can if that is slower."""
        ids: list[int] = []
        began = time.monotonic()
        for number in range(posts):
            ids.append(await self._remember(0))
            progress(number + 1)
            await asyncio.sleep(max(0.0, began + number * seconds / posts - time.monotonic()))
        return ids

    async def watch(self, result: Result) -> None:
        """The memory of all processes, until cancelled."""
        while True:
            result.most_mb = max(result.most_mb, self.resident)
            children = 0.0
            for child in self._process.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    children += child.memory_info().rss / 2**20
            result.children_mb = max(result.children_mb, children)
            await asyncio.sleep(0.2)

    @property
    def resident(self) -> float:
        return float(self._process.memory_info().rss / 2**20)

    async def embedded(self, ids: Sequence[int]) -> int:
        return len(ids) - (await self._store.unfinished(ids))[Task.EMBED]

    async def _remember(self, group: int) -> int:
        return (await self._memory.remember(self._chat.post(group))).added[0]

    async def _ask(self, times: Times) -> None:
        group = self._chance.randrange(GROUPS)  # the flooded one too
        words = f"{self._chance.choice(WORDS)} {self._chance.randrange(1000)}"
        began = time.monotonic()
        try:
            answer = await self._memory.find(Query((f"chat:{group}",), words, EVERYONE))
        except Exception as error:
            times.failed.append(f"{type(error).__name__}: {error}")
            return
        if not (answer.hits or answer.rest):
            times.failed.append(f"nothing at all was found for {words}")
        times.questions.append(time.monotonic() - began)

    async def _post_and_wait(self, times: Times) -> None:
        began = time.monotonic()
        photo = await self._remember(1 + self._chance.randrange(GROUPS - 1))
        while not await self.embedded([photo]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        times.findable.append(time.monotonic() - began)


async def run(
    encoder: Encoder,
    decoder: Decoder,
    jpegs: Sequence[bytes],
    posts: int,
    seconds: float,
    seed: int,
    progress: Callable[[int], None],
    known: int = KNOWN,
) -> Result:
    """`seconds` are those of the flood; a tenth of that is peace before it."""
    result, chat = Result(posts=posts), Chat(jpegs, WORDS)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = SqliteStore(folder / "box.db", cache_megabytes=SEARCH_MB)
        await stack.enter_async_context(store)
        adapters = {chat.platform: chat}
        memory = PhotoMemory(store, ModelState("flood", encoder), adapters, decoder)
        await memory.prepare(encoder)
        at = Flood(store, memory, chat, seed)
        await at.fill(known)
        indexer = Indexer(store, memory, adapters, decoder, INDEXING_MB * 2**20)
        await stack.enter_async_context(indexer.running())

        until = asyncio.Event()
        peace = asyncio.create_task(at.live(result.quiet, until))
        await asyncio.sleep(seconds / 10)
        until.set()
        await peace

        until.clear()
        result.before_mb = at.resident
        watching = asyncio.create_task(at.watch(result))
        living = asyncio.create_task(at.live(result.flooded, until))
        began = time.monotonic()
        ids = await at.flood(posts, seconds, progress)
        result.seconds = time.monotonic() - began
        result.embedded = await at.embedded(ids)
        until.set()
        await living
        watching.cancel()
    return result


def percentile(values: Sequence[float], share: float) -> float:
    return float(np.percentile(values, share)) if values else float("nan")


def verdicts(result: Result) -> list[tuple[bool, str]]:
    """What has to hold, and whether it did."""
    bound = INDEXING_MB + SEARCH_MB
    quiet, flooded = result.quiet, result.flooded
    failed = [*quiet.failed, *flooded.failed]
    slowest = max(flooded.questions, default=float("inf"))
    later = percentile(flooded.findable, 95) - percentile(quiet.findable, 95)
    return [
        (
            result.grown_mb <= bound,
            f"the bot's process grew by {result.grown_mb:.0f} MB, to {result.most_mb:.0f} (at most "
            f"INDEXING_MB + SEARCH_CACHE_MB = {bound})",
        ),
        (
            not failed and slowest <= ANSWERED,
            f"of {len(flooded.questions)} questions {len(failed)} failed; the slowest took "
            f"{slowest:.2f} s (at most {ANSWERED:g})",
        ),
        (
            later <= SOON,
            f"95 of 100 of the other groups' photos were findable {max(0.0, later):.1f} s later "
            f"than in peace, or less (at most {SOON:g})",
        ),
    ]


def report(result: Result, command: str, photos: str) -> str:
    """As Markdown."""
    rows = []
    for name, times in (("in peace", result.quiet), ("in the flood", result.flooded)):
        asked = [f"{1000 * percentile(times.questions, share):.0f} ms" for share in (50, 95, 100)]
        found = [f"{percentile(times.findable, share):.1f} s" for share in (50, 95, 100)]
        rows.append([name, len(times.questions), " / ".join(asked), len(times.findable)])
        rows[-1].append(" / ".join(found))
    head = ["", "questions", "answered in (50 / 95 / all of 100)", "others' photos", "findable in"]
    packages = ("torch", "numpy", "pillow", "aiosqlite")
    where = f"{datetime.now(UTC):%Y-%m-%d}, {rounds.machine(*packages)}"
    failed = [*result.quiet.failed, *result.flooded.failed]
    return "\n".join(
        [
            "## A flood",
            "",
            f"`{command}` ({where}): one group posts {result.posts:,} photos in "
            f"{result.seconds / 60:.1f} minutes ({photos}) while nine others, and members of the "
            f"flooded one, ask every {ASK_EVERY:g} s, and the nine post a photo every "
            f"{POST_EVERY:g} s. Store, indexer, decoder processes and text reading are the real "
            "ones; the model is the starter. All posts were acknowledged; "
            f"{result.embedded:,} of the flood's photos were embedded when it ended, the rest "
            "waits its turn. Decoder and reading processes took "
            f"{result.children_mb:.0f} MB together at most, the bot's own "
            f"{result.before_mb:.0f} MB before.",
            "",
            rounds.table(head, rows),
            "",
            *(rounds.verdict(reached, what) for reached, what in verdicts(result)),
            *(f"- **{fault}**" for fault in failed[:10]),
        ]
    )


def main() -> int:
    """Read the command line, run, print."""
    from tqdm import tqdm

    from bot import clip
    from bot.starter import files

    parser = argparse.ArgumentParser(prog="python -m benchmarks.flood", description=__doc__)
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="500 posts in half a minute")
    parser.add_argument("--write", action="store_true", help=f"into {reliability.PAGE}")
    options = parser.parse_args()
    posts, minutes = (500, 0.5) if options.quick else (options.posts, options.minutes)
    size = phone.SIZES["2 MP"]
    jpegs = [phone.photo(size, options.seed + n) for n in range(DISTINCT)]
    encoder = clip.load(files.NAME, Path("models"), "", lambda done, total: None)

    async def measured() -> Result:
        with tqdm(total=posts, unit="post", file=sys.stderr, mininterval=1) as bar:

            def progress(done: int) -> None:
                bar.update(done - bar.n)

            async with Decoder() as decoder:
                return await run(
                    encoder, decoder, jpegs, posts, 60 * minutes, options.seed, progress
                )

    result = asyncio.run(measured())
    encoder.close()
    weight = sum(map(len, jpegs)) / len(jpegs) / 1e6
    command = f"python -m benchmarks.flood --posts {posts} --minutes {minutes:g}"
    command += f" --seed {options.seed}{' --write' if options.write else ''}"
    text = report(result, command, f"{size[0]} × {size[1]} pixels, {weight:.1f} MB each")
    print(text)
    if options.write:
        reliability.write(NAME, text)
    return 0 if all(reached for reached, _ in verdicts(result)) else 1


if __name__ == "__main__":
    sys.exit(main())
