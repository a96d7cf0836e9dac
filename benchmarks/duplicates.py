"""`python -m benchmarks.duplicates`: are copies collapsed, and do different things stay apart?

Thousands of different pictures are drawn; some of them are copied as chats and phones copy. All go
through `bot.images`, `bot.perceptual` and the starter model as any photo does. Thresholds were
chosen on the tuning half of the pictures; the report is about the other half. Pairs of different
pictures are looked at where it matters: each with its nearest by the starter's vectors, since those
are what a query brings together, each with its nearest by fingerprint, which is the worst there is,
and at random.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import pictures
from benchmarks.pictures import RECOMPRESSED, Original
from benchmarks.rounds import machine
from bot import images, perceptual
from bot.candidates import Look
from bot.duplicates import BURST_COSINE, BURST_SAME, SAME, has_other_words, reads_alike
from bot.errors import ShoeboxError
from bot.photos import ImageSpec, Pixels, Vector
from bot.words import fold

SEED = 4_000_037
NEAREST = 10
"""Nearest others of each picture that are looked at."""
RANDOM_PAIRS = 200_000
COPIED = 4
"""Of every so many pictures one is copied."""
GRID = (0.1, 0.15, 0.2, 0.24, SAME, 0.32, 0.36, 0.4, 0.5)
COUNTS = {
    "scene": 1600,
    "wide scene": 600,
    "shapes, 2 megapixels": 200,
    "chat page": 100,
    "receipt": 100,
    "blank frame": 60,
}
PAGES = ("chat page", "receipt")
"""Kinds whose words alone tell one from another."""
MEMES = 16
DOCS = Path("docs/benchmarks")
HALVES = ("tuning", "report")

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Row:
    """A share of something, in each half."""

    what: str
    family: str
    shares: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(slots=True)
class Report:
    """All that was measured."""

    collapsed: list[Row] = field(default_factory=list)
    """Shares that should be high."""
    apart: list[Row] = field(default_factory=list)
    """Shares of different things that were taken for the same."""
    grid: list[tuple[float, ...]] = field(default_factory=list)
    """Tuning half: threshold, re-compressed copies collapsed, wrong among the nearest by vectors,
    by fingerprint, at random."""
    milliseconds: float = 0.0
    """Of comparing the 200 candidates of one answer."""
    pictures: int = 0
    machine: str = ""
    seed: int = SEED

    def share(self, what: str) -> float:
        """One figure of the report half; `what` is a row or a family."""
        rows = [r for r in (*self.collapsed, *self.apart) if what in (r.what, r.family)]
        return sum(r.shares[1] * r.counts[1] for r in rows) / sum(r.counts[1] for r in rows)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the bot knows of one picture, and of what was made of it."""

    original: Original
    fingerprint: bytes
    pixels: Pixels
    copies: tuple[tuple[str, str, bytes], ...]
    """(family, how, fingerprint)."""
    others: tuple[tuple[str, bytes, Pixels], ...]
    """(how, fingerprint, pixels): the burst, the similar one."""


def see(original: Original, copied: bool, spec: ImageSpec) -> Seen:
    """Draw a picture, copy it, look at all."""
    image = pictures.draw(original)
    pixels, seen, _ = images.looked_at(pictures.jpeg(image, 90), spec)
    if not copied:
        return Seen(original, seen, pixels, (), ())
    copies = tuple(
        (copy.family, copy.how, images.looked_at(copy.data, spec)[1])
        for copy in pictures.copies(image, original.number)
    )
    made = {"burst": pictures.burst(original), "similar": pictures.similar(original)}
    others = tuple(
        (how, print_, looked)
        for how, data in made.items()
        if data is not None
        for looked, print_, _ in [images.looked_at(data, spec)]
    )
    return Seen(original, seen, pixels, copies, others)


