"""Indexes that find the nearest photos of large groups without looking at all (HNSW: Malkov and
Yashunin 2018; https://github.com/pgvector/pgvector#hnsw).

Each is of one group and one model alone, so that it holds nothing that a question would have to
step over. Groups below a size are looked at photo by photo, which is exact.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection, Sequence

import asyncpg

from storage.pg.near import LOOKED_AT, Kind
from storage.pg.pool import Pool
from storage.pg.rows import Connection, rows, run, value
from storage.pg.trouble import FOREIGN

LOOK = (
    f"SET LOCAL hnsw.ef_search = {LOOKED_AT}; SET LOCAL hnsw.iterative_scan = relaxed_order;"
    " SET LOCAL hnsw.max_scan_tuples = 100000; SET LOCAL hnsw.scan_mem_multiplier = 8"
)
"""The index goes on until it has brought enough that is in scope, in 32 MB (of the usual work_mem).
In strict order it would leave out what it finds late."""
LINKS, WIDTH = 16, 128
"""m and ef_construction."""
MEMORY_MB = 512
"""In which an index is made if the server's maintenance_work_mem is not more."""
AROUND_BYTES = 900
"""Of a vector's links and its place, while the index is made: with too little memory pgvector
changes to a way that is many times slower."""
SHRUNK = 0.5
"""Share of the size from which on there is an index down to which one is kept."""
LOCK = 0x5B0EB1
HOURS = 12 * 3600.0
AGAIN_SECONDS = 600.0
_NAME = re.compile(r"nearest_(\d+)_(\d+)")
log = logging.getLogger(__name__)


class Indexes:
    """Made, and taken away, in the background, by one process at a time."""

    def __init__(self, pool: Pool, indexed_from: int) -> None:
        """`indexed_from`: photos of a group."""
        self._pool = pool
        self._from = indexed_from
        self._task: asyncio.Task[None] | None = None
        self._next = 0.0

    @property
    def kept_from(self) -> int:
        """With fewer photos a group loses its index."""
        return int(self._from * SHRUNK)

    def need(self, kind: Kind, groups: Sequence[int], total: int) -> None:
        """A question about so many photos was asked: see to indexes in the background."""
        now = asyncio.get_running_loop().time()
        if total >= self._from and kind.model and now >= self._next and self._idle:
            self._next = now + AGAIN_SECONDS
            self._task = asyncio.create_task(self._tend_quietly())

    @property
    def _idle(self) -> bool:
        return self._task is None or self._task.done()

    async def close(self) -> None:
        """Stop what is being made; safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def ready(self, db: Connection, kind: Kind, groups: Collection[int]) -> frozenset[int]:
        """Those of these groups that have a whole index."""
        if not kind.model or not groups:
            return frozenset()
        found = await rows(
            db,
            "SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid"
            " WHERE relname = ANY(?) AND relkind = 'i' AND indisvalid AND indisready",
            ([name_of(group, kind.model) for group in groups],),
        )
        return frozenset(int(str(name).split("_")[1]) for (name,) in found)

    async def tend(self) -> int:
        """Make what is missing, take away what is no longer needed; how many of both. Raises
        foreign errors."""
        db = await self._pool.connect()
        try:
            if not await value(db, "SELECT pg_try_advisory_lock(?)", (LOCK,)):
                return 0  # another process is at it
            known = await rows(
                db,
                "SELECT relname, indisvalid FROM pg_class JOIN pg_index ON indexrelid ="
                " pg_class.oid WHERE relname LIKE 'nearest\\_%' AND relkind = 'i'",
            )
            sizes = {
                (int(group), int(model)): (int(photos), int(dimension))
                for group, model, dimension, photos in await rows(
                    db,
                    "SELECT group_id, model_id, dimension, count(*) FROM vectors"
                    " JOIN models ON models.id = model_id WHERE role <> 'retired'"
                    " GROUP BY group_id, model_id, dimension HAVING count(*) >= ?"
                    " /* every group */",
                    (self.kept_from,),
                )
            }
            whole, done = set(), 0
            for name, valid in known:
                match = _NAME.fullmatch(str(name))
                place = match and (int(match[1]), int(match[2]))
                if place in sizes and valid:
                    whole.add(place)
                    continue
                await db.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
                done += 1
            for (group, model), (photos, dimension) in sizes.items():
                if photos >= self._from and (group, model) not in whole:
                    await _make(db, group, model, photos, dimension)
                    done += 1
            return done
        finally:
            await db.close(timeout=5)

    async def _tend_quietly(self) -> None:
        try:
            await self.tend()
        except FOREIGN as error:
            log.warning("searches of large groups take longer for now: %s", error)


async def _make(
    db: asyncpg.Connection, group: int, model: int, photos: int, dimension: int
) -> None:
    name = name_of(group, model)
    partition = await value(
        db, "SELECT tableoid::regclass::text FROM vectors WHERE group_id = ? LIMIT 1", (group,)
    )
    if partition is None:
        return
    log.info("an index is made of a large group's photos; questions go on meanwhile")
    memory = int(
        await value(db, "SELECT pg_size_bytes(current_setting('maintenance_work_mem')) / 1048576")
    )
    if memory < MEMORY_MB:
        memory = MEMORY_MB
        await run(db, f"SET maintenance_work_mem = '{MEMORY_MB}MB'")
    needed = photos * (2 * dimension + AROUND_BYTES) >> 20
    if memory < needed:
        log.warning(
            "the index of a group of %s photos takes hours in %s MB of memory:"
            " set maintenance_work_mem of the database server to %s MB, and it takes minutes",
            *(photos, memory, needed),
        )
    await db.execute(
        f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {partition} USING hnsw"
        f" ((vector::halfvec({dimension})) halfvec_ip_ops)"
        f" WITH (m = {LINKS}, ef_construction = {WIDTH})"
        f" WHERE group_id = {group} AND model_id = {model}",
        timeout=HOURS,
    )


def name_of(group: int, model: int) -> str:
    """What the index of a group and a model is called."""
    return f"nearest_{group}_{model}"
