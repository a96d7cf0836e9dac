"""`python -m benchmarks.growth`: how a search's cost grows, and with what.

With the photos of the group, of other groups, and with the number of groups; what a photo takes on
disk, and what the store takes in memory when it may keep 256 MB. Each point is measured in a
process of its own, so that nothing is left from the one before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from benchmarks.filling import MODEL, cloud_for, fill
from benchmarks.rounds import machine
from bot.photos import EVERYONE
from storage.sqlite import CACHE_MEGABYTES, SqliteStore

SEED = 7
PHOTOS = [1_000, 10_000, 100_000, 1_000_000]
GROUPS = (1, 10, 100, 1_000, 10_000)
OF_A_GROUP = 20
"""Photos of each of many groups."""
SMALL = 1_000
"""Photos of the group that is asked beside another one."""
BOUND = 256
"""Megabytes."""
QUESTIONS = 21
ROUNDS = 3
"""Processes for each point of what should be flat, which is a matter of a millisecond."""
NEAREST = 3
DOCS = Path("docs/benchmarks")


@dataclass(frozen=True, slots=True)
class Point:
    """One process's questions."""

    first: float
    """Milliseconds of the first question."""
    later: float
    """Of the others, the median."""
    resident_mb: float
    """More than before the first."""


@dataclass(slots=True)
class Report:
    seed: int
    machine: str
    in_group: dict[int, Point] = field(default_factory=dict)
    in_others: dict[int, Point] = field(default_factory=dict)
    """A group of SMALL, by the photos of another one in the same file."""
    of_groups: dict[int, Point] = field(default_factory=dict)
    """One of so many groups, asked again and again."""
    in_turn: dict[int, Point] = field(default_factory=dict)
    """All of them, one after another."""
    bounded: dict[int, Point] = field(default_factory=dict)
    """By photos of the group, with a cache of BOUND."""
    bytes_a_photo: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0


async def measure(
    photos: list[int], groups: Sequence[int], work: Path, seed: int, small: int = SMALL
) -> Report:
    report, start = Report(seed, machine("numpy")), time.perf_counter()
    for count in photos:
        path = work / f"{count}-{seed}.db"
        if not path.exists():
            await fill(path, ["g"], cloud_for(count, seed), count)
        _in_a_process(path, ["g"], seed)  # packs it
        report.bytes_a_photo[count] = path.stat().st_size / count
        report.in_group[count] = _in_a_process(path, ["g"], seed)
        report.bounded[count] = _in_a_process(path, ["g"], seed, BOUND)
        with suppress(Exception):  # it is there from an earlier run
            await fill(path, ["small"], cloud_for(small, seed + 1), small)
        print(f"{count:,} photos: {report.in_group[count]}", flush=True)
    paths = {count: work / f"{count}-{seed}.db" for count in photos}
    turns = [(count, _in_a_process(paths[count], ["small"], seed)) for count in photos * ROUNDS]
    for count in photos:
        report.in_others[count] = _typical([point for each, point in turns if each == count])
    path, filled = work / f"groups-{seed}.db", 0
    path.unlink(missing_ok=True)
    for count in groups:
        more = [f"g{n}" for n in range(filled, count)]
        await fill(path, more, cloud_for(OF_A_GROUP, seed), OF_A_GROUP)
        filled = count
        again = [_in_a_process(path, ["g0"], seed) for _ in range(ROUNDS)]
        report.of_groups[count] = _typical(again)
        names = [f"g{n * count // QUESTIONS % count}" for n in range(QUESTIONS)]
        report.in_turn[count] = _in_a_process(path, names, seed)
        print(f"{count:,} groups: {report.of_groups[count]}", flush=True)
    report.seconds = time.perf_counter() - start
    return report


async def ask(path: Path, groups: Sequence[str], seed: int, megabytes: int) -> Point:
    """Ask the groups in turn."""
    cloud = cloud_for(SMALL, seed)
    questions, background = cloud.questions(QUESTIONS), cloud.background()
    process, times = psutil.Process(), []
    async with SqliteStore(path, cache_megabytes=megabytes) as store:
        before, most = process.memory_info().rss, 0
        for n, question in enumerate(questions):
            start = time.perf_counter()
            await store.search(
                [groups[n % len(groups)]], EVERYONE, [], [question], MODEL, NEAREST,
                background=background,
            )  # fmt: skip
            times.append(1000 * (time.perf_counter() - start))
            most = max(most, process.memory_info().rss)
        await store.settled()
    return Point(times[0], statistics.median(times[1:]), (most - before) / 1e6)


def _in_a_process(
    path: Path, groups: Sequence[str], seed: int, megabytes: int = CACHE_MEGABYTES
) -> Point:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.growth", "--ask", str(path)),
            *("--groups", *groups, "--seed", str(seed), "--megabytes", str(megabytes)),
        ],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # as the bot does
    )
    return Point(**json.loads(done.stdout))


