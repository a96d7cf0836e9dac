"""A database that was made with too few letters."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
import pytest

from bot.errors import StoreError
from bot.photos import EVERYONE
from storage.postgres import PostgresStore
from tests.postgres import Server
from tests.test_store import a_post

Made = Callable[[str], AbstractAsyncContextManager[str]]


@pytest.fixture
def made(postgres_server: Server) -> Made:
    """The URL of a new database with a locale or an encoding of its own."""

    @asynccontextmanager
    async def make(how: str) -> AsyncIterator[str]:
        name = f"t{uuid.uuid4().hex[:12]}"
        db = await asyncpg.connect(postgres_server.url())
        await db.execute(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER libc {how}")
        try:
            yield postgres_server.url(name)
        finally:
            await db.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await db.close()

    return make


async def test_letters_a_to_z_are_too_few_but_lose_nothing(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    async with made("LOCALE 'C'") as url, PostgresStore(url) as store:
        (photo,) = (await store.remember(a_post(caption="生日蛋糕"))).added
        found = await store.search(["local:fam"], EVERYONE, ["蛋糕"], [], None, 3)
    assert [item.photo for item in found.items] == [photo]
    assert "only a to z" in caplog.text
    assert "createdb --locale C.UTF-8" in caplog.text


async def test_a_good_one_is_not_complained_about(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with PostgresStore(postgres_url):
        assert not caplog.records


async def test_what_can_not_hold_all_scripts_is_refused(made: Made) -> None:
    async with made("LOCALE 'C' ENCODING 'LATIN1'") as url:
        with pytest.raises(StoreError, match=r"LATIN1.*--encoding UTF8"):
            async with PostgresStore(url):
                pass
