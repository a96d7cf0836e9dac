"""What one person posted, all of it; and who doesn't want to be remembered."""

from __future__ import annotations

from storage.pg.again import done_again
from storage.pg.counters import shrink
from storage.pg.forgotten import forbid, person_digest, refuses
from storage.pg.joins import ON_POST
from storage.pg.numbers import held
from storage.pg.pool import Pool
from storage.pg.replies import unsay_all_by
from storage.pg.rows import Connection, number_of_group, rows, run, value
from storage.pg.stand_ins import forbid_moments


@done_again
class PgPeople:
    """PeopleStore on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def photos_of(self, group: str, person: str) -> int:
        async with self._pool.read() as db:
            found = await value(
                db,
                f"SELECT count(*) FROM photos JOIN posts ON {ON_POST}"
                " WHERE posts.group_id = ? AND author = ?",
                (await number_of_group(db, group), person),
            )
        return int(found)

    async def forget(self, group: str, person: str, most: int) -> int:
        photos = 0
        async with self._pool.write() as db:
            number = await held(db, group)
            if number is not None:
                photos = await _forget_posts(db, number, person, most)
                await run(
                    db, "DELETE FROM names WHERE group_id = ? AND giver = ?", (number, person)
                )
                await unsay_all_by(db, number, person)
                await run(
                    db, "DELETE FROM people WHERE group_id = ? AND person = ?", (number, person)
                )
            await run(
                db,
                "DELETE FROM answers WHERE asker = ? AND (group_id = ? OR group_id IS NULL)",
                (person, number),
            )
        return photos

    async def refuse(self, person: str, refuses: bool) -> None:
        async with self._pool.write() as db:
            digest = await person_digest(db, person)
            if refuses:
                await run(db, "INSERT INTO refusing VALUES (?) ON CONFLICT DO NOTHING", (digest,))
            else:
                await run(db, "DELETE FROM refusing WHERE digest = ?", (digest,))

    async def refuses(self, person: str) -> bool:
        async with self._pool.read() as db:
            return await refuses(db, person)


async def _forget_posts(db: Connection, group: int, person: str, most: int) -> int:
    """Forget `most` of somebody's posts; how many photos that were."""
    posts = await rows(
        db,
        "SELECT id, channel, message FROM posts WHERE group_id = ? AND author = ?"
        " ORDER BY posted_at LIMIT ?",
        (group, person, most),
    )
    if not posts:
        return 0
    ids = [post for post, _, _ in posts]
    await forbid(db, group, [(channel, message) for _, channel, message in posts])
    await forbid_moments(db, group, ids)
    photos = await value(
        db, "SELECT count(*) FROM photos WHERE group_id = ? AND post_id = ANY(?)", (group, ids)
    )
    await run(db, "DELETE FROM posts WHERE group_id = ? AND id = ANY(?)", (group, ids))
    await shrink(db, [group])
    return int(photos)
