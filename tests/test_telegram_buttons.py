"""The buttons under answers, also pressed late, twice, by others, or forged."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.telegram import text
from bot.errors import StoreError
from bot.photos import Task
from tests.pictures import photo
from tests.telegram import scene
from tests.test_indexing import ColourEncoder


async def test_forged_and_foreign_buttons_lead_nowhere(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.cakes(5)
        *_, words = await at.asks(at.bob, "/find cake", count=4)
        data = words.buttons[-1].data
        assert data is not None
        club = at.group("Club", at.eve)
        (hello,) = await at.world.bot_sends(club)
        gone = "too old"
        for message, pressed, who in (
            (hello, data, at.eve),
            (words, "m:999:3", at.bob),
            (words, "m:1:99999", at.bob),
            (words, "x", at.bob),
            (words, "", at.bob),
        ):
            answer = await at.world.press_raw(message, pressed, who).answered()
            assert gone in answer.text, pressed
        eves = at.world.private(at.eve)
        at.world.say(eves, at.eve, "hi")
        (hello,) = await at.world.bot_sends(eves)
        assert gone in (await at.world.press_raw(hello, data, at.eve).answered()).text
        assert len(club.by_bot) == 1, "nothing was shown there"
        assert len(eves.by_bot) == 1


async def test_a_press_that_comes_late_hurts_nobody(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.cakes(5)
        at.world.callback_seconds = 0
        *_, words = await at.asks(at.bob, "/find cake", count=4)
        at.world.press(words, "More", at.bob)
        await at.world.bot_sends(at.family, 3)


async def test_a_press_is_answered_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as at:
        at.cakes(5)
        *_, words = await at.asks(at.bob, "/find cake", count=4)

        async def broken(*_: object) -> object:
            raise StoreError("the disk is gone")

        with monkeypatch.context() as patched:
            patched.setattr(at.store.answers, "page", broken)
            answer = await at.world.press(words, "More", at.bob).answered()
            assert answer.text == text.WENT_WRONG
        at.world.cut("answerCallbackQuery")
        at.world.fail("editMessageReplyMarkup", status=429, retry_after=1)
        at.world.press(words, "More", at.bob)
        assert (await at.world.bot_sends(at.family, 3))[0].photo


async def test_a_press_on_what_was_shown_before_the_group_moved(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        club = at.group("Club", at.ann, kind="group")
        await at.world.bot_sends(club)
        for n in range(5):
            at.world.post_photo(club, at.ann, photo(n), "cake")
        *_, words = await at.asks(at.ann, "/find cake", chat=club, count=4)
        new = at.world.migrate(club)
        at.world.press(words, "More", at.ann)
        *found, _ = await at.world.bot_sends(new, 3)
        assert all(each.photo for each in found)


async def test_where_nothing_fits_the_nearest_waits_behind_a_button(tmp_path: Path) -> None:
    async with scene(tmp_path, ColourEncoder(), indexing=True) as at:
        at.cakes(3)
        await at.indexed(Task.EMBED)
        (words,) = await at.asks(at.bob, "/find goose")
        assert words.text is not None
        assert words.text.startswith("Nothing in this group looks like “goose”.")
        assert [(button.label, button.data) for button in words.buttons] == [
            ("Show the nearest", "m:1:0")
        ]
        at.world.press(words, "Show the nearest", at.bob)
        shown, under = await at.world.bot_sends(at.family, 2)
        assert shown.photo
        assert under.text is not None
        assert under.text.startswith("The nearest to “goose”:")
        assert [button.label for button in under.buttons] == ["Similar", "More"]
        assert not words.buttons, "it was shown"
