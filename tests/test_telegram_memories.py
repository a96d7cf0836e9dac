"""Memories and the picture of /stats in Telegram."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from adapters.telegram import text
from adapters.telegram.ids import group_id
from bot.memories import DONE, Memories
from bot.memory import PhotoMemory
from bot.ports import Reminder
from storage.sqlite import SqliteStore
from tests.pictures import photo
from tests.standins.telegram import Chat, Message, TelegramWorld, Topic, User
from tests.telegram import Scene, at_work, scene, serving

MORNING = datetime(2031, 5, 17, 7, 10, tzinfo=UTC)
"""9:10 in Berlin."""


def bare(message: Message) -> str:
    """What people read of it."""
    return message.text.replace(text.JOINER, "")


def posted(
    at: Scene,
    year: int,
    number: int,
    where: Chat | None = None,
    who: User | None = None,
    **more: object,
) -> Message:
    """A photo that somebody (Ann) posted at that time of another year."""
    at.world.clock = MORNING.replace(year=year).timestamp
    message = at.world.post_photo(
        where or at.family,
        who or at.ann,
        photo(number),
        f"{year} <b>@all</b>",
        **more,  # type: ignore[arg-type]
    )
    at.world.clock = time.time
    return message


async def morning(store: SqliteStore, memory: PhotoMemory, now: datetime = MORNING) -> None:
    """The bot looks whether it is morning somewhere."""
    chat = cast(Reminder, memory._adapters["telegram"])
    await Memories(store, memory.model, lambda: now).round([chat])


async def test_a_group_sees_its_memories_once_also_after_a_restart(tmp_path: Path) -> None:
    world = TelegramWorld()
    async with scene(tmp_path, world=world) as at:
        (refused,) = await at.asks(at.bob, "/memories on Europe/Berlin")
        assert refused.text == text.ADMINS_ONLY
        (nothing,) = await at.asks(at.bob, "/memories")
        assert "I show no memories in the morning" in nothing.text
        (unknown,) = await at.asks(at.ann, "/memories on <b>@Berln")
        assert "<b>" in unknown.text
        assert not unknown.entities, "no markup, nobody called"
        (done,) = await at.asks(at.ann, "/memories on berlin")
        assert bare(done).startswith("Every morning at 9:00 (Europe/Berlin) I look for")
        club = at.group("Club", at.ann)
        await world.bot_sends(club)
        vanished = posted(at, 2030, 1)
        three = [posted(at, year, n) for n, year in enumerate((2029, 2028, 2027), start=2)]
        posted(at, 2030, 6, spoiler=True)
        posted(at, 2030, 7, club)
        await world.idle()
        world.delete(vanished)
        await morning(at.store, at.memory, MORNING - timedelta(minutes=11))
        await morning(at.store, at.memory)
        *album, words = await world.bot_sends(at.family, 4)
        assert [each.file_unique_id for each in album] == [each.file_unique_id for each in three]
        assert words.text == "On this day in earlier years:"
        assert "2028 <b>@all</b>" in bare(album[0])
        assert {each["type"] for each in album[0].entities} == {"bold", "text_link"}
        assert await at.remembered() == 5, "what had vanished is forgotten"
        world.press(words, "Similar to 1", at.bob)
        (similar,) = await world.bot_sends(at.family)
        assert similar.text.startswith("I can't look for similar photos"), "it leads on"
        await morning(at.store, at.memory)
    async with serving(world) as api, at_work(tmp_path, api) as (store, memory):
        world.say(at.family, at.bob, "/stats")
        (stats,) = await world.bot_sends(at.family)
        await morning(store, memory)
        world.say(at.family, at.bob, "/memories")
        (after,) = await world.bot_sends(at.family)
        assert after.id == stats.id + 2, "nothing was said in between"
        assert "Europe/Berlin" in bare(after)


async def test_memories_are_shown_in_the_topic_where_they_were_wanted(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        forum = at.group("Forum", at.ann, forum=True)
        await at.world.bot_sends(forum)
        topic: Topic = at.world.topic(forum, "memories")
        (said,) = await at.asks(at.ann, "/memories on Europe/Berlin", chat=forum, topic=topic)
        assert "9:00" in bare(said)
        await at.asks(at.ann, "/language zh", chat=forum, topic=topic)
        posted(at, 2028, 1, forum)
        await at.world.idle()
        await morning(at.store, at.memory)
        shown, words = await at.world.bot_sends(forum, 2)
        assert shown.message_thread_id == words.message_thread_id == said.message_thread_id
        assert words.text == "3 年前的今天："


async def test_a_group_that_moves_keeps_its_mornings(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        basic = at.group("Basic", at.ann, kind="group")
        await at.world.bot_sends(basic)
        await at.asks(at.ann, "/memories on Europe/Berlin", chat=basic)
        moved = at.world.migrate(basic)
        posted(at, 2030, 1, moved)
        await at.world.idle()
        await morning(at.store, at.memory)
        _, words = await at.world.bot_sends(moved, 2)
        assert words.text == "One year ago today:"
        assert await at.store.groups.note(group_id(moved.id), DONE) == "2031-05-17"


async def test_where_the_bot_was_sent_away_nothing_is_shown(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.asks(at.ann, "/memories on Europe/Berlin")
        posted(at, 2030, 1)
        await at.world.idle()
        at.world.remove_bot(at.family, at.ann)
        await at.world.idle()
        await morning(at.store, at.memory)
        assert await at.store.groups.note(group_id(at.family.id), DONE) != "2031-05-17"


async def test_in_private_there_are_no_mornings(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        (said,) = await at.asks(at.bob, "/memories on", chat=at.world.private(at.bob))
        assert said.text == text.MEMORIES_WHERE


async def test_stats_are_a_picture_with_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path) as at:
        (none,) = await at.asks(at.bob, "/stats")
        assert none.kind == "text", "there is nothing to draw"
        anna = at.world.user("安娜 @everyone <i>")
        at.world.join(at.family, anna)
        posted(at, 2019, 1, who=anna)
        posted(at, 2024, 2, who=anna)
        at.world.post_photo(at.family, at.bob, photo(3))
        await at.world.idle()
        (stats,) = await at.asks(at.bob, "/stats")
        assert stats.kind == "photo"
        lines = stats.text.splitlines()
        assert lines[0].startswith("I remember 3 photos of this group; 3 of them I am still")
        assert lines[1].startswith("1. 安娜 @\u2060everyone <i>: 2 photos")
        assert lines[2] == "2. Bob: 1 photo"
        assert "finding by meaning waits for a model" in lines[3]
        assert {each["type"] for each in stats.entities} == {"bold", "italic"}
        with Image.open(io.BytesIO(stats.sizes[-1].data)) as picture:
            assert picture.width > picture.height * 0.8
        assert not caplog.records