def measure(counts: dict[str, int], memes: int, workers: int, seed: int = SEED) -> Report:
    """Draw and measure everything. Raises NoEmojiFont, ModelUnavailable."""
    from bot.eager import EagerNetwork
    from bot.starter import files

    network = EagerNetwork(files.read(files.FOLDER))
    wanted = [Original(kind, seed + n) for kind, count in counts.items() for n in range(count)]
    copied = [n % COPIED == 0 for count in counts.values() for n in range(count)]
    seen = list(_seen(wanted, copied, network.image_spec, workers))

    def embedded(pixels: Sequence[Pixels]) -> Vector:
        blocks = [network.images(np.stack(pixels[n : n + 64])) for n in range(0, len(pixels), 64)]
        return np.concatenate(blocks)

    vectors = embedded([each.pixels for each in seen])
    half = np.array([(n // COPIED) % 2 for count in counts.values() for n in range(count)])
    report = Report(pictures=len(seen), machine=machine("pillow", "numpy", "torch"), seed=seed)
    _copies(report, seen, half)
    _different(report, seen, vectors, half, seed)
    _moments(report, seen, vectors, half, embedded)
    if memes:
        _memes(report, memes, seed)
    prints = [each.fingerprint for each in seen[:200]]
    took: list[float] = []
    for _ in range(9):
        began = time.perf_counter()
        perceptual.distances(prints)
        took.append(time.perf_counter() - began)
    report.milliseconds = 1000 * statistics.median(took)
    return report


def _seen(
    wanted: Sequence[Original], copied: Sequence[bool], spec: ImageSpec, workers: int
) -> Iterable[Seen]:
    from tqdm import tqdm

    specs = [spec] * len(wanted)
    if workers == 1:
        yield from map(see, wanted, copied, specs)
        return
    with ProcessPoolExecutor(workers) as pool:
        done = pool.map(see, wanted, copied, specs, chunksize=8)
        yield from tqdm(done, total=len(wanted), unit="picture", file=sys.stderr)


def _copies(report: Report, seen: Sequence[Seen], half: NDArray[np.int64]) -> None:
    far: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for n, each in enumerate(seen):
        if each.copies:
            prints = [each.fingerprint, *(seen_ for *_, seen_ in each.copies)]
            for (family, how, _), distance in zip(
                each.copies, perceptual.distances(prints)[0, 1:], strict=True
            ):
                far.setdefault((family, how), ([], []))[half[n]].append(float(distance))
    for (family, how), halves in far.items():
        report.collapsed.append(_row(how, family, [np.array(h) <= SAME for h in halves]))
    tuning = [np.array(halves[0]) for (family, _), halves in far.items() if family == RECOMPRESSED]
    report.grid = [(at, float((np.concatenate(tuning) <= at).mean())) for at in GRID]


def _different(
    report: Report, seen: Sequence[Seen], vectors: Vector, half: NDArray[np.int64], seed: int
) -> None:
    """Pairs of different pictures, both of one half."""
    rng = np.random.default_rng(seed)
    pairs: dict[str, list[Floats]] = {}
    bursts: dict[str, list[NDArray[np.bool_]]] = {}
    for side in range(2):
        mine = np.flatnonzero(half == side).tolist()
        far = perceptual.distances([seen[n].fingerprint for n in mine])
        cosine = vectors[mine] @ vectors[mine].T
        blank = np.array([seen[n].original.kind == "blank frame" for n in mine])
        words = np.array([seen[n].original.kind in PAGES for n in mine])
        both_blank = blank[:, None] & blank[None, :]
        np.fill_diagonal(cosine, -np.inf)
        np.fill_diagonal(far, np.inf)
        for name, nearness in (("vectors", cosine), ("fingerprint", -far)):
            order = np.argsort(-np.where(both_blank, -np.inf, nearness), axis=1)[:, :NEAREST]
            found = np.take_along_axis(far, order, axis=1)
            pairs.setdefault(f"each with its {NEAREST} nearest by {name}", []).append(found)
            if name == "vectors":
                alike = np.take_along_axis(cosine, order, axis=1) >= BURST_COSINE
                same = (found <= SAME) | ((found <= BURST_SAME) & alike)
                bursts.setdefault("seconds apart, without words", []).append(same[~words])
        a, b = rng.integers(0, len(mine), (2, RANDOM_PAIRS))
        apart = (a != b) & ~both_blank[a, b]
        pairs.setdefault("at random", []).append(far[a[apart], b[apart]])
        flat = far[np.ix_(blank, blank)]
        pairs.setdefault("blank frames of any two colours", []).append(flat[np.isfinite(flat)])
    for what, halves in pairs.items():
        report.apart.append(_row(what, "different", [h.ravel() <= SAME for h in halves]))
    for when, flags in bursts.items():
        report.apart.append(
            _row(f"each with its {NEAREST} nearest by vectors, {when}", "burst", flags)
        )
    tuning = [halves[0].ravel() for halves in list(pairs.values())[:3]]
    report.grid = [
        (at, recall, *(float((each <= at).mean()) for each in tuning)) for at, recall in report.grid
    ]


def _moments(
    report: Report, seen: Sequence[Seen], vectors: Vector, half: NDArray[np.int64], embedded: Any
) -> None:
    """What comes from one author within seconds."""
    for how, what, rows in (
        ("burst", "the scene a moment later", report.collapsed),
        ("similar", "the same things arranged anew, seconds apart", report.apart),
    ):
        of = [n for n, each in enumerate(seen) if any(name == how for name, *_ in each.others)]
        made = [next(o for o in seen[n].others if o[0] == how) for n in of]
        cosine = (vectors[of] * embedded([pixels for *_, pixels in made])).sum(axis=1)
        far = np.array(
            [
                perceptual.distances([seen[n].fingerprint, print_])[0, 1]
                for n, (_, print_, _) in zip(of, made, strict=True)
            ]
        )
        same = (far <= SAME) | ((far <= BURST_SAME) & (cosine >= BURST_COSINE))
        rows.append(_row(what, "burst", [same[half[of] == side] for side in range(2)]))


def _memes(report: Report, count: int, seed: int) -> None:
    """One picture with different words, and its copies, with the words that are read in them."""
    from bot.ocr import TextReader

    reader = TextReader()

    def look(data: bytes) -> Look:
        return Look(images.fingerprint(data), None, fold(reader.read(data)))

    others: tuple[list[bool], list[bool]] = ([], [])
    copies: tuple[list[bool], list[bool]] = ([], [])
    for n in range(count):
        image = pictures.meme(seed + n, 0)
        one = look(pictures.jpeg(image, 90))
        others[n % 2].append(_same(one, look(pictures.jpeg(pictures.meme(seed + n, 1), 90))))
        for copy in pictures.copies(image, n):
            if copy.how in ("JPEG, quality 30", "resized to 50 %", "WebP, quality 60"):
                copies[n % 2].append(_same(one, look(copy.data)))
    pages: tuple[list[bool], list[bool]] = ([], [])
    for n in range(count):
        kind = PAGES[n // 2 % 2]
        a, b = (pictures.draw(Original(kind, seed + 2 * n + k)) for k in range(2))
        one, other = look(pictures.jpeg(a, 90)), look(pictures.jpeg(b, 90))
        pages[n % 2].append(reads_alike(one, other))
    report.apart.append(_row("one picture with other words painted on it", "words", others))
    report.apart.append(_row("two pages of one layout, seconds apart, read", "words", pages))
    report.collapsed.append(_row("a picture with words, three kinds of copies", "words", copies))


def _same(a: Look, b: Look) -> bool:
    assert a.fingerprint is not None
    assert b.fingerprint is not None
    far = perceptual.distances([a.fingerprint, b.fingerprint])[0, 1]
    return bool(far <= SAME) and not has_other_words(a, b)


def _row(what: str, family: str, halves: Iterable[Any]) -> Row:
    arrays = [np.asarray(h, dtype=bool).ravel() for h in halves]
    return Row(
        what,
        family,
        tuple(float(a.mean()) if a.size else 0.0 for a in arrays),
        tuple(int(a.size) for a in arrays),
    )


def written(found: Report) -> str:
    """The report for people, in Markdown."""
    lines = [
        "# Near-duplicates",
        "",
        "Made by `python -m benchmarks.duplicates`; what is what stands in its docstring.",
        f"{found.pictures:,} different pictures, one in {COPIED} of them copied. Thresholds were "
        "chosen on the tuning half; the report half is what counts.",
        "",
        "| copies | collapsed (tuning) | collapsed (report) | copies in the report half |",
        "|---|---|---|---|",
        *(_line(row) for row in found.collapsed),
        f"| **all re-compressed copies** (bar: ≥ 99 %) | | **{found.share(RECOMPRESSED):.2%}** | |",
        "",
        "| pairs of different pictures | taken for the same (tuning) | (report) | pairs |",
        "|---|---|---|---|",
        *(_line(row, 3) for row in found.apart),
        "",
        "The bar is ≤ 0.1 % for the first three. Of blank frames those are taken for the same "
        "whose colours can hardly be told apart.",
        "",
        f"How the threshold was chosen (tuning half; {SAME} is taken):",
        "",
        "| distance up to | re-compressed copies collapsed | wrong: nearest by vectors "
        "| nearest by fingerprint | at random |",
        "|---|---|---|---|---|",
        *(
            f"| {at:.2f} | {recall:.2%} | " + " | ".join(f"{share:.4%}" for share in wrong) + " |"
            for at, recall, *wrong in found.grid
        ),
        "",
        f"Comparing the 200 candidates of an answer takes {found.milliseconds:.0f} ms, off the "
        "event loop.",
        "",
        f"{found.machine}; seed {found.seed}.",
        "",
    ]
    return "\n".join(lines)


def _line(row: Row, digits: int = 1) -> str:
    tuning, report = (f"{share:.{digits}%}" for share in row.shares)
    return f"| {row.what} | {tuning} | {report} | {row.counts[1]:,} |"


def main() -> int:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.duplicates", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=DOCS, help="where the report is written")
    options = parser.parse_args()
    try:
        found = measure(COUNTS, MEMES, options.workers, options.seed)
    except ShoeboxError as error:
        print(f"duplicates: {error}", file=sys.stderr)
        return 2
    text = written(found)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "duplicates.md").write_text(text, encoding="utf-8")
    told = json.dumps(asdict(found), ensure_ascii=False, indent=1)
    (options.out / "duplicates.json").write_text(told + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