def _typical(points: Sequence[Point]) -> Point:
    """The middle one by what a question takes."""
    return sorted(points, key=lambda point: point.later)[len(points) // 2]


def _rows(points: dict[int, Point]) -> str:
    return "\n".join(
        f"| {count:,} | {point.later:.2f} | {point.first:.0f} | {point.resident_mb:.0f} |"
        for count, point in points.items()
    )


def _table(what: str, points: dict[int, Point]) -> str:
    return (
        f"| {what} | ms a question (median) | ms of the first | MB resident |\n"
        f"|---|---|---|---|\n{_rows(points)}"
    )


def verdicts(report: Report) -> list[str]:
    others, bounded = list(report.in_others.values()), list(report.bounded.values())
    groups = list(report.of_groups.values())
    flat = max(p.later for p in others) / min(p.later for p in others)
    many = groups[-1].later / groups[0].later
    most = max(point.resident_mb for point in bounded)
    return [
        _verdict(flat < 1.5, f"photos in other groups: at most {flat:.2f} times the least (flat)"),
        _verdict(many < 1.5, f"{list(report.of_groups)[-1]:,} groups: {many:.2f} times one (flat)"),
        _verdict(most < BOUND * 1.25, f"with {BOUND} MB: at most {most:.0f} MB resident"),
    ]


def _verdict(reached: bool, what: str) -> str:
    return f"- {'reached' if reached else '**missed**'}: {what}"


def document(report: Report) -> str:
    """docs/benchmarks/growth.md"""
    sizes = ", ".join(
        f"{size:,.0f} with {count:,} photos" for count, size in report.bytes_a_photo.items()
    )
    return f"""# How does the cost of a search grow?

`python -m benchmarks.growth` wrote this. The nearest {NEAREST} of a group, 512 dimensions, from the
store's public call, with what decides whether anything fits. {QUESTIONS} questions in a process of
their own each; the first one reads the group. Of what should be flat, the middle one of {ROUNDS}
processes. Seed {report.seed}.

![The same as curves](growth.svg)

{chr(10).join(verdicts(report))}

## With photos in the group

{_table("photos", report.in_group)}

## With photos in another group

A group of {SMALL:,} in the same file.

{_table("photos in the other", report.in_others)}

## With the number of groups

Of {OF_A_GROUP} photos each; one of them is asked again and again,

{_table("groups", report.of_groups)}

and {QUESTIONS} of them in turn, each for the first time.

{_table("groups", report.in_turn)}

## With {BOUND} MB to keep

A group that doesn't fit is read anew for each question.

{_table("photos", report.bounded)}

## On disk

Bytes a photo, without its words: {sizes}. Of these 2,048 are the embedding, about 650 the packs
that make the first question after a start quick (groups of more than 4,096 photos).

{report.machine}; {report.seconds:.0f} s.
"""


def plot(report: Report, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 4, figsize=(16, 4))
    for panel, (title, curves) in zip(
        panels,
        {
            "photos in the group": {"kept": report.in_group, f"{BOUND} MB": report.bounded},
            f"photos in another group (of {SMALL:,} in its own)": {"": report.in_others},
            "groups": {"the same again": report.of_groups, "in turn": report.in_turn},
        }.items(),
        strict=False,
    ):
        for name, points in curves.items():
            panel.plot(list(points), [p.later for p in points.values()], "o-", label=name)
        panel.set(xscale="log", yscale="log", xlabel=title, ylabel="ms a question")
        if len(curves) > 1:
            panel.legend()
    panels[1].set_ylim(panels[0].get_ylim())
    for name, points in (("1 GB", report.in_group), (f"{BOUND} MB", report.bounded)):
        memory = [p.resident_mb for p in points.values()]
        panels[3].plot(list(points), memory, "o-", label=name)
    panels[3].set(xscale="log", xlabel="photos in the group", ylabel="MB resident")
    panels[3].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main() -> int:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--quick", action="store_true", help="up to 2,000 photos; writes nothing")
    parser.add_argument("--work", type=Path, help="keep filled stores here, for the next time")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--groups", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--megabytes", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        point = asyncio.run(ask(options.ask, options.groups, options.seed, options.megabytes))
        print(json.dumps(asdict(point)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        if options.quick:
            report = asyncio.run(measure([200, 2000], [1, 5], work, options.seed, 100))
            plot(report, Path(folder) / "growth.svg")
        else:
            report = asyncio.run(measure(PHOTOS, GROUPS, work, options.seed))
    print(document(report))
    if not options.quick:
        DOCS.mkdir(parents=True, exist_ok=True)
        plot(report, DOCS / "growth.svg")
        (DOCS / "growth.md").write_text(document(report), "utf-8")
        (DOCS / "growth.json").write_text(json.dumps(asdict(report), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
