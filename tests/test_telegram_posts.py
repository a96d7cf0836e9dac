"""What the memory keeps of a Telegram group: posts of every kind, edits, moves, goodbyes."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import trouble
from adapters.telegram import bot, files
from adapters.telegram.ids import group_id
from adapters.telegram.posts import Original
from bot.errors import FetchFailed, StoreError
from bot.photos import PhotoRef, Post, StoredPhoto, Task
from tests.pictures import photo
from tests.standins.telegram import TelegramWorld
from tests.telegram import Scene, at_work, scene, serving


async def all_photos(at: Scene) -> list[StoredPhoto]:
    await at.world.idle()
    return await at.memory.photos(range(1, 200))


async def the_post(at: Scene) -> Post:
    (only,) = await all_photos(at)
    return only.post


async def test_a_photo_is_kept_with_who_when_and_where(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        message = at.world.post_photo(at.family, at.ann, photo(1), "Tom's cake")
        post = await the_post(at)
        assert (post.author_name, post.caption, post.group_name) == ("Ann", "Tom's cake", "Family")
        assert post.group == group_id(at.family.id)
        assert post.posted_at.timestamp() == message.json["date"]
        assert post.link == f"https://t.me/c/{str(at.family.id)[4:]}/{message.id}"
        assert (post.spoiler, post.protected) == (False, False)
        assert len(at.family.by_bot) == 1, "the greeting; a photo is never confirmed"


async def test_the_middle_size_is_fetched(tmp_path: Path) -> None:
    async with scene(tmp_path, indexing=True) as at:
        at.world.post_photo(at.family, at.ann, photo(1, (2000, 1500)))
        at.world.post_photo(at.family, at.ann, photo(2, (300, 200)))
        await at.indexed(Task.READ)
        assert [(f.label, f.width) for f in at.world.downloads] == [("x", 800), ("m", 300)]
        assert await at.remembered() == 2


async def test_an_albums_caption_holds_for_all_of_it_whenever_it_comes(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        photos = at.world.post_album(at.family, at.ann, [photo(n) for n in range(4)])
        at.world.edit_caption(photos[2], "birthday cake")
        found = await all_photos(at)
        assert [each.post.caption for each in found] == ["birthday cake"] * 4
        at.world.edit_caption(photos[2], "wedding")
        assert {each.post.caption for each in await all_photos(at)} == {"wedding"}


async def test_images_sent_as_files_are_photos_and_other_files_are_not(tmp_path: Path) -> None:
    async with scene(tmp_path, indexing=True) as at:
        at.world.post_document(at.family, at.ann, photo(1), "IMG 1.jpg", "image/jpeg")
        at.world.post_document(at.family, at.ann, b"%PDF", "a.pdf", "application/pdf")
        at.world.post_document(at.family, at.ann, b"nonsense", "b.png", "image/png")
        await at.indexed(Task.READ)
        (status,) = await at.store.groups.status()
        assert (status.photos, [r.name for r in status.refused]) == (1, ["b.png"])


async def test_of_a_file_that_is_too_big_the_preview_is_looked_at(tmp_path: Path) -> None:
    big = 30 * 2**20
    async with scene(tmp_path, indexing=True) as at:
        for thumbnail in (photo(1), None):
            at.world.post_document(
                at.family, at.ann, photo(1), "big.tif", "image/tiff", thumbnail, claimed_size=big
            )
        await at.indexed(Task.READ)
        assert [file.label for file in at.world.downloads] == ["thumbnail"]
        (status,) = await at.store.groups.status()
        assert status.photos == 1
        assert "20 MB" in status.refused[0].reason


async def test_who_speaks_for_a_chat_is_no_bot(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.post_as_channel(at.family, "Family News", photo(1), "news")
        at.world.post_anonymously(at.family, photo(2))
        found = await all_photos(at)
        assert [each.post.author_name for each in found] == ["Family News", "Family"]


async def test_bots_posts_are_ignored(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        robot = at.world.user("Robot", "robot_bot", is_bot=True)
        at.world.post_photo(at.family, robot, photo(1))
        at.world.post_photo(at.family, at.ann, photo(2), via_bot=True)
        assert await at.remembered() == 0


async def test_forwards_topics_spoilers_and_protection_come_along(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        first = at.world.post_photo(at.family, at.ann, photo(1))
        at.world.forward(first, at.family, at.bob)
        forum = at.group("Club", at.ann, forum=True)
        kitchen = at.world.topic(forum, "Kitchen")
        at.world.post_photo(forum, at.ann, photo(2), topic=kitchen)
        at.world.post_photo(at.family, at.ann, photo(3), spoiler=True)
        at.world.post_photo(at.family, at.ann, photo(4), protected=True)
        posts = [each.post for each in await all_photos(at)]
        assert [post.author_name for post in posts] == ["Ann", "Bob", "Ann", "Ann", "Ann"]
        assert [post.spoiler for post in posts] == [False, False, False, True, False]
        assert [post.protected for post in posts] == [False, False, False, False, True]


async def test_edits_are_followed(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        message = at.world.post_photo(at.family, at.ann, photo(1), "first")
        at.world.edit_caption(message, "second")
        assert (await the_post(at)).caption == "second"
        at.world.edit_photo(message, photo(2))
        (replaced,) = await all_photos(at)
        assert replaced.ref.key == message.file_unique_id
        at.world.edit_document(message, b"film", "cake.mp4", "video/mp4")
        assert await all_photos(at) == []
        words = at.world.say(at.family, at.ann, "a text")
        at.world.edit_photo(words, photo(3), "now with a photo")
        assert (await the_post(at)).caption == "now with a photo"


async def test_an_update_that_comes_twice_changes_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.cut("getUpdates")
        at.world.post_photo(at.family, at.ann, photo(1))
        assert await at.remembered() == 1
        again = at.world.post_photo(at.family, at.ann, photo(2))
        at.world.tell("message", again)
        assert await at.remembered() == 2


async def test_an_update_nobody_understands_stops_no_others(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.queue("message", {"message_id": "x", "date": "?", "chat": 5})
        at.world.allowed_updates = []
        at.world.queue("something_new", {"a": 1})
        at.world.queue("another", {})
        del at.world.pending[-1]["another"]
        at.world.post_photo(at.family, at.ann, photo(1))
        assert await at.remembered() == 1


async def test_questions_are_not_posts_and_private_photos_are_not_kept(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.post_photo(at.family, at.ann, photo(1), "/similar")
        at.world.post_photo(at.family, at.ann, photo(2), "/find@shoebox_bot like this")
        at.world.post_photo(at.family, at.ann, photo(3), "/find@other_bot this")
        at.world.post_photo(at.world.private(at.ann), at.ann, photo(4))
        (kept,) = await all_photos(at)
        assert kept.post.caption == "/find@other_bot this", "that is somebody else's question"


@pytest.mark.parametrize("first", ["old chat", "new chat"])
async def test_a_supergroup_keeps_everything(tmp_path: Path, first: str) -> None:
    async with scene(tmp_path) as at:
        club = at.group("Club", at.ann, kind="group")
        await at.world.bot_sends(club)
        at.world.post_photo(club, at.ann, photo(1), "cake")
        await at.world.idle()
        new = at.world.migrate(club)
        if first == "new chat":
            numbers = [update["update_id"] for update in at.world.pending]
            at.world.pending.reverse()
            for number, update in zip(numbers, at.world.pending, strict=True):
                update["update_id"] = number
        at.world.post_photo(new, at.ann, photo(2), "cake too")
        photos = await all_photos(at)
        assert {each.post.group for each in photos} == {group_id(new.id)}
        assert [each.post.channel for each in photos] == [str(club.id), str(new.id)]
        assert [bool(each.post.link) for each in photos] == [False, True]
        *album, words = await at.asks(at.ann, "/find cake", chat=new, count=3)
        assert all(each.photo for each in album)
        assert words.buttons
        assert new.by_bot == [*album, words], "nobody is greeted twice"


async def test_a_groups_new_name_is_known(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.rename(at.family, "The Family", at.ann)
        await at.world.idle()
        (status,) = await at.store.groups.status()
        assert status.name == "The Family"


async def test_a_store_in_trouble_loses_no_post(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full for a while: Telegram keeps what could not be kept here."""
    monkeypatch.setattr(trouble, "PAUSES", (0.02,))
    async with scene(tmp_path) as at:
        remember, failures = at.store.remember, [3]

        async def full(post: Post) -> object:
            if failures[0]:
                failures[0] -= 1
                raise StoreError("the disk is full")
            return await remember(post)

        monkeypatch.setattr(at.store, "remember", full)
        for n in range(5):
            at.world.post_photo(at.family, at.ann, photo(n))
        assert await at.remembered() == 5
        assert failures == [0]


