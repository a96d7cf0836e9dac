from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import StoreError
from storage.chatlog import Attachment, ChatLog, Find, Reply

NOON = datetime(2024, 5, 17, 12, 0, tzinfo=UTC)
PHOTO = Attachment("web/photos/0a.jpg", 'a "strange"\nname.jpg', picture=True)


def find(jump: int | None) -> Find:
    return Find(7, "Anna", NOON, "tea", ("caption", "meaning"), "tea.jpg", jump)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[ChatLog]:
    async with ChatLog(tmp_path / "web" / "chat.db", clock=lambda: NOON) as log:
        yield log


async def test_a_message_comes_back_as_it_was_written(log: ChatLog) -> None:
    written = await log.add("family", "Anna", "tea 茶", [PHOTO])

    assert await log.get(written.id) == written
    assert written.posted_at == NOON
    assert written.attachments == (PHOTO,)


async def test_recent_and_following_page_through_one_group(log: ChatLog) -> None:
    ids = [(await log.add("family", "Anna", str(n))).id for n in range(5)]
    await log.add("work", "Ben", "elsewhere")

    assert [m.id for m in await log.recent("family", limit=2)] == ids[3:]
    assert [m.id for m in await log.recent("family", before=ids[3], limit=2)] == ids[1:3]
    assert [m.id for m in await log.following("family", ids[1], limit=2)] == ids[2:4]


async def test_groups_are_listed_by_their_last_message(log: ChatLog) -> None:
    for group in ("family", "work", "family"):
        await log.add(group, "Anna", "hello")

    assert await log.groups() == ["family", "work"]


async def test_a_question_waits_for_its_reply(log: ChatLog) -> None:
    question = await log.add("family", "Anna", "/find tea", question="tea")
    assert [m.id for m in await log.unanswered()] == [question.id]

    reply = Reply("One photo:", "A notice.", (find(None),))
    answered = await log.answer(question.id, reply)

    assert answered is not None
    assert answered.reply == reply
    assert await log.get(question.id) == answered
    assert await log.unanswered() == []


async def test_deleting_hides_at_once_and_purging_erases(log: ChatLog, tmp_path: Path) -> None:
    message = await log.add("family", "Anna", "unique-secret-words", [PHOTO])

    await log.delete(message.id)

    assert await log.get(message.id) is None
    assert await log.recent("family") == []
    assert [m.attachments for m in await log.deleted()] == [(PHOTO,)]
    await log.purge(message.id)
    assert await log.deleted() == []


async def test_deleting_takes_the_photo_out_of_earlier_replies(log: ChatLog) -> None:
    message = await log.add("family", "Anna", "tea", [PHOTO])
    question = await log.add("family", "Ben", "/find tea", question="tea")
    other = find(None)
    await log.answer(question.id, Reply("Two photos:", None, (find(message.id), other)))

    changed = await log.delete(message.id)

    assert [(m.id, m.reply and m.reply.finds) for m in changed] == [(question.id, (other,))]
    assert await log.get(question.id) == changed[0]


async def test_an_id_is_never_used_twice(log: ChatLog) -> None:
    first = await log.add("family", "Anna", "one")
    await log.delete(first.id)
    await log.purge(first.id)

    assert (await log.add("family", "Anna", "two")).id > first.id


async def test_files_that_the_memory_lacks_are_known_after_a_restart(tmp_path: Path) -> None:
    async with ChatLog(tmp_path / "chat.db") as log:
        kept = await log.add("family", "Anna", "", [PHOTO])
        lost = await log.add("family", "Anna", "", [PHOTO])
        await log.add("family", "Anna", "no files")
        await log.mark_remembered(kept.id)
    async with ChatLog(tmp_path / "chat.db") as log:
        assert [m.id for m in await log.unremembered()] == [lost.id]


async def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    times = iter(range(1000))
    async with ChatLog(
        tmp_path / "chat.db", clock=lambda: NOON + timedelta(seconds=next(times))
    ) as log:
        messages = await asyncio.gather(*(log.add("family", "Anna", str(n)) for n in range(50)))
        assert len({m.id for m in messages}) == 50
        assert len(await log.recent("family", limit=100)) == 50


async def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_bytes(b"no database at all" * 100)

    with pytest.raises(StoreError, match=r"chat\.db"):
        async with ChatLog(tmp_path / "chat.db"):
            pass
