"""The door to the memory: what DATABASE_URL may be, and what is said where it can't."""

from __future__ import annotations

from importlib.machinery import ModuleSpec

import pytest

import storage
from bot.errors import SettingsError
from storage import overview_of, store_for
from tests.stores import Opened
from tests.test_store import MODEL, a_post


async def test_an_overview_counts_what_the_store_keeps(opened: Opened, memory_url: str) -> None:
    async with opened() as store:
        await store.remember(a_post(keys="ab"))
        await store.models.answer(MODEL)
    async with overview_of(memory_url) as memory:
        (group,) = await memory.groups.status()
        assert (group.group, group.photos) == ("local:fam", 2)
        assert await memory.models.answering() == MODEL
    async with store_for(memory_url) as store:
        assert await store.knows("local:fam", "main", "1")


@pytest.mark.parametrize("door", [store_for, overview_of])
def test_what_is_missing_is_one_line_that_says_how_to_get_it(
    door: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(name: str) -> ModuleSpec | None:
        return None if name == "pgvector" else ModuleSpec(name, None)

    monkeypatch.setattr(storage, "find_spec", found)
    with pytest.raises(SettingsError) as error:
        door("postgresql://me:hush@db/box")  # type: ignore[operator]
    assert str(error.value) == (
        "DATABASE_URL: PostgreSQL needs pgvector: pip install 'shoebox-bot[postgres]'"
    )


@pytest.mark.parametrize("url", ["mysql://me:hush@db:///box", "mysql://me:hush@db/box", "", "box"])
def test_another_database_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(SettingsError, match="is not a database this version knows") as error:
        store_for(url)
    assert "hush" not in str(error.value)
