"""What must not come back: salted hashes of forgotten posts and of people who refuse, not ids."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import aiosqlite

from storage.rows import value


async def forbid(db: aiosqlite.Connection, group: int, messages: Sequence[tuple[str, str]]) -> None:
    """These (channel, message) of a group are never remembered again."""
    salt = await _salt(db)
    await db.executemany(
        "INSERT OR IGNORE INTO forgotten (group_id, digest) VALUES (?, ?)",
        [(group, digest(salt, *message)) for message in messages],
    )


async def is_forbidden(db: aiosqlite.Connection, group: int, channel: str, message: str) -> bool:
    """Whether that message is never to be remembered again."""
    found = await value(
        db,
        "SELECT 1 FROM forgotten WHERE group_id = ? AND digest = ?",
        (group, digest(await _salt(db), channel, message)),
    )
    return found is not None


async def person_digest(db: aiosqlite.Connection, person: str) -> bytes:
    """What somebody is known by where their id is not to be read."""
    return digest(await _salt(db), person)


async def refuses(db: aiosqlite.Connection, person: str) -> bool:
    """Whether somebody's photos are not to be kept."""
    known_by = await person_digest(db, person)
    return await value(db, "SELECT 1 FROM refusing WHERE digest = ?", (known_by,)) is not None


async def _salt(db: aiosqlite.Connection) -> bytes:
    return bytes(await value(db, "SELECT value FROM salt"))


def digest(salt: bytes, *parts: str) -> bytes:
    """What a (channel, message) or a (person) is known by."""
    return hashlib.blake2b("\0".join(parts).encode(), key=salt, digest_size=16).digest()