async def test_what_was_posted_while_away_is_taken_in_after_a_restart(tmp_path: Path) -> None:
    world = TelegramWorld()
    async with scene(tmp_path, world=world) as at:
        at.world.post_photo(at.family, at.ann, photo(1))
        assert await at.remembered() == 1
        family, ann = at.family, at.ann
    world.post_photo(family, ann, photo(2))
    async with serving(world) as api, at_work(tmp_path, api) as (store, _):
        await world.idle()
        (status,) = await store.groups.status()
        assert status.photos == 2


def test_an_original_comes_back_as_it_was_kept() -> None:
    original = Original("document", "show-id", ("a", "b"))
    assert Original.of(PhotoRef("telegram", "k", original.locator)) == original


async def test_of_files_without_a_limit_no_more_is_fetched_than_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Bot API server of one's own gives out everything."""
    large, small = photo(1, (900, 700)), photo(2, (60, 40))
    monkeypatch.setattr(files, "MOST_BYTES", len(large) - 1)
    async with scene(tmp_path, indexing=True) as at:
        at.world.post_document(at.family, at.ann, large, "big.jpg", "image/jpeg", small)
        await at.indexed(Task.READ)
        assert [file.label for file in at.world.downloads] == ["thumbnail"]


async def test_an_answer_that_is_longer_than_was_told_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot, "MOST_BYTES", 2000)
    async with scene(tmp_path) as at:
        at.world.post_photo(at.family, at.ann, photo(1, (900, 700)))
        (found,) = await all_photos(at)
        with pytest.raises(FetchFailed, match="too large"):
            await at.memory.fetch(found)
