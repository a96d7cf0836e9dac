"""`python -m benchmarks.search`: the three nearest of a large group, against those who do that.

One group of photos whose embeddings lie in clusters (benchmarks/filling.py), in a real store.
Questions go through the store's public call, with the background that decides whether anything
fits, as every `/find` does; the rivals only look for the nearest. All are asked in turn, some
questions at a time, so that whatever else the machine does hits all alike; the first of a turn
finds the caches full of the others' vectors and is told by itself too. What is right is the nearest
by float32, computed by NumPy.

A store's memory and its first question are measured in processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import psutil

from benchmarks.filling import MODEL, Cloud, batches, cloud_for, fill
from benchmarks.rounds import as_the_bot, machine, patient
from benchmarks.searchers import TOP, rivals
from bot.candidates import Background
from bot.photos import EVERYONE, PhotoRef, Post, Vector
from storage.meaning import SHARE, SPARE
from storage.sqlite import SqliteStore

SEED = 7
SIZES = (10_000, 100_000, 1_000_000)
GROUP = "g"
ROUNDS, IN_A_ROW = 6, 5
"""Turns that each takes, the first to warm up; questions in each."""
JUDGED = 200
"""Questions of which the share of right answers is counted."""
WRITES = 9
DOCS = Path("docs/benchmarks")
SHOEBOX = "Shoebox"


@dataclass(frozen=True, slots=True)
class Figure:
    """Milliseconds a question."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(seconds: Sequence[float]) -> Figure:
        times = [1000 * each for each in seconds]
        return Figure(statistics.median(times), min(times), max(times))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}-{self.most:.2f})"


@dataclass(slots=True)
class Size:
    """What was measured with so many photos."""

    photos: int
    asked: dict[str, Figure] = field(default_factory=dict)
    firsts: dict[str, Figure] = field(default_factory=dict)
    """The same of the first questions of each turn only."""
    recall: dict[str, float] = field(default_factory=dict)
    memory_read: float = 0.0
    """Bytes a second that all cores together read from memory, in the same rounds."""
    scan: float = 0.0
    """Bytes a second of the codes that a question reads, in its whole time."""
    resident_mb: float = 0.0
    first: float = 0.0
    """Seconds of the first question after a start."""
    first_ever: float = 0.0
    """The same before anything was packed."""
    stored: Figure = Figure(0, 0, 0)
    """The question after a photo was stored, with that photo in its answer."""
    deleted: Figure = Figure(0, 0, 0)
    """The question after a photo was deleted, without it."""


@dataclass(slots=True)
class Report:
    seed: int
    machine: str
    sizes: list[Size]
    seconds: float = 0.0


async def measure(size: int, work: Path, seed: int, rounds: int, judged: int) -> Size:
    """Ask everybody. `work` may hold a store that was filled before."""
    cloud, found = cloud_for(size, seed), Size(size)
    path = work / f"{size}-{seed}.db"
    if not path.exists():
        await fill(path, [GROUP], cloud, size)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM packs")
    found.first_ever = _in_a_process(path, size, seed)["first"]
    alone = _in_a_process(path, size, seed)
    found.resident_mb, found.first = alone["resident_mb"], alone["first"]
    vectors = np.concatenate(list(batches(cloud, size)))
    questions = cloud.questions(max(rounds * IN_A_ROW, judged) + 1)
    right = _right(vectors, questions)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        others = rivals(vectors, Path(folder))
        async with SqliteStore(path) as store:
            names = [SHOEBOX, *others]
            turns: dict[str, list[list[float]]] = {name: [] for name in names}
            hits = dict.fromkeys(names, 0)
            reading: list[float] = []
            offset = (await _ask(store, cloud, questions[-1]))[0]
            for n in range(rounds):
                some = range(n * IN_A_ROW, (n + 1) * IN_A_ROW)
                reading += [_read_memory(vectors) for _ in some]
                for name in names[n % len(names) :] + names[: n % len(names)]:
                    turn: list[float] = []
                    with as_the_bot() if name == SHOEBOX else nullcontext():
                        for each in some:
                            start = time.perf_counter()
                            if name == SHOEBOX:
                                answer = await _ask(store, cloud, questions[each])
                                photos = [photo - 1 for photo in answer[1:]]
                            else:
                                photos = others[name](questions[each])
                            turn.append(time.perf_counter() - start)
                            hits[name] += len(right[each].intersection(photos))
                    turns[name].append(turn)
            found.recall = {name: hits[name] / (TOP * rounds * IN_A_ROW) for name in names}
            more = 0
            for n, question in enumerate(questions[:judged]):
                nearest = (await _ask(store, cloud, question))[1:]
                more += len(right[n].intersection(photo - 1 for photo in nearest))
            found.recall[SHOEBOX] = more / (TOP * judged)
            assert offset == size
            for name, (_, *warm) in turns.items():
                found.asked[name] = Figure.of([each for turn in warm for each in turn])
                found.firsts[name] = Figure.of([turn[0] for turn in warm])
            with as_the_bot():
                found.stored, found.deleted = await _freshness(store, cloud)
    found.memory_read = statistics.median(reading)
    codes = size * cloud.dimension
    found.scan = codes / (found.asked[SHOEBOX].median / 1000)
    return found


