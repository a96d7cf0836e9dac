"""Counts of what lies in a scope, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from bot.photos import EVERYONE, Audience
from tests.stores import AnyStore
from tests.test_store import a_post

FAM = ["local:fam"]


async def test_months_that_have_photos_are_counted_oldest_first(store: AnyStore) -> None:
    assert await store.tallies.months(FAM, EVERYONE) == []
    await store.remember(a_post("1", keys="ab", posted_at=datetime(2024, 5, 31, 23, tzinfo=UTC)))
    east = timezone(timedelta(hours=8))
    await store.remember(a_post("2", posted_at=datetime(2024, 6, 1, 3, tzinfo=east)))
    await store.remember(a_post("3", posted_at=datetime(2019, 12, 1, tzinfo=UTC)))
    assert await store.tallies.months(FAM, EVERYONE) == [
        (date(2019, 12, 1), 1),
        (date(2024, 5, 1), 3),
    ]


async def test_posters_are_counted_under_the_name_they_last_had(store: AnyStore) -> None:
    early, late = datetime(2020, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
    await store.remember(a_post("1", author="a", author_name="Ann", posted_at=late))
    await store.remember(a_post("2", author="a", author_name="Annie", posted_at=early))
    await store.remember(a_post("3", author="b", author_name="Ann", keys="abc"))
    await store.remember(a_post("4", author="c", author_name=""))
    most = await store.tallies.posters(FAM, EVERYONE, 2)
    assert most == [("b", "Ann", 3), ("a", "Ann", 2)]
    assert (await store.tallies.posters(FAM, EVERYONE, 9))[2:] == [("c", "", 1)]


async def test_only_what_the_audience_may_see_counts(store: AnyStore) -> None:
    (refused,) = (await store.remember(a_post("1"))).added
    await store.refuse(refused, "the file is empty", final=True)
    await store.remember(a_post("2", channel="secret", author="b", keys="ab"))
    await store.remember(a_post("3", protected=True, author="c"))
    await store.remember(a_post("4", group="local:other", author="d"))
    for audience, authors in (
        (EVERYONE, ["b", "c"]),
        (Audience(None, protected=False), ["b"]),
        (Audience(frozenset({"main"})), ["c"]),
        (Audience(frozenset()), []),
    ):
        posters = await store.tallies.posters(FAM, audience, 9)
        assert [author for author, _, _ in posters] == authors
        months = await store.tallies.months(FAM, audience)
        assert sum(n for _, n in months) == sum(n for _, _, n in posters)
