"""The groups whose photos are in memory, within a bound."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from storage.loading import Reader, fetch, last_change
from storage.roll import Block, Kind, Roll

EXACT = 4096
"""Photos up to which a group's embeddings are kept as they are."""
WORTH_PACKING = 2048
"""Photos read one by one that are worth being packed for the next start."""


class Rolls:
    """Rolls by group, those asked for last; what doesn't fit is read anew for each question."""

    def __init__(self, most_bytes: int, exact: int = EXACT) -> None:
        self._most = most_bytes
        self._exact = exact
        self._known: OrderedDict[int, Roll] = OrderedDict()
        self._lock = threading.Lock()
        self.to_pack: dict[int, Kind] = {}
        """Groups of which many photos had to be read one by one."""

    @property
    def nbytes(self) -> int:
        with self._lock:
            return sum(roll.nbytes for roll in self._known.values())

    @contextmanager
    def locked(self, groups: Collection[int]) -> Iterator[dict[int, Roll]]:
        """The groups' rolls, which nobody else reads or changes meanwhile."""
        with self._lock:
            rolls = [self._known.setdefault(group, Roll(group)) for group in sorted(groups)]
            for group in groups:
                self._known.move_to_end(group)
        held: list[Roll] = []
        try:
            for roll in rolls:
                roll.lock.acquire()
                held.append(roll)
            yield {roll.group: roll for roll in rolls}
        finally:
            for roll in held:
                roll.lock.release()
            self._make_room()

    def blocks(self, db: sqlite3.Connection, roll: Roll, kind: Kind) -> Iterator[Block]:
        """All photos of a group as they are now, in blocks that nobody keeps for long. `db` is in a
        transaction, the roll locked."""
        seq = last_change(db, roll.group)
        grown = roll.exact and len(roll) > 2 * self._exact
        if grown or not roll.kind.serves(kind) or not Reader(db, roll.kind).catch_up(roll, seq):
            [[count]] = fetch(db, "SELECT count(*) FROM photos WHERE group_id = ?", (roll.group,))
            exact = count <= self._exact
            roll.begin(kind, exact)
            if count * kind.row_bytes > self._most:
                yield from self._passing(db, roll.group, kind)
                return
            for page, packed in Reader(db, kind).pages(roll.group, exact):
                roll.put(page, count)
                roll.loose += 0 if packed else len(page)
            roll.seq = seq
        if not roll.exact and self._read_one_by_one(roll.group, roll.kind, roll.loose):
            roll.loose = 0
        yield from roll.blocks

    def _passing(self, db: sqlite3.Connection, group: int, kind: Kind) -> Iterator[Block]:
        loose = 0
        for page, packed in Reader(db, kind).pages(group, exact=False):
            loose += 0 if packed else len(page)
            yield Block(page, passing=True)
        self._read_one_by_one(group, kind, loose)

    def _read_one_by_one(self, group: int, kind: Kind, photos: int) -> bool:
        """Whether so many are worth being packed, once all is known that belongs to a pack."""
        worth = photos >= WORTH_PACKING and kind.cohort is not None
        if worth:
            self.to_pack[group] = kind
        return worth

    def _make_room(self) -> None:
        """Let go of the groups that were asked for longest ago."""
        with self._lock:
            taken = sum(roll.nbytes for roll in self._known.values())
            while taken > self._most and self._known:
                _, roll = self._known.popitem(last=False)
                taken -= roll.nbytes