async def _ask(store: SqliteStore, cloud: Cloud, question: Vector) -> list[int]:
    """[photos in scope, the TOP nearest …]"""
    answer = await store.search(
        [GROUP], EVERYONE, [], [question], MODEL, TOP, background=_background(cloud)
    )
    best = sorted(answer.items, key=lambda item: -(item.cosine or 0))
    return [answer.total, *(item.photo for item in best)]


@lru_cache
def _background(cloud: Cloud) -> Background:
    return cloud.background()


def _right(vectors: Vector, questions: Vector) -> list[set[int]]:
    best: list[set[int]] = []
    for some in np.array_split(questions, max(1, len(questions) // 16)):
        cosines = some @ vectors.T
        nearest = np.argpartition(-cosines, TOP, axis=1)[:, :TOP]
        best += [set(each.tolist()) for each in nearest]
    return best


async def _freshness(store: SqliteStore, cloud: Cloud) -> tuple[Figure, Figure]:
    """Questions right after a photo was stored, and right after it was deleted."""
    stored: list[float] = []
    deleted: list[float] = []
    for n, vector in enumerate(cloud.vectors(WRITES, batch=10**6)):
        ref = PhotoRef("file", f"new {n}", "/new")
        post = Post(GROUP, "channel 1", f"new {n} {time.time()}", "ann", "Ann", _NOW, (ref,))
        [photo] = (await store.remember(post)).added
        await store.save_vectors(MODEL, [photo], vector[None])
        start = time.perf_counter()
        answer = await _ask(store, cloud, vector)
        stored.append(time.perf_counter() - start)
        assert answer[1] == photo, "what was stored was not found at once"
        await store.drop(photo)
        start = time.perf_counter()
        answer = await _ask(store, cloud, vector)
        deleted.append(time.perf_counter() - start)
        assert photo not in answer[1:], "what was deleted was found"
    return Figure.of(stored), Figure.of(deleted)


_NOW = datetime(2024, 6, 1, tzinfo=UTC)


def _read_memory(vectors: Vector) -> float:
    """Bytes a second that all cores together read."""
    cores = os.cpu_count() or 1
    parts = np.array_split(vectors.reshape(-1)[: 2**27].view(np.int64), cores)
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(np.bitwise_xor.reduce, [part[:1] for part in parts]))
        start = time.perf_counter()
        list(pool.map(np.bitwise_xor.reduce, parts))
        return sum(part.nbytes for part in parts) / (time.perf_counter() - start)


def _in_a_process(path: Path, size: int, seed: int) -> dict[str, float]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.search", "--alone", str(path)),
            *("--sizes", str(size), "--seed", str(seed)),
        ],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # as the bot does
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def alone(path: Path, size: int, seed: int) -> dict[str, float]:
    """The first question of a process, and what memory the store takes after some more."""
    cloud = cloud_for(size, seed)
    questions = cloud.questions(6)
    _background(cloud)
    process = psutil.Process()
    async with SqliteStore(path) as store:
        before = process.memory_info().rss
        start = time.perf_counter()
        await _ask(store, cloud, questions[0])
        first = time.perf_counter() - start
        for question in questions[1:]:
            await _ask(store, cloud, question)
        resident = process.memory_info().rss - before
        await store.settled()
    return {"first": first, "resident_mb": resident / 1e6}


def table(size: Size) -> str:
    """One size's contenders."""
    ours = size.asked[SHOEBOX].median
    lines = [
        "| | ms a question: median (least-most) | first of a turn | times Shoebox's | recall@3 |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {figure} | {size.firsts[name].median:.2f} | {figure.median / ours:.1f}"
        f" | {size.recall[name]:.4f} |"
        for name, figure in size.asked.items()
    ]
    return "\n".join(lines)


