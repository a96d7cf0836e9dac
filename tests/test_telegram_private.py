"""Private chats and inline mode: only groups that somebody is in, asked at that moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.telegram import text
from tests.pictures import photo
from tests.telegram import scene


async def test_in_private_the_groups_that_both_share_are_searched(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        club = at.group("Club", at.eve, at.bob)
        vault = at.group("Vault", at.bob, protected=True)
        for chat, who, caption in (
            (at.family, at.ann, "family cake"),
            (club, at.eve, "club cake"),
            (vault, at.bob, "vault cake"),
        ):
            at.world.post_photo(chat, who, photo(len(caption)), caption)
        at.world.post_photo(at.family, at.ann, photo(5), "secret cake", protected=True)
        for chat in (at.family, club, vault):
            at.world.say(chat, at.bob, "hello")
        room = at.world.private(at.bob)
        first, second, words = await at.asks(at.bob, "cake", chat=room, count=3)
        assert "in Family" in first.text
        assert "in Club" in first.text
        assert "Vault" not in first.text
        assert "secret" not in first.text
        assert second.photo
        assert words.text.startswith("2 photos")
        (stats,) = await at.asks(at.bob, "/stats", chat=room)
        assert stats.text == "Club: 1 photo\nFamily: 2 photos"
        club.members[at.bob.id] = "left"
        found, _ = await at.asks(at.bob, "/find cake", chat=room, count=2)
        assert "Club" not in found.text
        at.world.members_hidden = True
        (nothing,) = await at.asks(at.bob, "/find cake", chat=room)
        assert nothing.text == text.NO_GROUPS


async def test_pages_in_private_follow_membership(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.cakes(5)
        at.world.say(at.family, at.bob, "hello")
        room = at.world.private(at.bob)
        *_, words = await at.asks(at.bob, "cake", chat=room, count=4)
        at.family.members[at.bob.id] = "left"
        answer = await at.world.press(words, "More", at.bob).answered()
        assert answer.text == "That was all."
        assert len(room.by_bot) == 4


async def test_restricted_members_are_members_if_they_are_in(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.cakes(1)
        at.world.say(at.family, at.bob, "hello")
        at.world.restrict(at.family, at.bob, is_member=False)
        (words,) = await at.asks(at.bob, "cake", chat=at.world.private(at.bob))
        assert words.text == text.NO_GROUPS


async def test_the_button_under_help_brings_a_member_in(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.cakes(1)
        (help_,) = await at.asks(at.ann, "/help")
        payload = str(help_.buttons[0].url).partition("?start=")[2]
        for who, count in ((at.bob, 2), (at.eve, 1)):
            room = at.world.private(who)
            await at.asks(who, f"/start {payload}", chat=room)
            found = await at.asks(who, "cake", chat=room, count=count)
            assert (found[-1].text == text.NO_GROUPS) == (who is at.eve)


async def test_inline_is_off_unless_the_owner_wants_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.cakes(1)
        with pytest.raises(TimeoutError):
            await at.world.ask_inline(at.ann, "cake", timeout=0.5)


async def test_inline_offers_a_members_own_photos_only(tmp_path: Path) -> None:
    async with scene(tmp_path, inline=True) as at:
        posted = at.cakes(2)
        at.world.post_photo(at.family, at.ann, photo(5), "cake", spoiler=True)
        at.world.post_photo(at.family, at.ann, photo(6), "cake", protected=True)
        at.world.post_document(at.family, at.ann, photo(7), "a.jpg", "image/jpeg", caption="cake")
        answer = await at.world.ask_inline(at.ann, "cake")
        assert (answer.is_personal, answer.cache_time) == (True, 0)
        assert [r["type"] for r in answer.results] == ["document", "photo", "photo"]
        at.world.expire_file(posted[0])
        assert len((await at.world.ask_inline(at.ann, "cake")).results) == 2
        assert (await at.world.ask_inline(at.eve, "cake")).results == []
        assert (await at.world.ask_inline(at.ann, " ")).results == []
        at.family.members[at.ann.id] = "kicked"
        assert (await at.world.ask_inline(at.ann, "cake")).results == []
