"""What waits, what did not work, and another chance for it."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.backlog import Failure, Kind
from bot.photos import PhotoRef, Task
from tests.stores import AnyStore
from tests.test_store import a_post

GONE = "the file is no longer where it was"
AWAY = "Telegram can't be reached yet"
NEVER = "the file is empty"


async def test_failures_are_told_by_kind_and_get_another_chance(store: AnyStore) -> None:
    gone = (await store.remember(a_post("1", keys="abc"))).added
    (broken,) = (await store.remember(a_post("2", group="local:other"))).added
    (late,) = (await store.remember(a_post("3"))).added
    for photo in gone:
        await store.refuse(photo, GONE, final=False)
    await store.refuse(broken, NEVER, final=True)
    until = datetime(2100, 1, 1, tzinfo=UTC)
    await store.postpone(late, Task.EMBED, until, AWAY)

    first, second, last = await store.backlog.failures(kinds=9, each=2)
    assert (first.kind, first.photos) == (Kind(GONE, None), 3)
    assert [each.photo for each in first.latest] == [gone[2], gone[1]]
    assert second.kind == Kind(AWAY, Task.EMBED)
    assert second.latest == (Failure(late, "local:fam", "a.jpg", 1, until),)
    assert last.kind == Kind(NEVER, None, final=True)
    assert len(await store.backlog.failures(kinds=1, each=1)) == 1

    assert await store.backlog.retry([gone[0], broken, 999]) == 1, "what is no photo stays so"
    (status,) = await store.groups.status("local:fam")
    assert (status.photos, len(status.refused)) == (2, 2)
    assert [job.photo for job in await store.take(Task.EMBED, 9, ())] == [gone[0]]
    assert [job.photo for job in await store.take(Task.READ, 9, ())] == [gone[0], late]

    assert await store.backlog.retry_all(Kind(AWAY, Task.EMBED)) == 1
    assert [job.attempts for job in await store.take(Task.EMBED, 9, ())] == [0, 0]
    assert await store.backlog.retry_all(Kind(GONE, None)) == 2
    assert await store.backlog.retry_all(Kind(NEVER, None, final=True)) == 0
    assert await store.backlog.retry_all(Kind(NEVER, None)) == 0
    (only,) = await store.backlog.failures(kinds=9, each=9)
    assert only.kind.final
    assert len(await store.take(Task.FINGERPRINT, 9, ())) == 4


async def test_a_retry_brings_back_what_finds_it_by_words(store: AnyStore) -> None:
    post = a_post(caption="cake", photos=(PhotoRef("file", "k", "/k", "k.jpg"),))
    (photo,) = (await store.remember(post)).added
    await store.refuse(photo, GONE, final=False)
    await store.backlog.retry([photo])
    (stored,) = await store.photos([photo])
    assert stored.refused is None
    assert stored.post.caption == "cake"
