"""The same groups of clustered photos as benchmarks.filling, written straight into PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from pgvector.asyncpg import register_vector

from benchmarks.filling import AUTHORS, CHANNELS, MODEL, Cloud, batches
from bot.photos import Vector
from storage.pg.ids import id_of
from storage.pg.vectors import to_half

_AT = datetime(2024, 1, 1, tzinfo=UTC)


async def fill(url: str, groups: Iterable[str], cloud: Cloud, count: int) -> None:
    """Add groups of `count` photos each, in the order of `batches`. The schema is there."""
    db = await asyncpg.connect(url, command_timeout=3600)
    await register_vector(db)
    try:
        model = await db.fetchval(
            "INSERT INTO models (fingerprint, name, dimension, role)"
            " VALUES ($1, $2, $3, 'answering')"
            " ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name RETURNING id",
            *(MODEL.fingerprint, MODEL.name, MODEL.dimension),
        )
        for group in groups:
            number = await db.fetchval(
                "INSERT INTO groups (key, name) VALUES ($1, $1) RETURNING id", group
            )
            await db.execute(
                "INSERT INTO counters (group_id, last, grown) VALUES ($1, $2, 1)",
                *(number, 2 * count),
            )
            first = 1
            for vectors in batches(cloud, count):
                await _copy(db, number, model, first, vectors)
                first += 2 * len(vectors)
        await db.execute("VACUUM ANALYZE")
    finally:
        await db.close()


async def _copy(
    db: asyncpg.Connection[Any], group: int, model: int, first: int, vectors: Vector
) -> None:
    posts = [id_of(group, first + 2 * n) for n in range(len(vectors))]
    await db.copy_records_to_table(
        "posts",
        columns=[
            *("group_id", "id", "channel", "message", "author", "author_name", "posted_at"),
            *("caption", "spoiler", "protected"),
        ],
        records=[
            (
                *(group, post, f"channel {post % CHANNELS}", str(post)),
                *(f"author {post % AUTHORS}", f"Author {post % AUTHORS}"),
                *(_AT + timedelta(seconds=n % 3600), "", False, False),
            )
            for n, post in enumerate(posts)
        ],
    )
    await db.copy_records_to_table(
        "photos",
        columns=["group_id", "id", "post_id", "platform", "key", "locator", "name"],
        records=[
            (group, post + 1, post, "file", f"key {post}", f"/photos/{post}", "IMG.jpg")
            for post in posts
        ],
    )
    await db.copy_records_to_table(
        "texts",
        columns=["group_id", "photo_id", "caption"],
        records=[(group, post + 1, "") for post in posts],
    )
    halves = await asyncio.to_thread(lambda: [to_half(vector) for vector in vectors])
    await db.copy_records_to_table(
        "vectors",
        columns=["group_id", "photo_id", "model_id", "serial", "vector"],
        records=[
            (group, post + 1, model, 1, half) for post, half in zip(posts, halves, strict=True)
        ],
    )
