"""What people ask of the bot in groups: finding, similar photos, forgetting, numbers."""

from __future__ import annotations

from pathlib import Path

from adapters.telegram import text
from adapters.telegram.ids import group_id
from bot import clip
from bot.photos import Task
from tests.pictures import encoded, photo
from tests.pictures import scene as drawn
from tests.telegram import scene, until


async def test_questions_that_say_nothing_are_helped(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        for asked, answer in (
            ("/find", text.FIND_HOW),
            ("/similar", text.SIMILAR_HOW),
            ("/forget", text.FORGET_HOW),
            ("/find cake", "There are no photos in this group yet. Post some, then ask again."),
            ("/stats", "I don't remember any photos of this group yet."),
        ):
            (words,) = await at.asks(at.bob, asked)
            assert words.text.split("\n")[0] == answer
        at.cakes(2)
        (words,) = await at.asks(at.bob, "/stats")
        assert "2 photos" in words.text
        (words,) = await at.asks(at.bob, "/help")
        assert words.text.startswith("I remember the photos of this group.")
        at.world.say(at.family, at.bob, "/find@other_bot cake")
        at.world.say(at.family, at.bob, "/unknown")
        at.world.say(at.family, at.bob, "see /find cake")
        (words,) = await at.asks(at.bob, "/FIND nothingness")
        assert "nothingness" in words.text, "the others were not for us"


async def test_old_questions_are_left_alone(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        question = at.world.say(at.family, at.bob, "/find cake")
        at.world.pending[-1]["message"]["date"] = question.json["date"] - 3600
        (words,) = await at.asks(at.bob, "/stats")
        assert "photos of this group" in words.text


async def test_similar_and_photo_with_words(tmp_path: Path, encoder: clip.ClipEncoder) -> None:
    async with scene(tmp_path, encoder, indexing=True) as at:
        first = at.world.post_photo(at.family, at.ann, photo(1))
        twin = at.world.post_photo(at.family, at.ann, saved_again(1))
        other = at.world.post_photo(at.family, at.ann, photo(2))
        await at.indexed(Task.EMBED)
        found = await at.asks(at.bob, "/similar", reply_to=first, count=3)
        assert found[0].file_unique_id == twin.file_unique_id, (
            "the most alike first, never the photo itself"
        )
        assert first.file_unique_id not in [m.file_unique_id for m in found[:-1]]
        assert found[-1].text.startswith("2 photos like that photo:")
        at.world.press(found[-1], "Similar to 1", at.bob)
        again = await at.world.bot_sends(at.family, 3)
        assert again[0].file_unique_id == first.file_unique_id
        at.world.post_photo(at.family, at.bob, saved_again(2), "/similar")
        asked = await at.world.bot_sends(at.family, 3)
        assert "and 1 more like it" in asked[0].text, "the twins are one"
        assert asked[0].file_unique_id == other.file_unique_id, (
            "the question's photo is embedded, not kept"
        )
        combined = await at.asks(at.bob, "/find red circle", reply_to=first, count=3)
        assert "for “red circle”, like that photo" in combined[-1].text


def saved_again(seed: int) -> bytes:
    return encoded(drawn(seed), quality=30)


async def test_similar_without_a_model_says_so(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        (posted,) = at.cakes(1)
        (words,) = await at.asks(at.bob, "/similar", reply_to=posted)
        assert words.text.startswith("I can't look for similar photos yet.")


async def test_who_posted_a_photo_or_an_admin_can_have_it_forgotten(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        mine = at.world.post_photo(at.family, at.bob, photo(1), "cake")
        other = at.world.post_photo(at.family, at.ann, photo(2), "beer")
        third = at.world.post_photo(at.family, at.bob, photo(3), "tea")
        for who, target, answer, left in (
            (at.bob, other, text.NOT_YOURS, 3),
            (at.bob, mine, "Forgotten.", 2),
            (at.bob, mine, text.NOT_KNOWN, 2),
            (at.ann, third, "Forgotten.", 1),
        ):
            (words,) = await at.asks(who, "/forget", reply_to=target)
            assert (words.text, await at.remembered()) == (answer, left)
        at.world.edit_caption(mine, "back again?")
        assert await at.remembered() == 1, "an edit does not bring it back"
        shown, _ = await at.asks(at.ann, "/find beer", count=2)
        (words,) = await at.asks(at.ann, "/forget", reply_to=shown)
        assert (words.text, await at.remembered()) == ("Forgotten.", 0), "by the answer, too"


async def test_an_anonymous_admin_is_an_admin(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = at.world.post_photo(at.family, at.bob, photo(1))
        at.world.post_anonymously(at.family, text="/forget", reply_to=posted)
        (words,) = await at.world.bot_sends(at.family)
        assert words.text == "Forgotten."


async def test_an_admin_makes_it_forget_everything(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.cakes(3)
        other = at.group("Club", at.ann)
        at.world.post_photo(other, at.ann, photo(9))
        (words,) = await at.asks(at.bob, "/forget everything")
        assert words.text == text.ADMINS_ONLY
        (sure,) = await at.asks(at.ann, "/forget everything")
        assert "3 photos" in sure.text
        press = at.world.press(sure, "Forget everything", at.bob)
        assert (await press.answered()).text == text.ADMINS_ONLY
        assert await at.remembered() == 4
        press = at.world.press(sure, "Forget everything", at.ann)
        await press.answered()
        await until(lambda: sure.text == "Forgotten: 3 photos.")
        assert not sure.buttons
        assert await at.remembered() == 1, "the other group's stays"
        at.cakes(1)
        assert await at.remembered() == 2, "the bot goes on"
        greetings = [m for m in at.family.by_bot if m.text.startswith("Hello")]
        assert len(greetings) == 1


async def test_somebody_makes_it_forget_all_of_theirs(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.cakes(2)
        at.world.post_photo(at.family, at.bob, photo(5), "bob's cake")
        other = at.group("Club", at.ann)
        at.world.post_photo(other, at.ann, photo(9))
        await at.asks(
            at.bob, "/name the goose", reply_to=at.world.post_photo(at.family, at.ann, photo(6))
        )
        (sure,) = await at.asks(at.ann, "/forget me")
        assert "3 photos" in sure.text
        press = at.world.press(sure, "Forget it all", at.bob)
        assert (await press.answered()).text == text.NOT_ASKED
        assert (await at.world.press(sure, "Keep", at.bob).answered()).text == text.NOT_ASKED
        assert await at.remembered() == 5
        await at.world.press(sure, "Forget it all", at.ann).answered()
        await until(lambda: sure.text == "Forgotten: 3 photos.")
        assert await at.remembered() == 2, "the others' stay, and what she posted elsewhere"
        (sure,) = await at.asks(at.bob, "/forget me")
        await at.world.press(sure, "Keep", at.bob).answered()
        await until(lambda: sure.text == "Nothing was forgotten.")
        assert await at.remembered() == 2
        at.world.post_anonymously(at.family, text="/forget me")
        (words,) = await at.world.bot_sends(at.family)
        assert words.text == text.WHO_ARE_YOU


async def test_who_opts_out_is_never_remembered(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        (said,) = await at.asks(at.bob, "/optout")
        assert "remember nothing that you post" in said.text
        other = at.group("Club", at.ann, at.bob)
        await at.world.bot_sends(other)
        posted = at.world.post_photo(at.family, at.bob, photo(1), "bob's")
        at.world.post_photo(other, at.bob, photo(2), "bob's")
        at.world.edit_caption(posted, "bob's, edited")
        hers = at.world.post_photo(at.family, at.ann, photo(3), "ann's")
        at.world.say(at.family, at.bob, "whispered", reply_to=hers)
        assert await at.remembered() == 1
        (none,) = await at.asks(at.ann, "/find whispered")
        assert not none.photo
        (said,) = await at.asks(at.bob, "/optin", chat=at.world.private(at.bob))
        assert "From now on I remember what you post" in said.text
        at.world.post_photo(at.family, at.bob, photo(4), "bob's")
        assert await at.remembered() == 2


async def test_everything_can_be_kept_after_all(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.cakes(1)
        (sure,) = await at.asks(at.ann, "/forget everything")
        await at.world.press(sure, "Keep", at.ann).answered()
        assert await at.remembered() == 1


async def test_an_album_can_be_a_question(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.cakes(1)
        at.world.post_album(at.family, at.bob, [photo(n) for n in (7, 8, 9)], "/find cake")
        await at.world.bot_sends(at.family, 2)
        assert await at.remembered() == 1, "nothing of the question is kept"
        room = at.world.private(at.bob)
        at.world.post_album(room, at.bob, [photo(n) for n in (7, 8, 9)])
        await at.world.bot_sends(room)
        await at.world.idle()
        (words,) = await at.asks(at.bob, "/help", chat=room)
        assert words.text.startswith("I remember the photos of groups."), "it answered once"


async def test_commands_are_offered_where_they_work(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        offered = {
            scope: [command["command"] for command in commands]
            for scope, commands in at.world.commands.items()
            if ":" not in scope
        }
        assert offered == {
            "all_group_chats": [
                *("find", "similar", "name", "names", "unname", "which"),
                *("forget", "optout", "language", "memories", "stats", "help"),
            ],
            "all_private_chats": [
                *("find", "similar", "names", "which", "optout", "stats", "help")
            ],
        }
        assert group_id(at.family.id).startswith("telegram:-100")


async def test_typed_filters_narrow_an_answer(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        club = at.group("Book Club", at.ann, at.bob)
        await at.world.bot_sends(club)
        at.cakes(1)
        bobs = at.world.post_photo(at.family, at.bob, photo(5), "cake with a candle")
        there = at.world.post_photo(club, at.bob, photo(6), "cake")
        found, words = await at.asks(at.ann, "/find cake from:bob", count=2)
        assert found.file_unique_id == bobs.file_unique_id
        found, _ = await at.asks(at.ann, '/find "a candle" after:2020', count=2)
        assert found.file_unique_id == bobs.file_unique_id
        found, _ = await at.asks(at.ann, "/find -candle", count=2)
        assert found.file_unique_id != bobs.file_unique_id
        *_, words = await at.asks(at.ann, "/find cake from:carl in:nowhere", count=3)
        assert "anybody called “carl”" in words.text
        assert "a place called “nowhere”" in words.text
        at.world.say(club, at.ann, "hello")
        at.world.say(at.family, at.ann, "hello")
        await at.world.idle()
        private = at.world.private(at.ann)
        found, words = await at.asks(at.ann, 'cake in:"book club"', chat=private, count=2)
        assert found.file_unique_id == there.file_unique_id
        found, words = await at.asks(at.ann, "in:family from:bob today", chat=private, count=2)
        assert found.file_unique_id == bobs.file_unique_id
        assert "“today” is read as a date" in words.text
