"""How near a question's vectors are to the photos of blocks, and what that says of all of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.photos import Vector
from storage.cohort import Cohort
from storage.columns import Queries, cosines
from storage.filters import Filter
from storage.roll import Block

SAMPLE = 8192
"""Photos of which middles and spreads are read off; of more every second, third … counts. The
middle of so many is right to 1.4 % of their spread."""
SHARES = 4
"""Of the blocks for each thread, one after another: one that is held up leaves more to others."""
SPARSE = 0.25
"""Share of a block up to which its rows are picked out rather than all of them multiplied."""


@dataclass(slots=True)
class Part:
    """What was found in a block."""

    total: int
    """Photos in scope, with a vector or without."""
    ids: NDArray[np.int64]
    """(m,) of those in scope that have a vector, ascending."""
    cosines: Vector
    """(k, m) to k query vectors."""
    seen: Vector
    """(m, 2), see Cohort.look."""
    best: NDArray[Any] | None
    """The best cosine in scope of each of the cohort's texts, as Columns.said has it."""
    coded: bool
    """Whether the cosines are nearly right only."""
    vectors: Callable[[NDArray[np.intp]], Vector] | None
    """(n, d) vectors of some of these photos; None: they have to be read."""


def scan(
    blocks: Sequence[Block],
    wanted: Filter,
    queries: Vector,
    cohort: Cohort | None,
    pool: ThreadPoolExecutor,
    threads: int,
) -> list[Part]:
    """A part for each block, by several threads where there are several blocks. (k, d) query
    vectors; k may be 0, to count only."""

    asked = Queries(queries)

    def some(which: Sequence[Block]) -> list[Part]:
        return [part_of(block, wanted, asked, cohort is not None) for block in which]

    if len(blocks) < 2 * threads:
        return some(blocks)
    shares = min(len(blocks), SHARES * threads)
    edges = [len(blocks) * n // shares for n in range(shares + 1)]
    tasks: Iterator[list[Part]] = pool.map(
        some, [blocks[a:b] for a, b in itertools.pairwise(edges)]
    )
    return [part for parts in tasks for part in parts]


def part_of(block: Block, wanted: Filter, queries: Queries, heights: bool) -> Part:
    """There may be no queries, to count only. `heights`: what the cohort's texts reach is asked."""
    columns, rows = block.columns, wanted.rows(block)
    best, where = None, None
    if rows is None:
        total, found = len(columns), cosines(queries, columns.codes, columns.scales)
        ids, seen = columns.ids, columns.seen
        if block.passing:
            ids, seen = ids.copy(), seen.copy()
    else:
        total = int(np.count_nonzero(rows & columns.there))
        where = np.flatnonzero(rows & columns.embedded)
        ids, seen = columns.ids[where], columns.seen[where]
        if len(where) <= SPARSE * len(columns):
            found = cosines(queries, columns.codes[where], columns.scales[where])
        else:
            found = cosines(queries, columns.codes, columns.scales)[:, where]
    if heights and len(ids):
        if wanted.narrow:
            best = columns.said[where].max(axis=0)
        elif (of_tags := block.best[wanted.tags(block)]).size:
            best = of_tags.max(axis=0)
    coded = columns.codes.dtype == np.int8
    known = None if coded or block.passing else partial(_taken, columns.codes, where)
    return Part(total, ids, found, seen, best, coded, known)


def _taken(codes: Vector, where: NDArray[np.intp] | None, at: NDArray[np.intp]) -> Vector:
    return codes[at if where is None else where[at]]


def largest(values: Iterable[Vector], count: int) -> NDArray[np.int64]:
    """Where the largest of many are, as if they were one array: the first of equals first."""
    floor, at, held = -np.inf, 0, 0
    places: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    kept: list[Vector] = [np.zeros(0, np.float32)]
    for each in values:
        where = None
        if not np.isfinite(floor):
            where = _tops(each, count)
        elif each.max(initial=-np.inf) > floor:  # few blocks hold any of the largest
            where = np.flatnonzero(each > floor)
        if where is not None:
            places.append(where + at)
            kept.append(each[where])
            held += len(where)
        if held > 4 * count + 64 or (held >= count and not np.isfinite(floor)):
            whole, joined = np.concatenate(places), np.concatenate(kept)
            tops = _tops(joined, count)
            places, kept, held = [whole[tops]], [joined[tops]], len(tops)
            floor = float(kept[0].min(initial=np.inf))
        at += len(each)
    whole, joined = np.concatenate(places), np.concatenate(kept)
    return whole[np.argsort(-joined, kind="stable")[:count]]


def _tops(values: Vector, count: int) -> NDArray[np.int64]:
    """Where the largest of one array are, ascending."""
    if len(values) <= count or not count:
        return np.arange(min(len(values), count))
    floor = np.partition(values, -count)[-count]
    over, equal = np.flatnonzero(values > floor), np.flatnonzero(values == floor)
    return np.sort(np.concatenate([over, equal[: count - len(over)]]))


def sample(values: Sequence[Vector]) -> Vector:
    """All of many values, or as many of them as tell their middle."""
    if not values:
        return np.zeros(0, np.float32)
    every = max(1, math.ceil(sum(len(each) for each in values) / SAMPLE))
    return np.concatenate([each[::every] for each in values])


def middle(values: Vector) -> tuple[float, float]:
    """Median, and the standard deviation that the median absolute deviation stands for."""
    at = median(values)
    return at, 1.4826 * median(np.abs(values - np.float32(at)))


def median(values: Vector) -> float:
    """Of (n,) values; 0 of none. What np.median does beside takes longer than this."""
    if not len(values):
        return 0.0
    half = len(values) // 2
    parted = np.partition(values, half)
    upper = float(parted[half])
    return upper if len(values) % 2 else (float(parted[:half].max()) + upper) / 2


Joined = Callable[[Vector], Vector]


def joined(parts: Sequence[Part], least: float) -> Joined:
    """How cosines to several query vectors, (k, m), become one value each, (m,).

    Cosines between two photos and between words and photos lie in different ranges (the modality
    gap, Liang et al. 2022), so each vector's cosines are counted in standard deviations over all
    photos (of `least` at least) before their mean is taken.
    """
    return _joining([part.cosines for part in parts], least)


def joining(cosines: Vector, least: float) -> Joined:
    """The same, of (k, n) cosines of all photos or of a sample of them."""
    return _joining([cosines], least)


def _joining(found: Sequence[Vector], least: float) -> Joined:
    if not found or len(found[0]) == 1:
        return lambda cosines: cosines[0]
    count = max(1, sum(cosines.shape[1] for cosines in found))
    mean = sum(cosines.sum(axis=1, dtype=np.float64) for cosines in found) / count
    squares = sum(((cosines - np.reshape(mean, (-1, 1))) ** 2).sum(axis=1) for cosines in found)
    spread = np.maximum(np.sqrt(squares / count), least)

    def join(cosines: Vector) -> Vector:
        standard = (cosines - np.reshape(mean, (-1, 1))) / np.reshape(spread, (-1, 1))
        value: Vector = standard.mean(axis=0).astype(np.float32)
        return value

    return join
