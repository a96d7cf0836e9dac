"""From the database to a group's columns: packs where there are any, else photo by photo."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from storage.columns import Columns, columns_of
from storage.filters import hashed, microseconds
from storage.roll import Kind, Roll
from storage.vectors import LITTLE_ENDIAN

PACK = 1024
"""Photos of a pack, and of what is read at once."""
MOST_CHANGES = 2000
"""With more of them a group is read anew. The database keeps the last 10,000."""
LAST = 2**62

_SELECT = (
    "SELECT photos.id, posts.channel, posts.author, posts.posted_at, posts.protected,"
    " photos.refused IS NULL, vectors.vector FROM photos JOIN posts ON posts.id = photos.post_id"
    " LEFT JOIN vectors ON vectors.photo_id = photos.id AND vectors.model_id = ?"
    " AND photos.refused IS NULL WHERE photos.group_id = ?"
)


def fetch(db: sqlite3.Connection, sql: str, values: Iterable[Any] = ()) -> list[Any]:
    """Everything a statement selects."""
    return db.execute(sql, tuple(values)).fetchall()


class Reader:
    """Reads a group's photos as one model sees them."""

    def __init__(self, db: sqlite3.Connection, kind: Kind) -> None:
        self._db = db
        self._kind = kind

    def pages(self, group: int, exact: bool) -> Iterator[tuple[Columns, bool]]:
        """All photos of the group, ascending, and whether they come from a pack."""
        before = -1
        for first, last, content in () if exact else self._packs(group):
            yield from ((page, False) for page in self.loose(group, before, first, exact))
            yield Columns.from_bytes(content), True
            before = last
        yield from ((page, False) for page in self.loose(group, before, LAST, exact))

    def loose(self, group: int, after: int, before: int, exact: bool) -> Iterator[Columns]:
        """Those between two ids, from their vectors."""
        while True:
            found = fetch(
                self._db,
                f"{_SELECT} AND photos.id > ? AND photos.id < ? ORDER BY photos.id LIMIT {PACK}",
                (self._kind.model, group, after, before),
            )
            if found:
                yield self._columns(found, exact)
                after = int(found[-1][0])
            if len(found) < PACK:
                return

    def catch_up(self, roll: Roll, seq: int) -> bool:
        """Bring a roll up to the group's change `seq`; False: too much has changed for that."""
        known = roll.seq
        if known < 0:
            return False
        if known >= seq:
            return True
        changed = fetch(
            self._db,
            "SELECT seq, photo_id FROM changes WHERE group_id = ? AND seq > ? ORDER BY seq"
            f" LIMIT {MOST_CHANGES + 1}",
            (roll.group, known),
        )
        ids = {photo for _, photo in changed}
        if None in ids or changed[0][0] != known + 1 or len(changed) > MOST_CHANGES:
            return False
        columns = self._of(roll.group, ids, roll.exact)
        gone = np.array(sorted(ids.difference(columns.ids.tolist())), np.int64)
        roll.remove(gone)
        if not roll.put(columns):
            return False
        roll.seq = seq
        roll.loose += len(columns)
        return True

    def _of(self, group: int, ids: Collection[int], exact: bool) -> Columns:
        found = fetch(
            self._db,
            f"{_SELECT} AND photos.id IN (SELECT value FROM json_each(?)) ORDER BY photos.id",
            (self._kind.model, group, json.dumps(list(ids))),
        )
        return self._columns(found, exact)

    def _packs(self, group: int) -> Iterator[tuple[int, int, bytes]]:
        yield from self._db.execute(
            "SELECT first, last, content FROM packs WHERE group_id = ? AND model_id = ?"
            " AND cohort = ? ORDER BY last",
            (group, self._kind.model, self._kind.cohort_name),
        )

    def _columns(self, found: Sequence[Sequence[Any]], exact: bool) -> Columns:
        blobs = [row[6] for row in found]
        embedded = np.array([blob is not None for blob in blobs], np.bool_)
        vectors = np.zeros((len(found), self._kind.dimension), np.float32)
        if embedded.any():
            joined = np.frombuffer(b"".join(filter(None, blobs)), LITTLE_ENDIAN)
            vectors[embedded] = joined.reshape(-1, self._kind.dimension)
        columns = columns_of(
            ids=np.array([row[0] for row in found], np.int64),
            channels=np.array([hashed(row[1]) for row in found], np.int64),
            authors=np.array([hashed(row[2]) for row in found], np.int64),
            posted=np.array(
                [microseconds(datetime.fromisoformat(row[3])) for row in found], np.int64
            ),
            protected=np.array([row[4] for row in found], np.bool_),
            embedded=embedded,
            vectors=vectors,
            cohort=self._kind.cohort,
            exact=exact,
        )
        columns.there[:] = [bool(row[5]) for row in found]
        return columns


def last_change(db: sqlite3.Connection, group: int) -> int:
    """The number of a group's last change."""
    return int(
        fetch(db, "SELECT coalesce(max(seq), 0) FROM changes WHERE group_id = ?", (group,))[0][0]
    )