def verdicts(report: Report) -> list[str]:
    """What had to be reached, and whether it was."""
    found: list[str] = []
    for size in report.sizes:
        ours = size.asked[SHOEBOX].median
        if size.photos == 10_000:
            cold = size.firsts[SHOEBOX].median
            told = f"{ours:.2f} ms, {cold:.2f} the first of a turn (under 2 ms)"
            found.append(_verdict(ours < 2, f"10,000 photos: {told}"))
        if size.photos != 1_000_000:
            continue
        others = {name: each.median / ours for name, each in size.asked.items() if name != SHOEBOX}
        slow = next(ratio for name, ratio in others.items() if "sqlite-vec" in name)
        near = min(others, key=lambda name: others[name])
        share = size.scan / size.memory_read
        warm = 10 * ours / 1000
        found += [
            _verdict(slow >= 10, f"{slow:.1f} times as fast as sqlite-vec float32 (at least 10)"),
            _verdict(
                others[near] > 1 and size.recall[SHOEBOX] >= 0.999,
                f"faster than every rival (the nearest, {near}, takes {others[near]:.1f} times as"
                f" long) at recall@3 {size.recall[SHOEBOX]:.4f} (at least 0.999)",
            ),
            _verdict(size.resident_mb <= 700, f"{size.resident_mb:.0f} MB resident (at most 700)"),
            _verdict(
                share >= 0.6,
                f"{size.scan / 1e9:.1f} GB/s of int8 codes over the whole question,"
                f" {share:.0%} of the {size.memory_read / 1e9:.1f} GB/s read in the same rounds"
                " (at least 60 %)",
            ),
            _verdict(
                size.first <= max(2, warm),
                f"first question after a start: {size.first:.2f} s (at most {max(2, warm):.1f} s)",
            ),
        ]
    least, most = report.sizes[0], report.sizes[-1]
    for what, a, b in (
        ("stored", least.stored, most.stored),
        ("deleted", least.deleted, most.deleted),
    ):
        more = [
            figure.median - size.asked[SHOEBOX].median for figure, size in ((a, least), (b, most))
        ]
        found.append(
            f"- the question after a photo was {what}: {more[0]:+.1f} ms at {least.photos:,}"
            f" photos, {more[1]:+.1f} ms at {most.photos:,}; the answer was right each time"
        )
    return found


def _verdict(reached: bool, what: str) -> str:
    return f"- {'reached' if reached else '**missed**'}: {what}"


def document(report: Report) -> str:
    """docs/benchmarks/search.md"""
    tables = "\n\n".join(
        f"## {size.photos:,} photos\n\n{table(size)}\n\n"
        f"Resident {size.resident_mb:.0f} MB more than before the first question, which took"
        f" {size.first:.2f} s ({size.first_ever:.1f} s the very first time, before anything was"
        " packed)."
        for size in report.sizes
    )
    return f"""# How long does a search take?

`python -m benchmarks.search` wrote this. Top {TOP} of one group, 512 dimensions, clustered
embeddings, seed {report.seed}. Shoebox is asked through the store's public call and also says
whether anything fits; rivals only look for the nearest. All take turns of {IN_A_ROW} questions; the
first one of a turn finds the caches full of what others read.

{chr(10).join(verdicts(report))}

Shoebox reads each photo's embedding as 512 int8 codes with a scale (numkong), and the best
{TOP + SPARE + TOP // SHARE} again as float32 from the database; the bandwidth is that of the codes
alone, over the whole time of a question.

{tables}

{report.machine}; {report.seconds:.0f} s.
"""


async def run(sizes: Sequence[int], work: Path, seed: int, rounds: int, judged: int) -> Report:
    report, start = Report(seed, machine("numpy"), []), time.perf_counter()
    for size in sizes:
        report.sizes.append(await measure(size, work, seed, rounds, judged))
        print(f"{size:,} photos\n{table(report.sizes[-1])}", flush=True)
    report.seconds = time.perf_counter() - start
    return report


def main() -> int:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--quick", action="store_true", help="5,000 photos; writes nothing")
    parser.add_argument("--work", type=Path, help="keep filled stores here, for the next time")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    patient()
    if options.alone:
        print(json.dumps(asyncio.run(alone(options.alone, options.sizes[0], options.seed))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        rounds, judged = (2, 20) if options.quick else (ROUNDS, JUDGED)
        sizes = [5_000] if options.quick else options.sizes
        report = asyncio.run(run(sizes, work, options.seed, rounds, judged))
    print(document(report))
    if not options.quick:
        DOCS.mkdir(parents=True, exist_ok=True)
        (DOCS / "search.md").write_text(document(report), "utf-8")
        (DOCS / "search.json").write_text(json.dumps(asdict(report), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
