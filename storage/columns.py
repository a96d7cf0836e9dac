"""All that a search needs of a group's photos, column by column: in memory, and packed as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.photos import Vector
from storage.cohort import Cohort
from storage.kernel import dots

COARSEST = 127


@dataclass(slots=True)
class Columns:
    """A row for each of n photos, ascending by id.

    Embeddings are coded as int8 with a scale of their own (512 MB for a million of 512 dimensions,
    a quarter of float32), or as they are where a group is small.
    """

    ids: NDArray[np.int64]
    channels: NDArray[np.int64]
    """Hashes of the keys (storage.filters.hashed), as are the authors."""
    authors: NDArray[np.int64]
    posted: NDArray[np.int64]
    """Microseconds since 1970."""
    protected: NDArray[np.bool_]
    there: NDArray[np.bool_]
    """False where a photo was taken away."""
    embedded: NDArray[np.bool_]
    """Whether it has a vector; else it has zeros."""
    scales: Vector
    seen: Vector
    """(n, 2), see Cohort.look."""
    codes: NDArray[Any]
    """(n, d) int8 or float32."""
    said: NDArray[Any]
    """(n, k) int8 or float32, see Cohort; k is 0 without one."""

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, rows: slice | NDArray[Any]) -> Columns:
        return Columns(*(getattr(self, each.name)[rows] for each in fields(self)))

    def set(self, rows: slice | NDArray[Any], other: Columns) -> None:
        for each in fields(self):
            getattr(self, each.name)[rows] = getattr(other, each.name)

    def room(self, capacity: int) -> Columns:
        """The same rows, with room for more behind them."""
        made = []
        for each in fields(self):
            column = getattr(self, each.name)
            wider = np.empty((capacity, *column.shape[1:]), column.dtype)
            wider[: len(column)] = column
            made.append(wider)
        return Columns(*made)

    @property
    def nbytes(self) -> int:
        return sum(getattr(self, each.name).nbytes for each in fields(self))

    def to_bytes(self) -> bytes:
        """Rows whose embeddings are coded, for a pack."""
        head = np.array([len(self), self.codes.shape[1], self.said.shape[1]], "<i4").tobytes()
        return head + b"".join(
            np.ascontiguousarray(getattr(self, name), kind).tobytes()
            for name, (kind, _) in _PACKED.items()
        )

    @staticmethod
    def from_bytes(content: bytes) -> Columns:
        """Rows of a pack; they can't be written to."""
        n, dimension, texts = np.frombuffer(content, "<i4", 3).tolist()
        at, made = 12, []
        for kind, width in _PACKED.values():
            across = {"d": dimension, "k": texts}.get(str(width), width)
            count = n if across is None else n * int(across)
            column = np.frombuffer(content, kind, count, at)
            made.append(column if across is None else column.reshape(n, int(across)))
            at += column.nbytes
        return Columns(*made)


_PACKED: Mapping[str, tuple[str, int | str | None]] = {
    "ids": ("<i8", None),
    "channels": ("<i8", None),
    "authors": ("<i8", None),
    "posted": ("<i8", None),
    "protected": ("?", None),
    "there": ("?", None),
    "embedded": ("?", None),
    "scales": ("<f4", None),
    "seen": ("<f4", 2),
    "codes": ("i1", "d"),
    "said": ("i1", "k"),
}


def columns_of(
    ids: NDArray[np.int64],
    channels: NDArray[np.int64],
    authors: NDArray[np.int64],
    posted: NDArray[np.int64],
    protected: NDArray[np.bool_],
    embedded: NDArray[np.bool_],
    vectors: Vector,
    cohort: Cohort | None,
    exact: bool,
) -> Columns:
    """Columns from (n, d) vectors, zeros where there is none."""
    seen = np.zeros((len(ids), 2), np.float32)
    said: NDArray[Any] = np.zeros((len(ids), 0), np.float32 if exact else np.int8)
    if cohort is not None:
        seen, said = cohort.look(vectors)
        said = said if exact else cohort.coded(said)
    codes, scales = (vectors, np.ones(len(ids), np.float32)) if exact else coded(vectors)
    there = np.ones(len(ids), np.bool_)
    return Columns(
        ids, channels, authors, posted, protected, there, embedded, scales, seen, codes, said
    )


def coded(vectors: Vector) -> tuple[NDArray[np.int8], Vector]:
    """(n, d) vectors -> as int8, and the (n,) scales to multiply them with."""
    scales = np.maximum(vectors.max(axis=1, initial=0), -vectors.min(axis=1, initial=0)) / COARSEST
    scales = np.maximum(scales, np.float32(1e-12)).astype(np.float32)
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales


def decoded(columns: Columns) -> Vector:
    """(n, d) vectors as nearly as they are known."""
    vectors: Vector = columns.codes.astype(np.float32) * columns.scales[:, None]
    return vectors


class Queries:
    """(k, d) vectors that codes are compared with; coded once for all of them."""

    def __init__(self, vectors: Vector) -> None:
        self.vectors = vectors

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def coded(self) -> tuple[NDArray[np.int8], Vector]:
        return coded(self.vectors)


def cosines(queries: Queries, codes: NDArray[Any], scales: Vector) -> Vector:
    """(k, n) cosines of k query vectors to n coded ones. Other threads go on meanwhile."""
    if not len(queries) or not codes.size:
        return np.zeros((len(queries), len(codes)), np.float32)
    if codes.dtype == np.float32:
        exact: Vector = (codes @ queries.vectors.T).T
        return exact
    asked, sizes = queries.coded
    found = dots(asked, codes)
    found *= scales
    found *= sizes[:, None]
    return found
