"""Replies, names and /which in Telegram."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adapters.telegram import text
from adapters.telegram.ids import group_id
from bot import clip
from bot.answers import Share, Verdict
from bot.photos import EVERYONE, Name, Task
from storage.rows import rows
from tests.pictures import photo
from tests.telegram import Scene, scene, until


@dataclass
class Asker:
    at: Scene

    async def says(self, words: str, who: object = None, **where: object) -> str:
        """What the bot answers to one message."""
        *_, answer = await self.at.asks(who or self.at.bob, words, **where)  # type: ignore[arg-type]
        return answer.text.replace(text.JOINER, "")


async def said(at: Scene) -> list[str]:
    await at.world.idle()
    async with at.store._db.read() as db:
        return [words for (words,) in await rows(db, "SELECT text FROM replies ORDER BY id")]


async def test_what_is_said_in_reply_to_a_photo_finds_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        world, family = at.world, at.family
        posted = world.post_photo(family, at.ann, photo(1))
        other = world.post_photo(family, at.ann, photo(2), "aunt Mary")
        reply = world.say(family, at.bob, "Aunt Mary's first marathon!", reply_to=posted)
        world.say(family, at.bob, "not about a marathon", reply_to=reply)
        world.say(family, at.bob, "/start marathon", reply_to=posted)
        world.say(family, at.bob, "/other_bot marathon", reply_to=posted)
        robot = world.user("Robot", is_bot=True)
        world.join(family, robot)
        world.say(family, robot, "marathon photo stored", reply_to=posted)
        world.say(family, at.bob, "a marathon without a photo")
        assert await said(at) == ["aunt mary's first marathon!"]
        *_, shown, _ = await at.asks(at.bob, "/find marathon", count=3)
        assert shown.file_unique_id == posted.file_unique_id
        assert "said about it" in shown.text
        world.edit_text(reply, "Uncle Bob's")
        assert await said(at) == ["uncle bob's"]
        world.edit_text(reply, "/secret")
        assert await said(at) == []
        world.say(family, at.bob, "once more", reply_to=other)
        await at.asks(at.ann, "/forget", reply_to=other)
        assert await said(at) == [], "gone with the photo"


async def test_a_reply_is_forgotten_for_who_gave_it_and_for_admins(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = at.world.post_photo(at.family, at.ann, photo(1))
        bobs = [at.world.say(at.family, at.bob, "marathon", reply_to=posted) for _ in range(2)]
        anns = at.world.say(at.family, at.ann, "my marathon", reply_to=posted)
        ask = Asker(at)
        assert "Reply to a photo" in await ask.says("/forget", reply_to=anns)
        assert "Forgotten" in await ask.says("/forget", reply_to=bobs[0])
        assert "Forgotten" in await ask.says("/forget", at.ann, reply_to=bobs[1])
        assert "Reply to a photo" in await ask.says("/forget", at.ann, reply_to=bobs[1])
        assert await said(at) == ["my marathon"]


async def test_what_somebody_said_goes_with_all_of_theirs(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = at.world.post_photo(at.family, at.ann, photo(1))
        at.world.say(at.family, at.bob, "marathon of bob", reply_to=posted)
        at.world.say(at.family, at.ann, "marathon of ann", reply_to=posted)
        assert await said(at) == ["marathon of bob", "marathon of ann"]
        (sure,) = await at.asks(at.bob, "/forget me")
        await at.world.press(sure, "Forget it all", at.bob).answered()
        await until(lambda: sure.text == "Forgotten: 0 photos.")
        assert await said(at) == ["marathon of ann"]


async def test_a_reply_to_an_album_is_about_all_of_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        album = at.world.post_album(at.family, at.ann, [photo(n) for n in range(3)])
        at.world.say(at.family, at.bob, "the marathon", reply_to=album[1])
        assert await said(at) == ["the marathon"] * 3


async def test_names_are_given_listed_found_and_taken_away(
    tmp_path: Path, encoder: clip.ClipEncoder
) -> None:
    async with scene(tmp_path, encoder, indexing=True) as at:
        posted = at.world.post_photo(at.family, at.ann, photo(1))
        for n in range(2, 6):
            at.world.post_photo(at.family, at.ann, photo(n))
        await at.indexed(Task.EMBED)
        ask = Asker(at)
        assert "/name the goose" in await ask.says("/names")
        assert "/name the goose" in await ask.says("/name the goose")
        assert "/name the goose" in await ask.says("/name", reply_to=posted)
        assert "at most 40" in await ask.says("/name " + "x" * 41, reply_to=posted)
        assert "word of its own" in await ask.says("/name the", reply_to=posted)
        named = await ask.says("/name the <b>@Goose</b>", reply_to=posted)
        assert named.startswith("“the <b>@Goose</b>” now has one example.")
        await ask.says("/unname the <b>@goose</b>")
        await ask.says("/name The Goose", reply_to=posted)
        album, *_ = await at.asks(at.ann, "/find the goose", count=3)
        assert album.file_unique_id == posted.file_unique_id
        assert "name: The Goose" in album.text.splitlines()[0]
        assert "The Goose: 1 photo" in await ask.says("/names")
        again = await ask.says("/name the goose", reply_to=album)
        assert "one example" in again, "an answer shows the same photo"
        assert "Only who gave a name" in await ask.says("/unname goose", at.eve)
        assert "no longer a name" in await ask.says("/unname goose")
        await ask.says("/name goose", reply_to=posted)
        assert "no longer a name" in await ask.says("/unname goose", at.ann), "she is an admin"
        assert "no such name" in await ask.says("/unname goose")
        assert text.UNNAME_HOW in await ask.says("/unname")


async def test_names_stay_in_their_group(tmp_path: Path, encoder: clip.ClipEncoder) -> None:
    async with scene(tmp_path, encoder, indexing=True) as at:
        posted = at.world.post_photo(at.family, at.ann, photo(1))
        club = at.group("Club", at.ann)
        await at.world.bot_sends(club)
        at.world.post_photo(club, at.ann, photo(1))
        await at.indexed(Task.EMBED)
        ask = Asker(at)
        await ask.says("/name goose", reply_to=posted)
        assert "no names" in await ask.says("/names", at.ann, chat=club)
        assert await at.memory.names.of([group_id(club.id)], EVERYONE) == []
        private = at.world.private(at.ann)
        assert "group that uses them" in await ask.says("/name goose", at.ann, chat=private)
        at.world.say(at.family, at.ann, "hello")
        await at.world.idle()
        at.world.promote_bot(at.family, at.ann)
        assert "goose: 1 photo" in await ask.says("/names", at.ann, chat=private)
        eves = at.world.private(at.eve)
        assert "no names" in await ask.says("/names", at.eve, chat=eves)


async def test_which_says_what_a_photo_shows_in_words_and_bars(
    tmp_path: Path, encoder: clip.ClipEncoder
) -> None:
    async with scene(tmp_path, encoder, indexing=True) as at:
        posted = at.world.post_photo(at.family, at.ann, photo(1))
        await at.indexed(Task.EMBED)
        ask = Asker(at)
        said = await ask.says("/which cat, <b>dog</b> or cake", reply_to=posted)
        assert said.count("█") + said.count("░") >= 27
        assert said.count(" %") == 3
        assert "<b>dog</b>" in said, "as it was written"
        assert "/which cat, dog or cake" in await ask.says("/which cat or dog")
        assert "/which cat, dog or cake" in await ask.says("/which", reply_to=posted)
        assert "2 to 10 options" in await ask.says("/which cat", reply_to=posted)
        private = at.world.private(at.ann)
        at.world.post_photo(private, at.ann, photo(3), "/which cat or dog")
        (answer,) = await at.world.bot_sends(private)
        assert answer.text.count(" %") == 2
        assert await at.remembered() == 1, "a question is not kept"


async def test_without_a_model_which_says_so(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = at.world.post_photo(at.family, at.ann, photo(1))
        said = await Asker(at).says("/which cat or dog", reply_to=posted)
        assert "Without a model" in said
        assert "There is none in this test" in said


def test_what_people_typed_is_harmless_in_lists_and_verdicts() -> None:
    listed = text.names([Name("<b>@ann</b> /help", 1)] * 100)
    assert "<b>@" not in listed
    assert "@ann" not in listed
    assert text.length(listed) < text.MOST_MESSAGE
    verdict = text.verdict(Verdict("That is <i>x</i>", (Share("<u>y</u>" * 20, 0.5),) * 10, "z<"))
    assert "<i>x" not in verdict
    assert "<u>" not in verdict
    assert text.length(verdict) < text.MOST_MESSAGE
