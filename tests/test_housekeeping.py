"""What happens without anybody asking: left groups, age, and traces of what was deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import housekeeping
from bot.decoder import Decoder
from bot.errors import StoreError
from bot.housekeeping import forget_old, keep_house
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import Group
from bot.ports import ChatAdapter
from storage.sqlite import SqliteStore
from tests.test_scrubbing import everything_in
from tests.test_store import a_post

NOBODY: Mapping[str, ChatAdapter] = {}


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


async def test_posts_become_so_old_and_no_older(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "box.db") as store, Decoder() as decoder:
        age = timedelta(days=30)
        memory = PhotoMemory(store, ModelState("none"), NOBODY, decoder, retention=age)
        for message, days in (("old", 31.0), ("new", 29.0)):
            await store.remember(a_post(message, posted_at=days_ago(days)))
        later = await memory.remember(a_post("older", posted_at=days_ago(300)))
        assert later.added == (), "or history would bring it back each time"
        assert (await memory.remember(a_post("today", posted_at=days_ago(0)))).added
        assert await forget_old(store, age) == 1
        assert not await store.knows("local:fam", "main", "old")
        assert await store.knows("local:fam", "main", "new")
        ages = PhotoMemory(store, ModelState("none"), NOBODY, decoder)
        assert (await ages.remember(a_post("older", posted_at=days_ago(300)))).added


async def test_all_chores_are_done_and_one_that_fails_stops_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(housekeeping, "SCRUB_SECONDS", 0.01)
    async with SqliteStore(tmp_path / "box.db") as store:
        await store.groups.meet(Group("g", "Gone"))
        await store.remember(a_post(caption="secretly gone", group="g", posted_at=days_ago(1)))
        await store.remember(a_post("old", caption="secretly old", posted_at=days_ago(9)))
        await store.groups.leave("g", days_ago(8))
        erase = store.groups.erase_left

        async def broken(before: datetime) -> list[Group]:
            raise StoreError("the disk is full")

        monkeypatch.setattr(store.groups, "erase_left", broken)
        week = timedelta(days=7)
        keeping = asyncio.create_task(keep_house(store, week, week))
        async with asyncio.timeout(10):
            while b"secretly old" in everything_in(tmp_path):
                await asyncio.sleep(0.02)
        assert "left groups are not forgotten yet: the disk is full" in caplog.text
        assert b"secretly gone" in everything_in(tmp_path)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

        monkeypatch.setattr(store.groups, "erase_left", erase)
        store._scrubber._not_before = 0.0
        keeping = asyncio.create_task(keep_house(store, week, None))
        async with asyncio.timeout(10):
            while b"secretly gone" in everything_in(tmp_path):
                await asyncio.sleep(0.02)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        assert [group.group for group in await store.groups.status()] == ["local:fam"]
