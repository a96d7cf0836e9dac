"""What is remembered of Discord's messages, and what becomes of it when they change."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import discord
import pytest

from adapters.discord import files, pictures
from adapters.discord.places import Place, person_id
from adapters.discord.posts import as_post
from bot.errors import FetchFailed, PhotoGone, StoreError
from bot.photos import PhotoRef, Post
from tests.discord import Scene, scene
from tests.pictures import photo


async def captions(at: Scene) -> list[str]:
    return [stored.post.caption for stored in await at.remembered()]


async def test_a_photo_is_kept_with_who_when_and_where(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        message = await at.post(at.bob, "birthday cake")
        (stored,) = await at.remembered()
        post = stored.post
        assert (post.group, post.group_name) == (at.group, "Family")
        assert (post.channel, post.message) == (str(at.general.id), str(message.id))
        assert (post.author, post.author_name) == (person_id(at.bob.id), "bob")
        assert post.caption == "birthday cake"
        assert post.posted_at == message.created_at
        assert post.link == message.jump_url
        assert stored.ref.key == str(message.attachments[0].id)
        assert "http" not in stored.ref.locator, "addresses expire"
        assert await at.session.files.fetch(stored.ref) == photo(1)


async def test_every_image_of_a_message_is_a_photo_and_nothing_else_is(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        sent = [("a.jpg", photo(1)), ("b.HEIC", b"x"), ("c.txt", b"x"), ("d.svg", b"<svg/>")]
        await at.ann.send(at.general, "three", attachments=sent)
        await at.ann.send(at.general, "words alone")
        assert [stored.ref.name for stored in await at.remembered()] == ["a.jpg", "b.HEIC"]


async def test_bots_posts_are_ignored_unless_somebody_asks(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        robot = at.guild.add_member(at.env.create_user("robot", bot=True))
        message = await at.post(robot, "by a bot")
        assert await at.remembered() == []
        result = await at.bob.context_menu(at.general, "Remember this", message)
        assert result.ephemeral
        assert result.response is not None
        assert result.response.content == "Remembered: 1 photo."
        assert await captions(at) == ["by a bot"]


async def test_a_forward_is_credited_to_who_forwarded_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        message = await at.post(at.ann, "our goose")
        kitchen = at.channel("kitchen")
        await at.bob.forward(message, kitchen)
        _, second = await at.remembered()
        assert (second.post.author_name, second.post.caption) == ("bob", "our goose")
        assert second.post.channel == str(kitchen.id)
        assert await at.session.files.fetch(second.ref) == photo(1)


async def test_threads_are_kept_under_their_channel(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        public = await at.thread(at.general, at.ann)
        private = await at.thread(at.general, at.ann, private=True)
        await at.post(at.ann, "in public", where=public)
        await at.post(at.ann, "in private", where=private)
        first, second = [Place.of(stored.post.channel) for stored in await at.remembered()]
        assert first == Place(at.general.id, public.id)
        assert second == Place(at.general.id, private.id, closed=True)


async def test_edits_are_followed(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        message = await at.post(at.ann, "cake", photo(1), photo(2))
        await at.ann.edit(message, "birthday cake")
        assert await captions(at) == ["birthday cake"] * 2
        stored = at.env.backend.get_message(at.general.id, message.id)
        kept = stored.attachments[1]
        at.env.backend.edit_message(at.general.id, message.id, {"attachments": [kept]})
        await at.env.settle()
        (left,) = await at.remembered()
        assert left.ref.key == kept["id"]


async def test_deletes_are_followed(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        sent = [await at.post(at.bob, f"photo {n}", photo(n)) for n in range(4)]
        await at.bob.delete(sent[0])
        assert await captions(at) == ["photo 1", "photo 2", "photo 3"]
        at.env.backend.bulk_delete_messages(at.general.id, [sent[1].id, sent[2].id])
        await at.env.settle()
        assert await captions(at) == ["photo 3"]


async def test_deleted_threads_and_channels_are_forgotten(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        kitchen = at.channel("kitchen")
        first, second = [await at.thread(kitchen, at.ann) for _ in range(2)]
        for where in (at.general, kitchen, first, second):
            await at.post(at.ann, f"in {where.id}", where=where)
        at.env.backend.delete_channel(first.id)
        await at.env.settle()
        assert await captions(at) == [f"in {c.id}" for c in (at.general, kitchen, second)]
        at.env.backend.delete_channel(kitchen.id)
        await at.env.settle()
        assert await captions(at) == [f"in {at.general.id}"]


async def test_a_delete_does_not_overtake_its_post(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as at:
        remember, failures = at.store.remember, [1]

        async def full(post: Post) -> object:
            if failures[0]:
                failures[0] -= 1
                raise StoreError("the disk is full")
            return await remember(post)

        monkeypatch.setattr(at.store, "remember", full)
        monkeypatch.setattr("adapters.discord.inbox.PAUSES", (0.05,))
        backend = at.env.backend
        file = backend.cdn.store_attachment(1, at.general.id, "a.jpg", photo(2), None)
        message = backend.create_message(at.general.id, at.bob.id, "oops", attachments=[file])
        backend.delete_message(at.general.id, message.id)
        await at.post(at.bob, "kept")
        assert failures == [0]
        assert await captions(at) == ["kept"]


async def test_the_image_of_a_posted_link_comes_from_discords_proxy_only(tmp_path: Path) -> None:
    def message(proxy: str | None) -> discord.Message:
        embed = {
            "type": "image",
            "url": "https://example.org/goose.jpg?size=large",
            "thumbnail": {
                "url": "https://example.org/goose.jpg?size=large",
                "width": 640,
                "height": 480,
                **({"proxy_url": proxy} if proxy else {}),
            },
        }
        parts = {"attachments": [], "embeds": [discord.Embed.from_dict(embed)]}
        return cast(discord.Message, SimpleNamespace(**parts, message_snapshots=[]))

    proxy = "https://images-ext-1.discordapp.net/external/x/https/example.org/goose.jpg"
    (found,) = pictures.pictures_in(message(proxy))
    assert (found.source, found.name) == (proxy, "goose.jpg")
    assert pictures.pictures_in(message(None)) == []
    async with scene(tmp_path) as at:
        for url in (
            "https://example.org/goose.jpg",
            "http://media.discordapp.net/x",
            "https://discordapp.net.example.org/x",
            "file:///etc/passwd",
        ):
            bad = pictures.Picture("link:1", "x", url, url, url)
            at.session.files.pictures.see(bad)
            with pytest.raises(PhotoGone, match="not on Discord's servers"):
                await at.session.files.fetch(PhotoRef("discord", "link:1", "[1, 2]"))


async def test_a_photo_that_is_gone_is_given_up_and_one_out_of_reach_is_not(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        message = await at.post(at.bob, "cake")
        (stored,) = await at.remembered()
        at.session.files.pictures.drop(stored.ref.key)
        at.env.inject_error("GET", "/channels/*/messages/*", status=500)
        with pytest.raises(FetchFailed) as caught:
            await at.session.files.fetch(stored.ref)
        assert not isinstance(caught.value, PhotoGone)
        at.env.backend.messages[at.general.id].pop(message.id)
        with pytest.raises(PhotoGone):
            await at.session.files.fetch(stored.ref)


async def test_without_the_intent_only_what_is_given_is_remembered(tmp_path: Path) -> None:
    async with scene(tmp_path, sees_content=False) as at:
        message = await at.post(at.bob, "cake")
        assert await at.remembered() == []
        await at.eve.context_menu(at.general, "Remember this", message)
        (stored,) = await at.remembered()
        assert stored.post.author_name == "bob"
        assert await at.session.files.fetch(stored.ref) == photo(1)
        shown = await at.find(at.eve, "cake")
        assert shown.pictures == [
            f"https://cdn.discordapp.com/attachments/{at.general.id}/{stored.ref.key}/a.jpg"
        ]


def test_large_photos_are_fetched_smaller() -> None:
    large = pictures.Picture("1", "a", "u", "u", "https://p/x?ex=1&hm=2", 9, 4000, 3000)
    assert files._rendition(large) == "https://p/x?ex=1&hm=2&width=853&height=640"
    small = pictures.Picture("1", "a", "u", "u", "https://p/x", 9, 900, 700)
    assert files._rendition(small) is None


def test_a_message_outside_of_guilds_is_not_kept() -> None:
    direct = SimpleNamespace(attachments=[], embeds=[], message_snapshots=[], guild=None)
    assert as_post(cast(discord.Message, direct)) is None
