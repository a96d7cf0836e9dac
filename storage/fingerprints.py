"""What photos look like: their fingerprints, and all that copies are known by."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

import aiosqlite

from bot.candidates import Look
from bot.photos import Model
from storage.rows import rows
from storage.vectors import from_blob


async def save_fingerprints(db: aiosqlite.Connection, fingerprints: Mapping[int, bytes]) -> None:
    """Keep fingerprints by photo; a photo may have been forgotten meanwhile."""
    await db.executemany(
        "INSERT OR REPLACE INTO fingerprints (photo_id, value) SELECT id, ? FROM photos"
        " WHERE id = ? AND refused IS NULL",
        [(value, photo) for photo, value in fingerprints.items()],
    )


async def looks_of(
    db: aiosqlite.Connection, photos: Collection[int], model: Model | None
) -> dict[int, Look]:
    """What there is of each of these photos to compare, with vectors of this model only."""
    found = await rows(
        db,
        "SELECT photos.id, fingerprints.value, vectors.vector,"
        " CASE WHEN jobs.photo_id IS NULL THEN coalesce(texts.text, '') END FROM photos"
        " LEFT JOIN fingerprints ON fingerprints.photo_id = photos.id"
        " LEFT JOIN vectors ON vectors.photo_id = photos.id AND vectors.model_id ="
        " (SELECT id FROM models WHERE fingerprint = ?)"
        " LEFT JOIN texts ON texts.photo_id = photos.id"
        " LEFT JOIN jobs ON jobs.photo_id = photos.id AND jobs.task = 'read'"
        " WHERE photos.id IN (SELECT value FROM json_each(?))",
        ("" if model is None else model.fingerprint, json.dumps(list(photos))),
    )
    return {
        photo: Look(value, None if vector is None else from_blob(vector), text)
        for photo, value, vector, text in found
    }
