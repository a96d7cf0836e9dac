"""What photos look like: their fingerprints, and all that copies are known by."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bot.candidates import Look
from bot.photos import Model
from storage.pg.ids import groups_of
from storage.pg.joins import of_photo
from storage.pg.rows import Connection, rows, run
from storage.pg.vectors import from_half


async def save_fingerprints(db: Connection, fingerprints: Mapping[int, bytes]) -> None:
    """Keep fingerprints by photo; one may have been forgotten meanwhile, or is being refused."""
    await run(
        db,
        "INSERT INTO fingerprints (group_id, photo_id, value)"
        " SELECT photos.group_id, photos.id, seen.value FROM photos"
        " JOIN unnest(?::bigint[], ?::bytea[]) AS seen (id, value) ON seen.id = photos.id"
        " WHERE photos.group_id = ANY(?) AND refused IS NULL"
        " ORDER BY photos.group_id, photos.id FOR SHARE OF photos"
        " ON CONFLICT (group_id, photo_id) DO UPDATE SET value = excluded.value",
        (list(fingerprints), list(fingerprints.values()), groups_of(fingerprints)),
    )


async def looks_of(db: Connection, photos: Collection[int], model: Model | None) -> dict[int, Look]:
    """What there is of each of these photos to compare, with vectors of this model only."""
    found = await rows(
        db,
        "SELECT photos.id, fingerprints.value, vectors.vector,"
        " CASE WHEN jobs.photo_id IS NULL THEN coalesce(texts.text, '') END FROM photos"
        f" LEFT JOIN fingerprints ON {of_photo('fingerprints')}"
        f" LEFT JOIN vectors ON {of_photo('vectors')} AND vectors.model_id ="
        " (SELECT id FROM models WHERE fingerprint = ?)"
        f" LEFT JOIN texts ON {of_photo('texts')}"
        f" LEFT JOIN jobs ON {of_photo('jobs')} AND jobs.task = 'read'"
        " WHERE photos.group_id = ANY(?) AND photos.id = ANY(?)",
        ("" if model is None else model.fingerprint, groups_of(photos), list(photos)),
    )
    return {
        photo: Look(value, None if half is None else from_half(half), text)
        for photo, value, half, text in found
    }
