"""What must not come back: salted hashes of forgotten posts and of people who refuse, not ids."""

from __future__ import annotations

from collections.abc import Sequence

from storage.forgotten import digest
from storage.pg.rows import Connection, run, storable, value


async def forbid(db: Connection, group: int, messages: Sequence[tuple[str, str]]) -> None:
    """These (channel, message) of a group are never remembered again."""
    if not messages:
        return
    salt = await _salt(db)
    await run(
        db,
        "INSERT INTO forgotten (group_id, digest) SELECT ?, unnest(?::bytea[])"
        " ON CONFLICT DO NOTHING",
        (group, sorted({_digest(salt, *message) for message in messages})),
    )


async def is_forbidden(db: Connection, group: int, channel: str, message: str) -> bool:
    """Whether that message is never to be remembered again."""
    found = await value(
        db,
        "SELECT 1 FROM forgotten WHERE group_id = ? AND digest = ?",
        (group, _digest(await _salt(db), channel, message)),
    )
    return found is not None


async def person_digest(db: Connection, person: str) -> bytes:
    """What somebody is known by where their id is not to be read."""
    return _digest(await _salt(db), person)


async def refuses(db: Connection, person: str) -> bool:
    """Whether somebody's photos are not to be kept."""
    known_by = await person_digest(db, person)
    return await value(db, "SELECT 1 FROM refusing WHERE digest = ?", (known_by,)) is not None


async def _salt(db: Connection) -> bytes:
    return bytes(await value(db, "SELECT value FROM salt"))


def _digest(salt: bytes, *parts: str) -> bytes:
    """Of what the tables hold, which is compared with what comes anew."""
    return digest(salt, *map(storable, parts))
