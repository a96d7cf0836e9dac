"""Answers in Telegram: which photos, how they are shown, and what is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.telegram import text
from tests.pictures import photo
from tests.standins.telegram import Message, TelegramWorld
from tests.telegram import at_work, scene, serving, until


def kinds(message: Message) -> list[str]:
    return [entity["type"] for entity in message.entities]


async def test_find_shows_an_album_by_file_id_then_words_with_buttons(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = at.cakes(5)
        *album, words = await at.asks(at.bob, "/find cake", count=4)
        newest = [m.file_unique_id for m in reversed(posted)]
        assert [m.file_unique_id for m in album] == newest[:3]
        assert len({m.media_group_id for m in album}) == 1
        assert album[0].text.count("Ann") == 3
        assert album[0].text.count("original") == 3
        assert not album[1].text, "or Telegram would not show it under the album"
        links = [e["url"] for e in album[0].entities if e["type"] == "text_link"]
        number = str(at.family.id)[4:]
        assert links == [f"https://t.me/c/{number}/{m.id}" for m in reversed(posted[2:])]
        assert words.text.startswith("3 photos for “cake”:")
        assert [b.label for b in words.buttons] == [
            "Similar to 1",
            "Similar to 2",
            "Similar to 3",
            "More",
        ]
        question = at.family.messages[-5]
        assert (words.reply_to, album[0].reply_to) == (question.id, question.id)
        assert not at.world.downloads, "nothing was fetched, nothing uploaded"


async def test_more_goes_on_in_order_and_after_a_restart(tmp_path: Path) -> None:
    world = TelegramWorld()
    async with scene(tmp_path, world=world) as at:
        posted = [m.file_unique_id for m in reversed(at.cakes(8))]
        *_, words = await at.asks(at.bob, "/find cake", count=4)
        press = world.press(words, "More", at.ann)
        *second, words2 = await world.bot_sends(at.family, 4)
        assert [m.file_unique_id for m in second] == posted[3:6]
        assert not (await press.answered()).text
        assert "More" not in [b.label for b in words.buttons], "it leads on from the next"
        family, ann = at.family, at.ann
    async with serving(world) as api, at_work(tmp_path, api):
        world.press(words2, "More", ann)
        *third, words3 = await world.bot_sends(family, 3)
        assert [m.file_unique_id for m in third] == posted[6:]
        assert [b.label for b in words3.buttons] == ["Similar to 1", "Similar to 2"]


async def test_one_photo_is_sent_by_itself(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        (posted,) = at.cakes(1)
        found, words = await at.asks(at.bob, "/find@shoebox_bot cake", count=2)
        assert found.file_unique_id == posted.file_unique_id
        assert found.media_group_id is None
        assert [b.label for b in words.buttons] == ["Similar"]


async def test_files_and_photos_are_shown_apart(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.post_document(at.family, at.ann, photo(1), "a.jpg", "image/jpeg", caption="cake")
        at.world.post_photo(at.family, at.ann, photo(2), "cake")
        at.world.post_document(at.family, at.ann, photo(3), "b.jpg", "image/jpeg", caption="cake")
        one, *files_, _ = await at.asks(at.bob, "/find cake", count=4)
        assert (len(one.photo) > 0, one.text[:2]) == (True, "2.")
        assert all(m.document for m in files_)
        assert not files_[0].text
        assert files_[1].text.startswith("1. ")
        assert "\n3. " in files_[1].text


async def test_in_a_basic_group_each_hit_replies_to_its_original(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        club = at.group("Club", at.ann, at.bob, kind="group")
        await at.world.bot_sends(club)
        posted = [at.world.post_photo(club, at.ann, photo(n), "cake") for n in range(4)]
        await at.world.idle()
        at.world.delete(posted[2])
        *found, _ = await at.asks(at.bob, "/find cake", chat=club, count=4)
        assert [m.reply_to for m in found] == [posted[3].id, posted[1].id, posted[0].id]
        assert await at.remembered() == 3


async def test_what_was_deleted_is_forgotten_and_the_next_takes_its_place(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = at.cakes(6)
        await at.world.idle()
        at.world.delete(posted[5])
        at.world.expire_file(posted[3])
        *album, words = await at.asks(at.bob, "/find cake", count=4)
        assert [m.file_unique_id for m in album] == [posted[n].file_unique_id for n in (4, 2, 1)]
        assert "More" in [b.label for b in words.buttons]
        assert await at.remembered() == 4


async def test_when_all_have_vanished_it_says_so(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        (posted,) = at.cakes(1)
        await at.world.idle()
        at.world.delete(posted)
        (words,) = await at.asks(at.bob, "/find cake")
        assert words.text.startswith(text.ALL_GONE)
        assert not words.buttons


async def test_spoilers_and_protection_are_kept(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.post_photo(at.family, at.ann, photo(1), "cake", spoiler=True)
        at.world.post_photo(at.family, at.ann, photo(2), "cake")
        first, second, _ = await at.asks(at.bob, "/find cake", count=3)
        assert [m.has_spoiler for m in (first, second)] == [False, True]
        assert not first.protect_content
        at.world.post_photo(at.family, at.ann, photo(3), "beer", protected=True)
        hidden, _ = await at.asks(at.bob, "/find beer", count=2)
        assert hidden.protect_content


async def test_answers_stay_in_the_topic(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        club = at.group("Club", at.ann, forum=True)
        kitchen = at.world.topic(club, "Kitchen")
        await at.world.bot_sends(club)
        for n in range(4):
            at.world.post_photo(club, at.ann, photo(n), "cake")
        *found, words = await at.asks(at.ann, "/find cake", chat=club, topic=kitchen, count=4)
        at.world.press(words, "More", at.ann)
        found += await at.world.bot_sends(club, 2)
        assert {m.message_thread_id for m in found} == {kitchen.id}


@pytest.mark.parametrize(
    "nasty",
    ["<b>cake</b>", "@ann_the_first cake", "cake /forget #x evil.com", "<a href='tg://x'>cake</a>"],
)
async def test_nothing_can_be_smuggled_in(tmp_path: Path, nasty: str) -> None:
    async with scene(tmp_path) as at:
        mallory = at.world.user(f"M {nasty}")
        at.world.post_photo(at.family, mallory, photo(1), nasty)
        found, words = await at.asks(at.bob, f"/find {nasty}", count=2)
        assert sorted(kinds(found)) == ["bold", "text_link"]
        assert set(kinds(words)) <= {"italic"}, "our own notice"
        assert nasty in found.text.replace(text.JOINER, "")


async def test_a_closed_topic_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path) as at:
        club = at.group("Club", at.ann, forum=True)
        await at.world.bot_sends(club)
        kitchen = at.world.topic(club, "Kitchen")
        at.world.post_photo(club, at.ann, photo(1), "cake", topic=kitchen)
        await at.world.idle()
        kitchen.closed = True
        at.world.say(club, at.ann, "/find cake", topic=kitchen)
        await until(lambda: "closed" in caplog.text.lower())
        at.world.promote_bot(club, at.ann)
        found, _ = await at.asks(at.ann, "/find cake", chat=club, topic=kitchen, count=2)
        assert found.photo
    assert sum(str(club.id) in line for line in caplog.messages) == 1


async def test_a_groups_title_smuggles_nothing_in(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        title = "@all <b>x</b> evil.com"
        club = at.group(title, at.ann)
        at.world.post_photo(club, at.ann, photo(1), "cake")
        found, _ = await at.asks(at.ann, "cake", chat=at.world.private(at.ann), count=2)
        assert sorted(kinds(found)) == ["bold", "bold", "text_link"]
        assert title in found.text.replace(text.JOINER, "")
        (stats,) = await at.asks(at.ann, "/stats", chat=at.world.private(at.ann))
        assert kinds(stats) == ["bold", "bold"], "this name and the family's"


async def test_a_spoiler_in_an_album_stays_one_and_the_others_stay_open(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = at.world.post_album(at.family, at.ann, [photo(n) for n in range(3)], "cake")
        posted[1].json["has_media_spoiler"] = True
        at.world.edit_photo(posted[1], photo(7))
        *album, _ = await at.asks(at.bob, "/find cake", count=4)
        shown = {m.file_unique_id: m.has_spoiler for m in album}
        assert shown == {m.file_unique_id: m is posted[1] for m in posted}, "as they are now"
