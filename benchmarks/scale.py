"""`python -m benchmarks.scale`: what PostgreSQL and several processes bring, and where it ends.

- Encoders: a flood of drawn photos, looked at by 1, 2 and 4 real encoder processes with the starter
  model, which get them from a real gateway.
- Search: the same groups in SQLite and in PostgreSQL, asked in turn through the store's public
  call; in PostgreSQL photo by photo and by an index. What is right is the nearest by float32.
- Many groups: 1,000 of 1,000 photos each, asked while others post.

PostgreSQL is one that this starts on loopback (tests/postgres.py), with settings as in operation
(its disk is waited for).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
from tqdm import tqdm

from benchmarks import filling, filling_postgres
from benchmarks.filling import MODEL, batches, cloud_for
from benchmarks.rounds import DOCS, as_the_bot, machine
from bot.photos import EVERYONE, PhotoRef, Post, Vector
from bot.starter import families
from bot.starter.scenes import Painter, compose
from storage.postgres import PostgresStore
from storage.sqlite import SqliteStore
from tests import postgres

SEED = 7
ENCODERS = (1, 2, 4)
FLOOD = 150
SIZES = (10_000, 100_000, 1_000_000)
INDEXED_FROM = 50_000
"""As storage.postgres has it."""
ROUNDS, JUDGED, TOP = 15, 100, 3
GROUPS, OF_GROUP, MIXED_SECONDS, ASKERS, POSTERS = 1_000, 1_000, 60.0, 4, 2
DURABLE = ("shared_buffers=4GB", "max_wal_size=4GB", "maintenance_work_mem=3GB", "work_mem=64MB")
SECRET = "a-secret-of-the-benchmark"


@dataclass(slots=True)
class Size:
    """Milliseconds a question, median and most, and recall@3, by who answers."""

    photos: int
    asked: dict[str, tuple[float, float]] = field(default_factory=dict)
    recall: dict[str, float] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    """Seconds of the first question of a process."""
    index_seconds: float | None = None


@dataclass(slots=True)
class Mixed:
    """Many groups at once."""

    seconds: float
    groups: int
    photos: int
    questions: int
    posts: int
    failed: int
    median: float
    """Milliseconds a question."""
    most_of_20: float
    """What 19 of 20 questions take at most."""


@dataclass(slots=True)
class Report:
    seed: int
    machine: str
    flood: int
    encoders: dict[int, float] = field(default_factory=dict)
    """Photos a second, by processes."""
    sizes: list[Size] = field(default_factory=list)
    mixed: Mixed | None = None
    seconds: float = 0.0


# --- encoders ---------------------------------------------------------------------------------


async def encode(server: postgres.Server, work: Path, count: int, processes: int) -> float:
    """Photos a second from posted to embedded, read and fingerprinted, once the encoders are up."""
    folder = work / "photos"
    async with server.database() as url, PostgresStore(url) as store:
        ports = [_free_port() for _ in range(processes + 2)]
        gateway = {"GATEWAY_LISTEN": f"127.0.0.1:{ports[0]}", "METRICS_PORT": str(ports[1])}
        with ExitStack() as stack:
            stack.enter_context(_bot(url, work / "gateway", "gateway", gateway))
            for n in range(processes):
                looks = {
                    "GATEWAY_URL": f"http://127.0.0.1:{ports[0]}",
                    "METRICS_PORT": str(ports[2 + n]),
                }
                stack.enter_context(_bot(url, work / f"encoder{n}", "encoder", looks))
            files = sorted(folder.glob("*.jpg"))[:count]
            await _post(store, files[:processes], "warm")
            await _done(url)
            start = time.perf_counter()
            await _post(store, files, "flood")
            await _done(url)
            return len(files) / (time.perf_counter() - start)


async def _post(store: PostgresStore, files: Sequence[Path], channel: str) -> None:
    for n, file in enumerate(files):
        ref = PhotoRef("file", file.name, str(file), file.name)
        await store.remember(
            Post(f"local:g{n % 10}", channel, str(n), "ann", "Ann", datetime.now(UTC), (ref,))
        )


async def _done(url: str) -> None:
    db = await asyncpg.connect(url)
    try:
        while await db.fetchval("SELECT count(*) FROM jobs"):  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.1)
        refused = await db.fetchval("SELECT count(*) FROM photos WHERE refused IS NOT NULL")
        assert not refused, f"{refused} photos were refused"
    finally:
        await db.close()


@contextmanager
def _bot(url: str, folder: Path, role: str, values: dict[str, str]) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "run", "--role", role],
            cwd=folder,
            env=os.environ
            | {"PYTHONPATH": str(Path(__file__).parent.parent), "DATABASE_URL": url}
            | {"MODEL": "starter", "GATEWAY_SECRET": SECRET, "WEB_PORT": str(_free_port())}
            | values,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def draw(work: Path, count: int, seed: int) -> None:
    """Photos of 1,200 pixels, kept for the next time."""
    folder = work / "photos"
    folder.mkdir(parents=True, exist_ok=True)
    painter, rng = Painter(families.sprites("noto", work / "starter")), random.Random(seed)
    for n in tqdm(range(count), desc="drawing", unit="photo"):
        scene = compose(rng, painter.has)
        file = folder / f"{n:05}.jpg"
        if not file.exists():
            painter.draw(scene, 1200).save(file, "JPEG", quality=85)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- search -----------------------------------------------------------------------------------


async def search(server: postgres.Server, work: Path, photos: int, seed: int) -> Size:
    """The same questions to both stores, in turn."""
    cloud, found = cloud_for(photos, seed), Size(photos)
    background, questions = cloud.background(), cloud.questions(max(ROUNDS, JUDGED) + 1)
    right = _right(np.concatenate(list(batches(cloud, photos))), questions)
    path = work / f"scale-{photos}-{seed}.db"
    if not path.exists():
        await filling.fill(path, ["g"], cloud, photos)
    async with server.database() as url:
        await filling_postgres.fill(url, ["g"], cloud, photos)
        plain = PostgresStore(url, indexed_from=10**9)
        stores: dict[str, SqliteStore | PostgresStore] = {
            "SQLite": SqliteStore(path),
            "PostgreSQL, photo by photo": plain,
        }
        for name, store in stores.items():
            async with store:
                await _ask_all(name, store, found, questions, right, background)
        if photos >= INDEXED_FROM:
            async with PostgresStore(url, indexed_from=INDEXED_FROM) as store:
                start = time.perf_counter()
                await store.tend()
                found.index_seconds = time.perf_counter() - start
            async with PostgresStore(url, indexed_from=INDEXED_FROM) as store:
                await _ask_all("PostgreSQL, by index", store, found, questions, right, background)
    return found


async def _ask_all(
    name: str,
    store: SqliteStore | PostgresStore,
    found: Size,
    questions: Vector,
    right: Sequence[set[int]],
    background: Any,
) -> None:
    times: list[float] = []
    hits = asked = 0
    for n, question in enumerate(questions[:JUDGED]):
        start = time.perf_counter()
        answer = await store.search(
            ["g"], EVERYONE, [], [question], MODEL, TOP, background=background
        )
        took = time.perf_counter() - start
        if n == 0:
            found.first[name] = took
        else:
            times.append(1000 * took)
        best = sorted(answer.items, key=lambda item: -(item.cosine or 0))[:TOP]
        hits += len(right[n].intersection(_place(store, item.photo) for item in best))
        asked += TOP
        if sum(times) > 120_000 and n >= ROUNDS:
            break
    found.asked[name] = statistics.median(times), max(times)
    found.recall[name] = hits / asked
    print(f"{found.photos:,} photos, {name}: {found.asked[name]}, recall {found.recall[name]:.4f}")


def _place(store: SqliteStore | PostgresStore, photo: int) -> int:
    """Which photo of the cloud it is."""
    if isinstance(store, SqliteStore):
        return photo - 1
    return (photo & (2**29 - 1)) // 2 - 1


def _right(vectors: Vector, questions: Vector) -> list[set[int]]:
    best: list[set[int]] = []
    for some in np.array_split(questions, max(1, len(questions) // 16)):
        cosines = some @ vectors.T
        nearest = np.argpartition(-cosines, TOP, axis=1)[:, :TOP]
        best += [set(each.tolist()) for each in nearest]
    return best


# --- many groups ------------------------------------------------------------------------------


async def mixed(
    server: postgres.Server, groups: int, each: int, seconds: float, seed: int
) -> Mixed:
    """Some ask, each time another group; some post, and have embedded what they posted."""
    cloud = cloud_for(each, seed)
    async with server.database() as url:
        await filling_postgres.fill(url, (f"g{n}" for n in range(groups)), cloud, each)
        async with PostgresStore(url) as store:
            background, questions = cloud.background(), cloud.questions(500)
            until = time.monotonic() + seconds
            times: list[float] = []
            failed = posts = 0

            async def ask(n: int) -> None:
                nonlocal failed
                rng = random.Random(f"{seed}/{n}")
                while time.monotonic() < until:
                    question = questions[rng.randrange(len(questions))]
                    group, start = f"g{rng.randrange(groups)}", time.perf_counter()
                    answer = await store.search(
                        [group], EVERYONE, ["cake"], [question], MODEL, 8, background=background
                    )
                    times.append(1000 * (time.perf_counter() - start))
                    failed += not answer.items

            async def post(n: int) -> None:
                nonlocal posts
                rng = random.Random(f"{seed}/{n}/posts")
                new = cloud.vectors(1000, batch=10**6 + n)
                while time.monotonic() < until:
                    name = f"{n}/{posts}"
                    ref = PhotoRef("file", name, f"/new/{name}")
                    message = Post(
                        *(f"g{rng.randrange(groups)}", "channel 1", name, "ann", "Ann"),
                        *(datetime.now(UTC), (ref,), "a cake"),
                    )
                    [photo] = (await store.remember(message)).added
                    await store.save_vectors(MODEL, [photo], new[posts % 1000][None])
                    posts += 1

            await asyncio.gather(
                *(ask(n) for n in range(ASKERS)), *(post(n) for n in range(POSTERS))
            )
    return Mixed(
        *(seconds, groups, groups * each, len(times), posts, failed, statistics.median(times)),
        float(np.quantile(times, 0.95)),
    )


# --- what comes out ---------------------------------------------------------------------------


def document(report: Report) -> str:
    """docs/benchmarks/scale.md"""
    parts = [
        "# What do PostgreSQL and several processes bring?",
        "",
        "`python -m benchmarks.scale` wrote this; all on one machine, PostgreSQL too:",
        "",
        report.machine,
        "",
    ]
    if report.encoders:
        one = next(iter(report.encoders.values()))
        parts += [
            "## Encoders",
            "",
            f"{report.flood:,} drawn photos of 1,200 × 1,200 pixels in ten groups, from posted to"
            " embedded, read and fingerprinted, with the starter model; a gateway gives them out.",
            "",
            "| encoder processes | photos a second | times one |",
            "|---|---|---|",
            *(f"| {n} | {rate:.1f} | {rate / one:.2f} |" for n, rate in report.encoders.items()),
            "",
            *_encoder_verdict(report.encoders),
            "",
        ]
    for size in report.sizes:
        parts += [
            f"## A group of {size.photos:,} photos",
            "",
            "| | ms a question: median (most) | recall@3 | first question, s |",
            "|---|---|---|---|",
            *(
                f"| {name} | {median:.1f} ({most:.0f}) | {size.recall[name]:.4f}"
                f" | {size.first[name]:.2f} |"
                for name, (median, most) in size.asked.items()
            ),
            "",
        ]
        if size.index_seconds is not None:
            recall = size.recall["PostgreSQL, by index"]
            verdict = "reached" if recall >= 0.99 else "**missed**"
            parts += [
                f"The index took {size.index_seconds:.0f} s to make.",
                "",
                f"- {verdict}: recall@3 by index {recall:.4f} (at least 0.99)",
                "",
            ]
    if report.mixed is not None:
        many = report.mixed
        parts += [
            "## Many groups",
            "",
            f"{many.groups:,} groups with {many.photos:,} photos in all; {ASKERS} ask and {POSTERS}"
            f" post, each as fast as they can, for {many.seconds:.0f} s:"
            f" {many.questions:,} questions (median {many.median:.0f} ms, 95 % within"
            f" {many.most_of_20:.0f} ms, {many.failed} without anything) and {many.posts:,} photos"
            f" posted and embedded ({many.posts / many.seconds:.0f} a second).",
            "",
        ]
    parts += [f"Seed {report.seed}; {report.seconds:.0f} s.", ""]
    return "\n".join(parts)


def _encoder_verdict(rates: dict[int, float]) -> list[str]:
    best = max(rates, key=lambda n: rates[n])
    cores = os.cpu_count() or 1
    return [
        f"It stops growing at {best} process{'es' if best > 1 else ''}: this machine has {cores}"
        " cores, which the gateway and PostgreSQL share with the encoders."
    ]


async def measure(options: argparse.Namespace, work: Path) -> Report:
    report = Report(
        options.seed, machine("numpy", "asyncpg", "pgvector", "onnxruntime"), options.flood
    )
    start = time.perf_counter()
    with postgres.server(DURABLE) as server:
        await server.prepare()
        if "encoders" in options.parts:
            draw(work, options.flood, options.seed)
            for processes in ENCODERS:
                rate = await encode(server, work, options.flood, processes)
                report.encoders[processes] = rate
                print(f"{processes} encoders: {rate:.1f} photos a second", flush=True)
        if "search" in options.parts:
            for photos in options.sizes:
                report.sizes.append(await search(server, work, photos, options.seed))
        if "mixed" in options.parts:
            seconds = 5.0 if options.quick else MIXED_SECONDS
            groups, each = options.groups
            report.mixed = await mixed(server, groups, each, seconds, options.seed)
            print(report.mixed, flush=True)
    report.seconds = time.perf_counter() - start
    return report


def _keep(report: Report, file: Path, parts: Sequence[str]) -> None:
    """Parts that were not measured this time stay as they were."""
    if not file.exists():
        return
    before = json.loads(file.read_text("utf-8"))
    if "encoders" not in parts:
        report.encoders = {int(n): rate for n, rate in before["encoders"].items()}
        report.flood = before.get("flood", report.flood)
    measured = {each.photos for each in report.sizes}
    earlier = [Size(**each) for each in before["sizes"] if each["photos"] not in measured]
    report.sizes = sorted([*earlier, *report.sizes], key=lambda each: each.photos)
    if "mixed" not in parts and before["mixed"]:
        report.mixed = Mixed(**before["mixed"])


def main() -> int:
    """Read the command line, measure, print, write."""
    parts = ("encoders", "search", "mixed")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--flood", type=int, default=FLOOD, help="photos that encoders look at")
    parser.add_argument(
        "--groups", type=int, nargs=2, default=(GROUPS, OF_GROUP), help="how many, of how many"
    )
    parser.add_argument("--quick", action="store_true", help="small ones; writes nothing")
    parser.add_argument("--work", type=Path, help="keep drawings and stores here")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.flood, options.groups = [2_000], 60, (20, 50)
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        with as_the_bot():
            report = asyncio.run(measure(options, work))
    if not options.quick:
        _keep(report, DOCS / "scale.json", options.parts)
    print(document(report))
    if not options.quick:
        DOCS.mkdir(parents=True, exist_ok=True)
        (DOCS / "scale.md").write_text(document(report), "utf-8")
        (DOCS / "scale.json").write_text(json.dumps(asdict(report), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
