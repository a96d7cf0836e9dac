"""Writes packs: a group's photos as a search needs them, so that a start is quick."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager

from storage.columns import Columns
from storage.connection import Database
from storage.loading import LAST, PACK, Reader, fetch, last_change
from storage.roll import Kind

FEW = 16
"""Packs that are deleted at once; each is overwritten."""
Reading = Callable[[], AbstractContextManager[sqlite3.Connection]]


async def pack(db: Database, reading: Reading, group: int, kind: Kind) -> None:
    """Pack all photos of a group that aren't, save the newest ones; those of another kind anew.

    Each pack is a transaction, so that nobody waits for long.
    """
    gone = FEW
    while gone == FEW:
        async with db.write() as writer:
            cursor = await writer.execute(
                "DELETE FROM packs WHERE id IN (SELECT id FROM packs WHERE group_id = ?"
                f" AND (model_id <> ? OR cohort <> ?) LIMIT {FEW})",
                (group, kind.model, kind.cohort_name),
            )
        gone = cursor.rowcount
    after: int | None = -1
    while after is not None:
        seq, columns, after = await asyncio.to_thread(_next, reading, group, kind, after)
        if columns is not None and not await _write(db, group, kind, seq, columns):
            return  # the group is busy: next time


def _next(
    reading: Reading, group: int, kind: Kind, after: int
) -> tuple[int, Columns | None, int | None]:
    """(as of which change, photos for a pack, after which one to go on) behind that photo."""
    with reading() as db:
        db.execute("BEGIN")
        seq = last_change(db, group)
        found = fetch(
            db,
            "SELECT first, last FROM packs WHERE group_id = ? AND last > ? ORDER BY last LIMIT 1",
            (group, after),
        )
        first, last = found[0] if found else (LAST, None)
        page = next(Reader(db, kind).loose(group, after, first, exact=False), None)
    if page is None or (last is None and len(page) < PACK):
        return seq, None, last
    return seq, page, int(page.ids[-1])


async def _write(db: Database, group: int, kind: Kind, seq: int, columns: Columns) -> bool:
    """Whether nothing happened to these photos since `seq`."""
    content = await asyncio.to_thread(columns.to_bytes)
    first, last = int(columns.ids[0]), int(columns.ids[-1])
    async with db.write() as writer:
        cursor = await writer.execute(
            "INSERT INTO packs (group_id, model_id, first, last, cohort, content)"
            " SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM changes"
            " WHERE group_id = ?1 AND seq > ?7"
            " AND (photo_id IS NULL OR photo_id BETWEEN ?3 AND ?4))"
            " AND ?7 >= (SELECT coalesce(min(seq), 1) - 1 FROM changes WHERE group_id = ?1)"
            " AND EXISTS (SELECT 1 FROM groups WHERE id = ?1)"
            # Another process packs too.
            " AND NOT EXISTS (SELECT 1 FROM packs WHERE group_id = ?1 AND first <= ?4 AND last ="
            " (SELECT min(last) FROM packs WHERE group_id = ?1 AND last >= ?3))",
            (group, kind.model, first, last, kind.cohort_name, content, seq),
        )
    return cursor.rowcount == 1
