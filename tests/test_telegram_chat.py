"""What people ask of the bot in Telegram, and what it shows to whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.telegram import text
from adapters.telegram.posts import group_id
from bot import clip
from bot.photos import StoreError, Task
from bot.starter import files
from tests.pictures import encoded, photo
from tests.pictures import scene as drawn
from tests.standins.telegram import Message, TelegramWorld
from tests.telegram import Scene, at_work, scene, serving, until


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[clip.ClipEncoder]:
    loaded = clip.load(files.NAME, tmp_path_factory.mktemp("models"), "", lambda done, total: None)
    yield loaded
    loaded.close()


def cakes(at: Scene, number: int, **more: object) -> list[Message]:
    """Photos that only their captions tell apart: cake 0 is the most about cake."""
    return [
        at.world.post_photo(at.family, at.ann, photo(n), "cake", **more)  # type: ignore[arg-type]
        for n in range(number)
    ]


def kinds(message: Message) -> list[str]:
    return [entity["type"] for entity in message.entities]


async def test_find_shows_an_album_by_file_id_then_words_with_buttons(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = cakes(at, 5)
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
        posted = [m.file_unique_id for m in reversed(cakes(at, 8))]
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
        (posted,) = cakes(at, 1)
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
        posted = cakes(at, 6)
        await at.world.idle()
        at.world.delete(posted[5])
        at.world.expire_file(posted[3])
        *album, words = await at.asks(at.bob, "/find cake", count=4)
        assert [m.file_unique_id for m in album] == [posted[n].file_unique_id for n in (4, 2, 1)]
        assert "More" in [b.label for b in words.buttons]
        assert await at.remembered() == 4


async def test_when_all_have_vanished_it_says_so(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        (posted,) = cakes(at, 1)
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
        cakes(at, 2)
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
        asked = await at.world.bot_sends(at.family, 4)
        assert asked[0].file_unique_id == other.file_unique_id, (
            "the question's photo is embedded, not kept"
        )
        combined = await at.asks(at.bob, "/find red circle", reply_to=first, count=3)
        assert "for “red circle”, like that photo" in combined[-1].text


def saved_again(seed: int) -> bytes:
    return encoded(drawn(seed), quality=30)


async def test_similar_without_a_model_says_so(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        (posted,) = cakes(at, 1)
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
        cakes(at, 3)
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
        cakes(at, 1)
        assert await at.remembered() == 2, "the bot goes on"
        greetings = [m for m in at.family.by_bot if m.text.startswith("Hello")]
        assert len(greetings) == 1


async def test_everything_can_be_kept_after_all(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        cakes(at, 1)
        (sure,) = await at.asks(at.ann, "/forget everything")
        await at.world.press(sure, "Keep", at.ann).answered()
        assert await at.remembered() == 1


async def test_forged_and_foreign_buttons_lead_nowhere(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        cakes(at, 5)
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
        cakes(at, 5)
        at.world.callback_seconds = 0
        *_, words = await at.asks(at.bob, "/find cake", count=4)
        at.world.press(words, "More", at.bob)
        await at.world.bot_sends(at.family, 3)


async def test_a_press_is_answered_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as at:
        cakes(at, 5)
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


async def test_an_album_can_be_a_question(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        cakes(at, 1)
        at.world.post_album(at.family, at.bob, [photo(n) for n in (7, 8, 9)], "/find cake")
        await at.world.bot_sends(at.family, 2)
        assert await at.remembered() == 1, "nothing of the question is kept"
        room = at.world.private(at.bob)
        at.world.post_album(room, at.bob, [photo(n) for n in (7, 8, 9)])
        await at.world.bot_sends(room)
        await at.world.idle()
        (words,) = await at.asks(at.bob, "/help", chat=room)
        assert words.text.startswith("I remember the photos of groups."), "it answered once"


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
        cakes(at, 5)
        at.world.say(at.family, at.bob, "hello")
        room = at.world.private(at.bob)
        *_, words = await at.asks(at.bob, "cake", chat=room, count=4)
        at.family.members[at.bob.id] = "left"
        answer = await at.world.press(words, "More", at.bob).answered()
        assert answer.text == "That was all."
        assert len(room.by_bot) == 4


async def test_restricted_members_are_members_if_they_are_in(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        cakes(at, 1)
        at.world.say(at.family, at.bob, "hello")
        at.world.restrict(at.family, at.bob, is_member=False)
        (words,) = await at.asks(at.bob, "cake", chat=at.world.private(at.bob))
        assert words.text == text.NO_GROUPS


async def test_the_button_under_help_brings_a_member_in(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        cakes(at, 1)
        (help_,) = await at.asks(at.ann, "/help")
        payload = str(help_.buttons[0].url).partition("?start=")[2]
        for who, count in ((at.bob, 2), (at.eve, 1)):
            room = at.world.private(who)
            await at.asks(who, f"/start {payload}", chat=room)
            found = await at.asks(who, "cake", chat=room, count=count)
            assert (found[-1].text == text.NO_GROUPS) == (who is at.eve)


async def test_inline_is_off_unless_the_owner_wants_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        cakes(at, 1)
        with pytest.raises(TimeoutError):
            await at.world.ask_inline(at.ann, "cake", timeout=0.5)


async def test_inline_offers_a_members_own_photos_only(tmp_path: Path) -> None:
    async with scene(tmp_path, inline=True) as at:
        posted = cakes(at, 2)
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


async def test_commands_are_offered_where_they_work(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        offered = {k: [c["command"] for c in v] for k, v in at.world.commands.items()}
        assert offered == {
            "all_group_chats": ["find", "similar", "forget", "stats", "help"],
            "all_private_chats": ["find", "similar", "stats", "help"],
        }
        assert group_id(at.family.id).startswith("telegram:-100")
