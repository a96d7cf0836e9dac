"""A group's photos in memory, in blocks, kept up to date row by row."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.cohort import Cohort
from storage.columns import Columns

ROWS = 16384
"""Of a block: few enough that a change to one costs little, enough to scan at the memory's pace."""


class Block:
    """Up to ROWS photos, ascending by id."""

    def __init__(self, columns: Columns, passing: bool = False) -> None:
        """`passing`: nobody keeps it, so that what is found in it must not either."""
        self.passing = passing
        self.size = len(columns)
        self._room = columns
        self._columns: Columns | None = None
        self._changed()

    @property
    def columns(self) -> Columns:
        if self._columns is None:
            self._columns = self._room.part(slice(self.size))
        return self._columns

    def append(self, columns: Columns, grow_to: int) -> None:
        needed = self.size + len(columns)
        if needed > len(self._room):
            self._room = self.columns.room(max(needed, min(2 * needed, grow_to)))
        self._room.set(slice(self.size, needed), columns)
        self.size = needed
        self._changed()

    def replace(self, rows: NDArray[Any], columns: Columns) -> None:
        self._room.set(rows, columns)
        self._changed()

    def remove(self, rows: NDArray[Any]) -> None:
        room = self._room
        room.there[rows] = room.embedded[rows] = False
        room.codes[rows] = room.said[rows] = 0
        self._changed()

    def _changed(self) -> None:
        self._columns = None
        self.nbytes = self._room.nbytes + 2 * self.size
        self._tags: tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[Any]] | None = None
        self._best: NDArray[Any] | None = None
        self._whole: bool | None = None

    @property
    def whole(self) -> bool:
        """Whether every row is a photo with a vector."""
        if self._whole is None:
            self._whole = bool(self._room.embedded[: self.size].all())
        return self._whole

    @property
    def tags(self) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[Any]]:
        """What photos may be shown by: the (t,) pairs of channel and protection that there are,
        and which of them each row has. Rows that were taken away have one of their own, the last.
        """
        if self._tags is None:
            columns = self.columns
            channels, of_channel = np.unique(columns.channels, return_inverse=True)
            pairs = 2 * of_channel + columns.protected
            pairs[~columns.there] = 2 * len(channels)
            kinds, of_row = np.unique(pairs, return_inverse=True)
            kinds = kinds[kinds < 2 * len(channels)]
            self._tags = channels[kinds // 2], kinds % 2 == 1, of_row.astype(np.uint16)
        return self._tags

    @property
    def best(self) -> NDArray[Any]:
        """(t, k): the best cosine of each of the cohort's texts among the rows of each tag."""
        if self._best is None:
            columns, (kinds, _, of_row) = self.columns, self.tags
            # Without a vector a photo says nothing.
            rows = np.flatnonzero(columns.embedded)
            order = rows[np.argsort(of_row[rows], kind="stable")]
            starts = np.searchsorted(of_row[order], np.arange(len(kinds)))
            ends = np.searchsorted(of_row[order], np.arange(len(kinds)), side="right")
            least = -np.inf if columns.said.dtype == np.float32 else -128
            best = np.full((len(kinds), columns.said.shape[1]), least, columns.said.dtype)
            if (filled := np.flatnonzero(ends > starts)).size and best.size:
                best[filled] = np.maximum.reduceat(columns.said[order], starts[filled], axis=0)
            self._best = best
        return self._best


@dataclass(frozen=True, slots=True)
class Kind:
    """For which model a group's columns are, and about which background."""

    model: int = 0
    """Its number in the database; 0: without embeddings."""
    dimension: int = 0
    cohort: Cohort | None = None

    def serves(self, other: Kind) -> bool:
        """Whether these columns have all that the other ones would."""
        same_cohort = other.cohort is None or (
            self.cohort is not None and self.cohort.name == other.cohort.name
        )
        return same_cohort and other.model in (0, self.model)

    @property
    def cohort_name(self) -> str:
        return "" if self.cohort is None else self.cohort.name

    @property
    def row_bytes(self) -> int:
        """What a photo takes, coded."""
        return 64 + self.dimension + (0 if self.cohort is None else self.cohort.size)


class Roll:
    """What is known of a group's photos for one model, as of a change of theirs.

    Whoever reads or changes it holds the lock.
    """

    def __init__(self, group: int) -> None:
        self.group = group
        self.lock = threading.Lock()
        self.begin(Kind(), False)

    def begin(self, kind: Kind, exact: bool) -> None:
        """Empty it, to be read anew."""
        self.kind = kind
        self.exact = exact
        self.seq = -1
        """The last change that it knows; -1: it has yet to be read."""
        self.loose = 0
        """Photos that were read one by one, not from a pack."""
        self.blocks: list[Block] = []
        self._first: list[int] = []

    def __len__(self) -> int:
        return sum(block.size for block in self.blocks)

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block in self.blocks)

    def put(self, columns: Columns, expected: int = 0) -> bool:
        """Photos that are new or have changed, ascending; room is made for as many as expected.

        False: it can't take them in, since one belongs between others. Ids only grow, so that a
        group gets such a photo from another group only.
        """
        newest = -1 if not self.blocks else int(self.blocks[-1].columns.ids[-1])
        known = int(np.searchsorted(columns.ids, newest, side="right"))
        places = self._places(columns.ids[:known])
        if sum(len(rows) for _, rows, _ in places) < known:
            return False
        for block, rows, where in places:
            block.replace(rows, columns.part(where))
        at = known
        while at < len(columns):
            if not self.blocks or self.blocks[-1].size >= ROWS:
                self.blocks.append(Block(columns.part(slice(at, at))))
                self._first.append(int(columns.ids[at]))
            last = self.blocks[-1]
            end = at + min(ROWS - last.size, len(columns) - at)
            last.append(columns.part(slice(at, end)), min(ROWS, max(expected, 64)))
            at = end
        return True

    def remove(self, ids: NDArray[np.int64]) -> None:
        for block, rows, _ in self._places(ids):
            block.remove(rows)

    def _places(self, ids: NDArray[np.int64]) -> list[tuple[Block, NDArray[Any], NDArray[Any]]]:
        """Block by block: rows of those that are known, and where they are among the ids."""
        found = []
        of_block = np.searchsorted(self._first, ids, side="right") - 1
        for n in np.unique(of_block[of_block >= 0]).tolist():
            block, where = self.blocks[n], np.flatnonzero(of_block == n)
            column = block.columns.ids
            rows = np.minimum(np.searchsorted(column, ids[where]), block.size - 1)
            same = column[rows] == ids[where]
            found.append((block, rows[same], where[same]))
        return found
