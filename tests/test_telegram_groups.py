"""The bot's coming and going: joining, hidden photos, being sent away."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.telegram import groups, text
from adapters.telegram.ids import group_id, person_id
from tests.pictures import photo
from tests.standins.telegram import TelegramWorld
from tests.telegram import Scene, at_work, scene, serving


def words_of(at: Scene) -> list[str]:
    return [message.text for message in at.family.by_bot]


async def test_it_says_hello_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.say(at.family, at.ann, "hi")
        at.world.post_photo(at.family, at.ann, photo(1))
        await at.asks(at.bob, "/stats")
        (greeting, _) = words_of(at)
        assert greeting.startswith("Hello! I remember the photos of this group.")
        assert "after 7 days" in greeting
        assert "hides" not in greeting


async def test_a_group_whose_welcome_was_missed_is_greeted_at_the_first_word(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        club = at.world.group("Club", [at.ann])
        club.members[at.world.bot.id] = "member"
        at.world.post_photo(club, at.ann, photo(1))
        (hello,) = await at.world.bot_sends(club)
        assert hello.text.startswith("Hello!")
        assert await at.remembered() == 1


@pytest.mark.parametrize("way", ["admin", "again"])
async def test_hidden_photos_are_told_once_and_when_it_is_over(tmp_path: Path, way: str) -> None:
    world = TelegramWorld()
    world.privacy = True
    async with scene(tmp_path, world=world) as at:
        assert "Telegram hides photos from me here" in words_of(at)[0]
        world.post_photo(at.family, at.ann, photo(1))
        assert await at.remembered() == 0, "Telegram does not show it"
        (help_,) = await at.asks(at.ann, "/help")
        world.post_photo(at.family, at.ann, photo(2), reply_to=help_)
        assert await at.remembered() == 1, "a reply to the bot is shown"
        assert text.VISIBLE not in words_of(at), "and proves nothing"
        if way == "admin":
            world.promote_bot(at.family, at.ann)
            (seen,) = await world.bot_sends(at.family)
            assert seen.text == text.VISIBLE
        else:
            world.privacy = False
            world.remove_bot(at.family, at.ann)
            world.add_bot(at.family, at.ann)
            (again,) = await world.bot_sends(at.family)
            assert again.text.startswith("Hello")
            assert "hides" not in again.text
        world.post_photo(at.family, at.ann, photo(3))
        assert await at.remembered() == 2
        (stats,) = await at.asks(at.ann, "/stats")
        assert stats.text.startswith("I remember 2 photos"), "nothing more was said"


async def test_no_longer_an_admin_it_says_that_photos_are_hidden(tmp_path: Path) -> None:
    world = TelegramWorld()
    async with scene(tmp_path, world=world) as at:
        world.promote_bot(at.family, at.ann)
        world.privacy = at.family.private_to_bot = True
        world.demote_bot(at.family, at.ann)
        (words,) = await world.bot_sends(at.family)
        assert "Telegram hides photos from me here" in words.text
        world.promote_bot(at.family, at.ann)
        (words,) = await world.bot_sends(at.family)
        assert words.text == text.VISIBLE


async def test_who_is_there_is_learnt_anew_when_all_was_erased_meanwhile(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.say(at.family, at.bob, "hello")
        at.world.remove_bot(at.family, at.ann)
        await at.world.idle()
        assert await at.store.groups.erase_left(datetime.now(UTC) + timedelta(days=9))
        at.world.add_bot(at.family, at.ann)
        at.world.say(at.family, at.bob, "hello again")
        await at.world.idle()
        assert [g.name for g in await at.store.groups.of(person_id(at.bob.id))] == ["Family"]


async def test_that_photos_were_hidden_is_known_after_a_restart(tmp_path: Path) -> None:
    world = TelegramWorld()
    world.privacy = True
    async with scene(tmp_path, world=world) as at:
        family, ann = at.family, at.ann

    async with serving(world) as api, at_work(tmp_path, api):
        family.private_to_bot = False
        world.post_photo(family, ann, photo(1))
        (seen,) = await world.bot_sends(family)
        assert seen.text == text.VISIBLE


async def test_sent_away_it_keeps_all_for_the_grace_period(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.post_photo(at.family, at.ann, photo(1))
        at.world.remove_bot(at.family, at.ann)
        assert await at.remembered() == 1
        now = datetime.now(UTC)
        assert await at.store.groups.erase_left(now - timedelta(hours=1)) == []
        at.world.add_bot(at.family, at.ann)
        await at.world.idle()
        assert await at.store.groups.erase_left(now + timedelta(days=9)) == []
        at.world.remove_bot(at.family, at.ann)
        await at.world.idle()
        assert await at.store.groups.erase_left(now + timedelta(days=9))
        assert await at.remembered() == 0


async def test_a_removal_that_nobody_told_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(groups, "ROUND_SECONDS", 0.05)
    async with scene(tmp_path) as at:
        club = at.group("Club", at.ann, kind="group")
        old = at.group("Old", at.ann, kind="group")
        await at.world.idle()
        club.members[at.world.bot.id] = "kicked"
        new = at.world.migrate(old)
        at.world.pending.clear()  # more than 24 hours ago
        async with asyncio.timeout(10):
            while len(await at.store.groups.present("telegram:")) > 2:
                await asyncio.sleep(0.02)
            while group_id(new.id) not in [
                g.id for g in await at.store.groups.present("telegram:")
            ]:
                await asyncio.sleep(0.02)


async def test_sent_away_while_answering(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with scene(tmp_path) as at:
        at.world.say(at.family, at.bob, "/stats")
        at.family.members[at.world.bot.id] = "kicked"
        async with asyncio.timeout(10):
            while await at.store.groups.present("telegram:"):
                await asyncio.sleep(0.02)
        assert any("not allowed" in line and "kicked" in line for line in caplog.messages)
