"""Fixtures that many tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from bot import clip
from bot.starter import families, files
from bot.starter.scenes import Painter
from tests import kept, postgres
from tests.stores import AnyStore, Opened, Rooms, a_file, store_on


@pytest.fixture(scope="session")
def encoder() -> Iterator[clip.ClipEncoder]:
    """The starter model."""
    loaded = clip.load(files.NAME, kept.models(), "", lambda done, total: None)
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def painter() -> Painter:
    """Draws what the starter model knows."""
    return Painter(families.sprites("noto", kept.pictures()))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A running PostgreSQL, for all tests of a process."""
    with postgres.server() as server:
        postgres.apart(server.prepare())
        yield server


@pytest.fixture
async def postgres_url(postgres_server: postgres.Server) -> AsyncIterator[str]:
    """A new PostgreSQL database with today's schema."""
    async with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def emptied(postgres_server: postgres.Server) -> postgres.Emptied:
    """Databases of that server for tests that need many."""
    return postgres.Emptied(postgres_server)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def rooms(request: pytest.FixtureRequest) -> Rooms:
    """Memories of either kind, for tests that need many."""
    if request.param == "sqlite":
        return a_file
    databases: postgres.Emptied = request.getfixturevalue("emptied")
    return databases.database


@pytest.fixture(params=["sqlite", "postgres"])
async def memory_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Where a new memory is: what takes this is tested on both databases."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/data/box.db"
        return
    databases: postgres.Emptied = request.getfixturevalue("emptied")
    async with databases.database() as url:
        yield url


@pytest.fixture
def opened(memory_url: str) -> Opened:
    """Opens a new memory of either kind, as often as needed."""
    return partial(store_on, memory_url)


@pytest.fixture
async def store(opened: Opened) -> AsyncIterator[AnyStore]:
    """A new memory of either kind, open."""
    async with opened() as store:
        yield store
