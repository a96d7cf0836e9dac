"""Several processes take what waits: each job once, and after a lease what a dead one left."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import numpy as np
import pytest

from bot.photos import Job, Model, Task
from storage.pg import models, workers
from storage.pg.pool import Pool
from storage.pg.workers import LEASE_SECONDS, Worker
from storage.postgres import PostgresStore
from tests.test_store import MODEL, OTHER, a_post, a_vector


@asynccontextmanager
async def processes(url: str, count: int) -> AsyncIterator[list[PostgresStore]]:
    stores = [PostgresStore(url) for _ in range(count)]
    try:
        yield [await store.__aenter__() for store in stores]
    finally:
        for store in stores:
            await store.__aexit__(None, None, None)


async def query(url: str, sql: str, *values: object) -> object:
    db = await asyncpg.connect(url)
    try:
        return await db.fetchval(sql, *values)
    finally:
        await db.close()


async def posted(store: PostgresStore, group: int, photos: str) -> list[int]:
    return list((await store.remember(a_post(group=f"local:{group}", keys=photos))).added)


def ids(jobs: list[Job]) -> list[int]:
    return [job.photo for job in jobs]


async def test_no_two_take_the_same_and_all_is_taken(postgres_url: str) -> None:
    async with processes(postgres_url, 3) as stores:
        photos = [
            photo for group in range(12) for photo in await posted(stores[0], group, "abcdefgh")
        ]

        first = await asyncio.gather(*(store.take(Task.READ, 5, ()) for store in stores))
        assert [len(jobs) for jobs in first] == [5, 5, 5], "none goes away empty"

        async def drain(store: PostgresStore, taken: list[int]) -> list[int]:
            while jobs := await store.take(Task.READ, 5, taken):
                taken += ids(jobs)
            return taken

        taken = await asyncio.gather(*map(drain, stores, map(ids, first)))
        assert sorted(photo for each in taken for photo in each) == sorted(photos)


async def test_what_is_mine_stays_mine_until_it_is_done_or_put_off(postgres_url: str) -> None:
    async with processes(postgres_url, 2) as (one, two):
        photos = await posted(one, 1, "abc")
        assert ids(await one.take(Task.EMBED, 2, ())) == photos[:2]
        assert ids(await two.take(Task.EMBED, 9, ())) == photos[2:]
        assert ids(await one.take(Task.EMBED, 9, ())) == photos[:2], "asked again, told again"
        assert ids(await one.take(Task.EMBED, 9, photos[:1])) == photos[1:2]
        assert ids(await two.take(Task.READ, 9, ())) == photos, "another task is another matter"
        await one.postpone(photos[0], Task.EMBED, datetime(2020, 1, 1, tzinfo=UTC), "no network")
        assert ids(await two.take(Task.EMBED, 9, photos[2:])) == photos[:1]


async def test_a_dead_workers_jobs_are_taken_over_after_the_lease(postgres_url: str) -> None:
    async with processes(postgres_url, 1) as (one,):
        photos = await posted(one, 1, "ab")
        dead = uuid.uuid4()
        seen = "INSERT INTO workers VALUES ($1, now() - $2 * interval '1 s')"
        await query(postgres_url, seen, dead, LEASE_SECONDS - 10)
        await query(postgres_url, "UPDATE jobs SET worker = $1", dead)
        assert await one.take(Task.EMBED, 9, ()) == []
        await query(postgres_url, "UPDATE workers SET seen_at = seen_at - interval '11 s'")
        assert ids(await one.take(Task.EMBED, 9, ())) == photos


async def test_who_ends_leaves_what_it_took_to_others_at_once(postgres_url: str) -> None:
    async with processes(postgres_url, 1) as (one,):
        photos = await posted(one, 1, "ab")
        async with processes(postgres_url, 1) as (two,):
            assert ids(await two.take(Task.EMBED, 9, ())) == photos
            assert await one.take(Task.EMBED, 9, ()) == []
        assert ids(await one.take(Task.EMBED, 9, ())) == photos


async def test_what_a_stalled_process_takes_is_its_own(postgres_url: str) -> None:
    """Or the server forgot everybody in a crash: until the next sign of life, taking is one."""
    async with processes(postgres_url, 2) as (one, two):
        photos = await posted(one, 1, "ab")
        await query(postgres_url, "DELETE FROM workers")
        assert ids(await one.take(Task.EMBED, 1, ())) == photos[:1]
        assert ids(await two.take(Task.EMBED, 9, ())) == photos[1:]


async def test_who_stalled_gives_nothing_up_that_another_took_over(postgres_url: str) -> None:
    late = datetime(2099, 1, 1, tzinfo=UTC)
    async with processes(postgres_url, 2) as (one, two):
        photos = await posted(one, 1, "abcd")
        assert ids(await one.take(Task.EMBED, 9, ())) == photos
        await query(postgres_url, "UPDATE workers SET seen_at = seen_at - interval '1 min'")
        assert ids(await two.take(Task.EMBED, 2, ())) == photos[:2]
        await two.save_vectors(MODEL, photos[:1], a_vector(1)[None])
        await one.postpone(photos[1], Task.EMBED, late, "no network")
        for photo in photos[:3]:
            await one.refuse(photo, "gone", False, Task.EMBED)
        assert [await store_refused(postgres_url, photo) for photo in photos] == [
            *(None, None, "gone", None)
        ]
        assert ids(await two.take(Task.EMBED, 1, ())) == photos[1:2], "not put off either"


async def store_refused(url: str, photo: int) -> object:
    return await query(url, "SELECT refused FROM photos WHERE id = $1", photo)


async def test_a_group_that_never_rests_keeps_no_model_from_its_turn(postgres_url: str) -> None:
    now = 1000.0
    async with PostgresStore(postgres_url, clock=lambda: now) as store:
        photos = await posted(store, 1, "ab")
        await store.save_vectors(MODEL, photos, np.stack([a_vector(1), a_vector(2)]))
        await store.models.answer(MODEL)
        await store.models.expect(OTHER)
        await store.save_vectors(OTHER, photos[:1], a_vector(3)[None])
        assert await store.models.require(OTHER) == 1
        assert not await store.models.succeed(OTHER)
        now += models.PATIENCE_SECONDS
        age = "UPDATE jobs SET since = since - $1"
        await query(postgres_url, age, 200.0)
        assert not await store.models.succeed(OTHER), "it has waited for long"
        await query(postgres_url, age, -200.0)
        assert await store.models.succeed(OTHER)
        assert ids(await store.take(Task.RENEW, 9, ())) == photos[1:], "it is still to be seen"
        assert await store.models.answering() == OTHER


async def test_groups_take_turns_in_each_process(postgres_url: str) -> None:
    async with processes(postgres_url, 2) as (one, two):
        first, second, third = [await posted(one, group, "abcd") for group in range(3)]
        assert ids(await one.take(Task.EMBED, 4, ())) == [first[0], second[0], third[0], first[1]]
        assert ids(await two.take(Task.EMBED, 3, ())) == [first[2], second[1], third[1]]
        assert ids(await two.take(Task.EMBED, 9, [first[2], second[1], third[1]])) == [
            *(first[3], second[2], third[2]),
            *(second[3], third[3]),
        ]


async def test_what_still_waits_for_another_task_is_left_out(postgres_url: str) -> None:
    async with processes(postgres_url, 2) as (one, two):
        (first, second) = await posted(one, 1, "ab")
        assert await one.take(Task.FINGERPRINT, 9, (), after=Task.EMBED) == []
        await two.save_vectors(MODEL, [second], a_vector(1)[None])
        assert ids(await one.take(Task.FINGERPRINT, 9, (), after=Task.EMBED)) == [second]
        assert await two.take(Task.FINGERPRINT, 9, (), after=Task.EMBED) == []
        assert ids(await two.take(Task.FINGERPRINT, 9, ())) == [first]


async def test_nobody_waits_for_who_is_just_taking(postgres_url: str) -> None:
    async with processes(postgres_url, 1) as (one,):
        photos = await posted(one, 1, "abc")
        db = await asyncpg.connect(postgres_url)
        async with asyncio.timeout(20), db.transaction():
            await db.execute("SELECT 1 FROM jobs WHERE photo_id = $1 FOR UPDATE", photos[0])
            assert ids(await one.take(Task.EMBED, 2, ())) == photos[1:]
        await db.close()


async def test_signs_of_life_go_on_after_trouble(
    postgres_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "BEATS_OF_CLEANING", 1)
    async with asyncio.timeout(20):
        pool = Pool(postgres_url)
        await pool.open()
        worker = Worker(pool, every=0.01)
        with caplog.at_level(logging.WARNING):
            await worker.open()
            await query(postgres_url, "ALTER TABLE workers RENAME TO gone")
            while not caplog.records:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            await query(postgres_url, "TRUNCATE gone")
            await query(postgres_url, "INSERT INTO gone VALUES ($1, '2020-01-01')", uuid.uuid4())
            await query(postgres_url, "ALTER TABLE gone RENAME TO workers")
            alive = "SELECT array_agg(id) FROM workers"
            while await query(postgres_url, alive) != [worker.id]:  # and the old one went
                await asyncio.sleep(0.01)
        assert len(caplog.records) == 1, "told once"
        await worker.close()
        await worker.close()
        assert await query(postgres_url, "SELECT count(*) FROM workers") == 0
        await pool.close()


async def test_a_photo_embedded_while_another_model_takes_over_is_not_lost(
    postgres_url: str,
) -> None:
    """One process still embeds with the old model while another lets the new one answer."""
    async with processes(postgres_url, 2) as (one, two):
        photos = await posted(one, 1, "abcdefgh")
        await one.models.answer(MODEL)
        await one.save_vectors(MODEL, photos[:4], np.stack([a_vector(n) for n in range(4)]))
        await one.models.expect(OTHER)
        await one.models.require(OTHER)
        await one.save_vectors(OTHER, photos[:4], np.stack([a_vector(n) for n in range(4)]))

        async def embed(model: Model, store: PostgresStore) -> None:
            for photo in photos[4:]:
                await store.save_vectors(model, [photo], a_vector(9)[None])

        _, succeeded = await asyncio.gather(embed(MODEL, two), one.models.succeed(OTHER))
        waiting = ids(await one.take(Task.RENEW, 9, ()))
        assert waiting == photos[4:], succeeded
        await two.save_vectors(MODEL, photos[4:5], a_vector(9)[None])
        assert await one.models.require(OTHER) == 4, "what doesn't know the new one can't end it"
        await one.save_vectors(OTHER, photos[4:], np.stack([a_vector(n) for n in range(4)]))
        assert await one.models.require(OTHER) == 0
        assert await one.models.succeed(OTHER)
