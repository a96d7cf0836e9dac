"""Exports of Telegram and Discord: what of them is remembered, and that it is the same as live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.discord.originals import Original, link_key
from adapters.exports.entries import Entry
from adapters.exports.files import ExportFiles
from adapters.exports.package import open_package
from adapters.exports.survey import Choice, sources_of, steps
from bot.errors import FetchFailed, SettingsError
from bot.images import MAX_BYTES
from bot.memory import PhotoMemory
from bot.photos import EVERYONE, PhotoRef, Post, Query, StoredPhoto
from storage.sqlite import SqliteStore
from tests.exports import (
    NOT_INCLUDED,
    START,
    DiscordExport,
    TelegramAccount,
    TelegramExport,
    imported,
    memory_of,
    zipped,
)
from tests.pictures import photo


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "box.db") as store:
        yield store


@pytest.fixture
def memory(store: SqliteStore) -> PhotoMemory:
    return memory_of(store)


async def all_photos(store: SqliteStore) -> list[StoredPhoto]:
    async with store._db.read() as db, db.execute("SELECT id FROM photos ORDER BY id") as cursor:
        ids = [row[0] for row in await cursor.fetchall()]
    return await store.photos(ids)


async def captions(store: SqliteStore) -> list[str]:
    return [stored.post.caption for stored in await all_photos(store)]


async def found(memory: PhotoMemory, group: str, words: str) -> list[str]:
    """The messages whose photos these words find."""
    answer = await memory.find(Query((group,), words, EVERYONE))
    return sorted({hit.photo.post.message for hit in answer.hits})


# --- Telegram


async def test_a_telegram_export_becomes_what_the_bot_would_have_seen(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    chat = TelegramExport()
    chat.messages.append({"id": 1, "type": "service", "action": "create_group", "photo": "x.jpg"})
    cake = chat.photo([{"type": "bold", "text": "birthday"}, " cake"], id=2)
    chat.say("with strawberries", who=2, name="Bob", reply_to_message_id=cake)
    chat.file("beach.png", "image/png", photo(9), "the beach", media_spoiler=True)
    chat.say("", file="stickers/s.webp", media_type="sticker", mime_type="image/webp")
    by_group: dict[str, Any] = {"from": "Family", "from_id": f"channel{chat.id}"}
    nameless: dict[str, Any] = {"from": None, "from_id": "user77"}
    chat.photo("as a group", **by_group)
    chat.photo("who is that", **nameless)
    summary = await imported(memory, chat.write(tmp_path / "export"))
    assert (summary.added, summary.known, summary.refused) == (4, 0, [])
    assert summary.replies == 1
    first, file, group, stranger = await all_photos(store)
    assert first.post == Post(
        group="telegram:-1001234567890",
        group_name="Family",
        channel="-1001234567890",
        message="2",
        author="telegram:1",
        author_name="Ann",
        posted_at=START + timedelta(minutes=2),
        photos=(first.ref,),
        caption="birthday cake",
        link="https://t.me/c/1234567890/2",
    )
    assert file.post.spoiler
    assert file.ref.name == "beach.png"
    assert (group.post.author, stranger.post.author_name) == ("telegram:-1001234567890", "")
    assert await found(memory, chat.group, "strawberries") == ["2"]
    files = ExportFiles(MAX_BYTES)
    assert await files.fetch(first.ref) == photo(2)
    assert await memory.groups.meet(_family(chat))
    assert [group.name for group in await memory.groups.of("telegram:1")] == ["Family"]
    again = await imported(memory, tmp_path / "export")
    assert (again.added, again.known) == (0, 4)
    assert len(await all_photos(store)) == 4


async def test_a_zip_is_read_where_it_is(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    chat = TelegramExport()
    chat.photo("cake")
    folder = chat.write(tmp_path / "export")
    archive = zipped(folder, "ChatExport_2021-05-03/")
    assert (await imported(memory, folder)).added == 1
    assert (await imported(memory, archive)).known == 1
    (stored,) = await all_photos(store)
    files = ExportFiles(MAX_BYTES)
    with closing(files):
        assert await files.fetch(stored.ref) == photo(1), "it is where it was imported from last"
        archive.unlink()
        with pytest.raises(FetchFailed, match="import it again"):
            await files.fetch(stored.ref)
    await imported(memory, folder)
    (stored,) = await all_photos(store)
    assert await files.fetch(stored.ref) == photo(1)


async def test_an_album_shares_its_caption_even_if_the_file_under_it_is_missing(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    chat = TelegramExport()
    together = START + timedelta(hours=1)
    for name in ("the wedding", "", ""):
        chat.photo(name, at=together)
    chat.photo("", at=together, who=2)
    later = together + timedelta(hours=1)
    chat.say("the dance", photo=NOT_INCLUDED, at=later)
    chat.photo("", at=later)
    summary = await imported(memory, chat.write(tmp_path / "export"))
    assert [stored.post.message for stored in await all_photos(store)] == list("12346")
    assert await captions(store) == [*["the wedding"] * 3, "", "the dance"]
    assert summary.refused == [
        (
            "Family, message 5",
            "Telegram Desktop left its file out (not included. Change data exporting settings "
            "to download.)",
        )
    ]


async def test_questions_and_our_own_answers_are_no_memories(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    chat = TelegramExport()
    ask: list[Any] = [{"type": "bot_command", "text": "/find"}, " like this"]
    at = START + timedelta(hours=1)
    chat.photo(ask, at=at)
    chat.photo("", at=at)
    answer = chat.photo("1. Ann, 3 May", who=4242, name="Shoebox")
    chat.say([{"type": "bot_command", "text": "/forget"}], reply_to_message_id=answer)
    chat.photo([{"type": "bot_command", "text": "/unknown"}, " cake"])
    await imported(memory, chat.write(tmp_path / "export"), Choice(us="telegram:4242"))
    assert await captions(store) == ["/unknown cake"]


async def test_of_an_account_the_groups_come_and_the_rest_is_listed(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    kinds = {
        "private_supergroup": TelegramExport("Family", id=1000000011),
        "private_group": TelegramExport("Cousins", "private_group", 12),
        "personal_chat": TelegramExport("Bob", "personal_chat", 13),
        "public_channel": TelegramExport("News", "public_channel", 14),
    }
    left = TelegramExport("Old friends", "public_supergroup", 1000000015)
    for chat in (*kinds.values(), left):
        chat.photo("cake")
    account = TelegramAccount(list(kinds.values()), [left]).write(tmp_path / "export")
    summary = await imported(memory, account)
    posts = [stored.post for stored in await all_photos(store)]
    assert [(post.group, post.link) for post in posts] == [
        ("telegram:-1001000000011", "https://t.me/c/1000000011/1"),
        ("telegram:-12", None),
        ("telegram:-1001000000015", "https://t.me/c/1000000015/1"),
    ]
    assert posts[1].channel == "-12/export", "in basic groups each account has its own numbers"
    assert [where for where, _ in summary.refused] == ["Bob", "News"]
    with pytest.raises(SettingsError, match="say with --chat"):
        await imported(memory, account, Choice("local:fam"))
    with pytest.raises(SettingsError, match="'Cousins'"):
        await imported(memory, account, Choice(chats=("nobody",)))
    summary = await imported(memory, account, Choice("local:fam", ("bob",)))
    assert (summary.added, summary.refused) == (1, [])


async def test_from_before_a_supergroup_messages_keep_apart(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    basic = TelegramExport("Family", "private_group", 55)
    basic.photo("as a basic group", id=7)
    await imported(memory, basic.write(tmp_path / "then"))
    chat = TelegramExport(id=1000000077)
    chat.photo("as a basic group", id=7 - 1_000_000_000, at=START + timedelta(minutes=7))
    chat.photo("as a supergroup", id=7)
    await memory.groups.move(basic.group, chat.group)
    summary = await imported(memory, chat.write(tmp_path / "now"))
    assert (summary.added, summary.known) == (1, 1)
    assert await captions(store) == ["as a basic group", "as a supergroup"]


# --- Discord


async def test_a_discord_export_becomes_what_the_bot_would_have_seen(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    channel = DiscordExport()
    two = channel.photo("birthday cake", "a.jpg", "SPOILER_b.png")
    channel.reply(two, "with strawberries", who=12, name="Bob")
    channel.photo("by a bot", bot=True)
    channel.photo("a text", "notes.txt")
    image = channel.attachment("c.jpg")
    forward = {"content": "as it was", "attachments": [image], "embeds": [], "stickers": []}
    channel.say("look", forwardedMessage=forward)
    url = "https://example.com/goose.png?x=1"
    thumbnail = {"url": image["url"], "canonicalUrl": url, "width": 9, "height": 9}
    embed = {"title": "", "url": url, "description": "", "thumbnail": thumbnail, "images": []}
    channel.say(url, embeds=[embed, embed | {"title": "an article"}])
    summary = await imported(memory, channel.write(tmp_path / "export"))
    assert (summary.added, summary.refused, summary.replies) == (4, [], 1)
    photos = await all_photos(store)
    post = photos[0].post
    assert (post.group, post.channel, post.message) == ("discord:3001", "5001", str(two))
    assert (post.author, post.author_name, post.group_name) == ("discord:11", "Ann", "Family")
    assert post.posted_at == START
    assert post.link == f"https://discord.com/channels/3001/5001/{two}"
    assert post.spoiler
    keys = [each["id"] for each in channel.messages[0]["attachments"]]
    assert [stored.ref for stored in photos[:2]] == [
        PhotoRef("discord", key, Original(5001, two).locator, name)
        for key, name in zip(keys, ("a.jpg", "SPOILER_b.png"), strict=True)
    ]
    assert photos[2].post.caption == "look\nas it was"
    assert photos[3].ref.key == link_key(url)
    assert await found(memory, channel.group, "strawberries") == [str(two)]
    assert (await imported(memory, tmp_path / "export")).known == 4


async def test_threads_are_kept_under_the_walls_that_live_ones_have(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    kinds = {
        "GuildNews": (5, "5"),
        "GuildPublicThread": (6, "4001/6"),
        "GuildNewsThread": (7, "4001/7"),
        "GuildPrivateThread": (8, "4001/8/private"),
        "SomethingNew": (9, "9"),
    }
    for kind, (number, _) in kinds.items():
        channel = DiscordExport(number, f"room {number}", kind)
        channel.photo("cake")
        channel.write(tmp_path / "export")
    lost = DiscordExport(10, "lost", "GuildPublicThread", parent=None)
    lost.photo("cake")
    lost.write(tmp_path / "export")
    await imported(memory, zipped(tmp_path / "export"))
    assert await store.channels("discord:3001") == {*(key for _, key in kinds.values()), "0/10"}


async def test_without_media_nothing_comes_and_all_is_listed(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    channel = DiscordExport(media=False)
    channel.photo("cake", "a.jpg", "b.jpg")
    direct = DiscordExport(6001, "Bob", "DirectTextChat", guild=0, guild_name="Direct Messages")
    direct.photo("secret")
    channel.write(tmp_path / "export")
    summary = await imported(memory, direct.write(tmp_path / "export"))
    assert await all_photos(store) == []
    assert [reason.partition(" (")[0] for _, reason in summary.refused] == [
        "these are direct messages: use --group, if they are to be kept",
        *["its file is not in the export, which holds an address only"] * 2,
    ]


def test_paths_may_be_written_on_windows(tmp_path: Path) -> None:
    channel = DiscordExport()
    channel.photo("cake")
    (name,) = channel.files
    (attachment,) = channel.messages[0]["attachments"]
    attachment["url"] = name.replace("/", "\\")
    (entry,) = entries(channel.write(tmp_path / "export"))
    assert entry.files == (name,)


async def test_into_a_group_of_this_machine(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    channel = DiscordExport()
    channel.photo("cake", "a.jpg", "b.jpg")
    await imported(memory, channel.write(tmp_path / "export"), Choice("local:fam"))
    photos = await all_photos(store)
    assert [stored.post.group for stored in photos] == ["local:fam"] * 2
    assert await ExportFiles(MAX_BYTES).fetch(photos[0].ref) == next(iter(channel.files.values()))
    assert await memory.groups.present("local:")


# --- either


async def test_newest_first_replies_come_along_too(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    channel = DiscordExport()
    two = channel.photo("cake")
    channel.reply(two, "strawberries")
    channel.messages.reverse()
    assert (await imported(memory, channel.write(tmp_path / "export"))).replies == 1
    assert await found(memory, channel.group, "strawberries") == [str(two)]


async def test_a_dry_run_says_what_would_be_done_and_keeps_nothing(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    chat = TelegramExport()
    first = chat.photo("cake")
    chat.say("mmh", reply_to_message_id=first)
    chat.say("", photo="photos/none.jpg")
    folder = chat.write(tmp_path / "export")
    would = await imported(memory, folder, dry=True)
    assert (would.added, would.known, would.replies, len(would.refused)) == (1, 0, 1, 1)
    assert await all_photos(store) == []
    assert await memory.groups.status() == []
    await imported(memory, folder)
    assert (await imported(memory, folder, dry=True)).known == 1


async def test_what_was_forgotten_or_refused_does_not_come_back(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    chat = TelegramExport()
    kept, forgotten = chat.photo("kept"), chat.photo("forgotten")
    chat.photo("by somebody who refuses", who=2)
    chat.say("words of somebody who refuses", who=2, reply_to_message_id=kept)
    folder = chat.write(tmp_path / "export")
    await memory.groups.meet(_family(chat))
    await memory.forget(chat.group, chat.channel, str(forgotten))
    await memory.people.refuse("telegram:2", True)
    summary = await imported(memory, folder)
    assert (summary.added, summary.left_out, summary.replies) == (1, 2, 0)
    assert await captions(store) == ["kept"]
    assert await found(memory, chat.group, "refuses") == []
    young = memory_of(store, retention=timedelta(days=1))
    chat.photo("too old")
    assert (await imported(young, chat.write(tmp_path / "export"))).added == 0


async def test_an_import_loosens_nothing_that_the_platform_told(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    channel = DiscordExport()
    number = channel.photo("cake", "a.jpg", "b.jpg")
    first = channel.messages[0]["attachments"][0]["id"]
    live = Post(
        group=channel.group,
        channel="5001",
        message=str(number),
        author="discord:11",
        author_name="Ann",
        posted_at=START,
        photos=(PhotoRef("discord", first, Original(5001, number).locator, "a.jpg"),),
        group_name="Family today",
        spoiler=True,
        protected=True,
    )
    await memory.remember(live)
    summary = await imported(memory, channel.write(tmp_path / "export"))
    assert (summary.added, summary.known) == (1, 1)
    assert all(p.post.spoiler and p.post.protected for p in await all_photos(store))
    assert (await memory.groups.status())[0].name == "Family today", "an export may be old"


async def test_a_group_without_the_bot_waits_for_it(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    chat = TelegramExport()
    chat.photo("cake")
    summary = await imported(memory, chat.write(tmp_path / "export"))
    assert "invite it within 30 days" in summary.places[-1]
    now = datetime.now(UTC)
    assert await memory.groups.present("telegram:") == []
    assert await memory.groups.erase_left(now + timedelta(days=29)) == []
    assert await memory.groups.meet(_family(chat)), "it greets, as everywhere"
    assert await memory.groups.erase_left(now + timedelta(days=99)) == []
    summary = await imported(memory, tmp_path / "export")
    assert not [line for line in summary.places if "invite" in line]


async def test_an_import_that_was_stopped_goes_on(
    tmp_path: Path, store: SqliteStore, memory: PhotoMemory
) -> None:
    chat = TelegramExport()
    for _ in range(30):
        asked = chat.photo("cake", data=b"\xff\xd8\xff")
        chat.say("strawberries", reply_to_message_id=asked)
    folder = chat.write(tmp_path / "export")
    stopped = asyncio.create_task(imported(memory, folder))
    while len(await all_photos(store)) < 5:
        await asyncio.sleep(0)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    before = len(await all_photos(store))
    assert 5 <= before < 30
    summary = await imported(memory, folder)
    assert (summary.added, summary.known) == (30 - before, before)
    assert len(await found(memory, chat.group, "strawberries")) == 3
    assert len(await all_photos(store)) == 30


@settings(max_examples=8, deadline=None, derandomize=True)
@given(data=st.data())
def test_in_any_order_and_any_parts_the_memory_becomes_the_same(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asyncio.run(_import_in_any_order(data, tmp_path_factory.mktemp("order")))


async def _import_in_any_order(data: st.DataObject, folder: Path) -> None:
    chat, channel = TelegramExport(), DiscordExport()
    for n in range(4):
        asked = chat.photo(f"cake {n}", data=b"t%d" % n)
        chat.say(f"word{n}", reply_to_message_id=asked)
        answered = channel.photo(f"trip {n}", "a.jpg", "b.jpg", data=b"d%d" % n)
        channel.reply(answered, f"word{n}")
    parts = [chat.write(folder / "chat"), zipped(channel.write(folder / "channel"))]
    exports: tuple[TelegramExport | DiscordExport, ...] = (chat, channel)
    for number, export in enumerate(exports):
        whole = list(export.messages)
        export.messages = whole[: data.draw(st.integers(0, len(whole)), label="part")]
        parts.append(export.write(folder / f"part{number}"))
    order = data.draw(st.lists(st.sampled_from(parts), max_size=3), label="order")
    order = [*order, *data.draw(st.permutations(parts[:2]), label="whole")]
    async with SqliteStore(folder / "box.db") as store:
        for path in order:
            await imported(memory_of(store), path)
        known = [(p.post.message, p.ref.key, p.post.caption) for p in await all_photos(store)]
        assert len(known) == len(set(known)) == 12
        async with store._db.read() as db:
            cursor = await db.execute("SELECT count(*), count(DISTINCT text) FROM replies")
            assert tuple(await cursor.fetchone() or ()) == (12, 4)
        assert all([not (await imported(memory_of(store), path)).added for path in parts])


def _family(chat: TelegramExport) -> Any:
    from bot.photos import Group

    return Group(chat.group, chat.name)


def entries(path: Path) -> list[Entry]:
    """The posts that can be read of an export."""
    with closing(open_package(path)) as package:
        read = steps(package, sources_of(package), Choice())
        return [found for _, found in read if isinstance(found, Entry)]


def test_who_writes_which_format_is_told_from_the_content(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg.json").write_text(json.dumps({"title": "photo.jpg", "type": 1}))
    (tmp_path / "broken.json").write_text("{")
    with closing(open_package(tmp_path)) as package:
        assert sources_of(package) == []
    chat = TelegramExport()
    chat.photo()
    chat.write(tmp_path / "ChatExport_2021-05-03")
    assert len(entries(tmp_path)) == 1, "in a folder below, where there is none at the top"
