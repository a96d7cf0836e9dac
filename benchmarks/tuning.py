"""`python -m benchmarks.tuning`: what bot.fitting's weights should be, by drawn groups.

Other groups than `benchmarks.relevance` asks about, with other seeds. Nobody said a word about
their photos. Of each question the nearest photo is looked at from all sides (`fitting.Views`), and
a logistic regression tells how much each side says of whether the group has an answer. The
threshold is where the wanted share of the questions without an answer get one. What that does in
small groups, of photos picked from the large ones, is told along: most groups begin small.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.group import Drawn, absent, draw
from benchmarks.questions import BY_WORDS, SHARES, Question, ask
from bot import clip, fitting, images
from bot.background import Backgrounds
from bot.errors import ShoeboxError
from bot.photos import EVERYONE, Vector
from bot.ports import Encoder
from bot.starter import families, files
from bot.starter.scenes import Painter
from storage.sqlite import SqliteStore

GROUPS, SCENES, SEED = 5, 2000, 101
LEFT_OUT = 60
SMALL = {500: 2, 100: 5, 20: 20, 4: 50}
"""How many small groups of which size there are to each whole one."""
FALSE = 0.04
"""Words let some more through."""
SIDES = tuple(field.name for field in fields(fitting.Views) if field.name != "own")
WHOLE = "whole"
BATCH, NEAREST = 8, 8


Row = tuple[list[float], bool, int]
"""What was seen of a nearest photo: its SIDES; whether there was an answer; among how many."""


async def look(painter: Painter, encoder: Encoder, scenes: int, seed: int, work: Path) -> list[Row]:
    """Draw a group and pick small ones from it, ask, and look at what is nearest."""
    rng = Random(seed)
    left_out = absent(rng, LEFT_OUT)
    with tqdm(total=scenes, desc=f"drawing {seed}", unit="scene") as bar:
        photos = draw(painter, rng, scenes, left_out, bar.update)
    shares = {kind: 2 * count for kind, count in SHARES.items() if kind not in BY_WORDS}
    questions = [each for half in ask(photos, left_out, rng, shares=shares) for each in half]
    groups = {WHOLE: list(photos), **_small(photos, rng)}
    backgrounds = Backgrounds()
    async with SqliteStore(work / f"{seed}.db") as store:
        await _fill(store, encoder, groups)
        background = await backgrounds.of(encoder)
        rows: list[Row] = []
        for name, own in tqdm(groups.items(), desc=f"asking {seed}", unit="group"):
            numbers = {photo.original for photo in own}
            size = scenes if name == WHOLE else len(own)
            for question in questions if name == WHOLE else _balanced(questions, numbers, rng):
                vector = await encoder.encode_text(question.words)
                found = await store.search(
                    *([name], EVERYONE, [], [vector], encoder.model),
                    nearest=NEAREST,
                    background=background,
                )
                best = max(
                    (item for item in found.items if not item.plain and item.cosine is not None),
                    key=lambda item: item.cosine or 0.0,
                    default=None,
                )
                seen = None if best is None else fitting.views(best, found)
                if seen is not None:
                    sides = [float(getattr(seen, side)) for side in SIDES]
                    rows.append((sides, bool(question.right & numbers), size))
    return rows


def _small(photos: Sequence[Drawn], rng: Random) -> dict[str, list[Drawn]]:
    return {
        f"{size} photos, {n}": rng.sample(photos, size)
        for size, count in SMALL.items()
        for n in range(count)
        if size < len(photos)
    }


def _balanced(
    questions: Sequence[Question], numbers: Collection[int], rng: Random
) -> list[Question]:
    """All that have an answer there, and as many that have none."""
    there = [question for question in questions if question.right.intersection(numbers)]
    none = [question for question in questions if not question.right.intersection(numbers)]
    return there + rng.sample(none, min(len(none), len(there)))


async def _fill(
    store: SqliteStore, encoder: Encoder, groups: Mapping[str, Sequence[Drawn]]
) -> None:
    vectors: dict[int, Vector] = {}
    whole = groups[WHOLE]
    for start in tqdm(range(0, len(whole), BATCH), desc="embedding", unit="batch"):
        batch = whole[start : start + BATCH]
        pixels = [images.for_encoder(photo.jpeg, encoder.image_spec) for photo in batch]
        made = await encoder.encode_images(np.stack(pixels))
        vectors.update((photo.number, vector) for photo, vector in zip(batch, made, strict=True))
    for name, photos in groups.items():
        ids: list[int] = []
        for photo in photos:
            post = replace(photo.post(captioned=False), group=name)
            ids += (await store.remember(post)).added
        own = np.stack([vectors[photo.number] for photo in photos])
        await store.save_vectors(encoder.model, ids, own)


@dataclass(frozen=True, slots=True)
class Weights:
    """What was found."""

    sides: dict[str, float]
    """In log odds for each unit of a side."""
    threshold: float
    shares: dict[int, tuple[float, float]]
    """By the group's size: of the questions with an answer those that get none, of those without
    one those that do."""


def weigh(rows: Sequence[Row]) -> Weights:
    """A logistic regression of whether there is an answer on the sides, in the largest groups."""
    sides = np.array([row[0] for row in rows])
    answerable = np.array([row[1] for row in rows])
    sizes = np.array([row[2] for row in rows])
    whole = sizes == sizes.max()
    found = logistic(sides[whole], answerable[whole])[:-1]
    evidence = sides @ found
    wrong = np.sort(evidence[whole & ~answerable])
    threshold = float(wrong[math.floor((1 - FALSE) * len(wrong))])
    shares = {
        int(size): (
            float((evidence[(sizes == size) & answerable] < threshold).mean()),
            float((evidence[(sizes == size) & ~answerable] >= threshold).mean()),
        )
        for size in np.unique(sizes)[::-1]
    }
    return Weights(dict(zip(SIDES, found.tolist(), strict=True)), threshold, shares)


def logistic(values: NDArray[np.float64], true: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of the columns, and the intercept: Newton's method with a little ridge."""
    inputs = np.column_stack([values, np.ones(len(values))])
    weights = np.zeros(inputs.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-(inputs @ weights).clip(-30, 30)))
        slope = inputs.T @ (true - chance) - 0.01 * weights
        curve = (inputs * (chance * (1 - chance))[:, None]).T @ inputs
        weights += np.linalg.solve(curve + 0.01 * np.eye(len(weights)), slope)
    return weights


async def measure(painter: Painter, work: Path, groups: int, scenes: int, seed: int) -> list[Row]:
    """All that is looked at."""
    encoder = clip.load(files.NAME, work, "", lambda done, total: None)
    try:
        rows = []
        for n in range(groups):
            rows += await look(painter, encoder, scenes, seed + n, work)
        return rows
    finally:
        encoder.close()


def main() -> int:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="of the first group")
    parser.add_argument("--groups", type=int, default=GROUPS)
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--work", type=Path, default=Path("data/starter"), help="kept pictures")
    options = parser.parse_args()
    try:
        painter = Painter(families.sprites("noto", options.work))
        with tempfile.TemporaryDirectory() as work:
            rows = asyncio.run(
                measure(painter, Path(work), options.groups, options.scenes, options.seed)
            )
    except ShoeboxError as error:
        print(f"tuning: {error}", file=sys.stderr)
        return 2
    found = weigh(rows)
    for side, weight in found.sides.items():
        print(f"{side.upper()} = {weight:.2f}")
    print(f"THRESHOLD = {found.threshold:.2f}")
    for size, (missed, false) in found.shares.items():
        print(f"{size} photos, by meaning alone: missed {missed:.1%}, false {false:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
