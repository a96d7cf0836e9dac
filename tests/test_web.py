from __future__ import annotations

import asyncio
import io
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from adapters import web_files
from adapters.web_rooms import Rooms, link
from bot.answers import Answer
from bot.errors import NotAPhoto, SettingsError, StoreError
from bot.photos import EVERYONE, PhotoRef, Post, Query
from storage.chatlog import Attachment, ChatLog, now
from tests.test_indexing import ColourEncoder
from tests.webchat import Running, Visitor, jpeg, running_chat, visiting


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_chat(tmp_path) as running:
        yield running


@pytest.fixture
async def visitor(chat: Running) -> AsyncIterator[Visitor]:
    async with visiting(chat) as visitor:
        yield visitor


async def found(chat: Running, words: str) -> tuple[Any, ...]:
    return (await chat.memory.find(Query(("local:family",), words, EVERYONE))).hits


async def reply_to(chat: Running, words: str) -> Any:
    for _ in range(200):
        message = (await chat.log.recent("family"))[-1]
        if message.question == words and message.reply:
            return message
        await asyncio.sleep(0.02)
    raise AssertionError("no reply")


# Filters as people type them


async def test_typed_filters_narrow_an_answer_and_hints_are_shown(
    chat: Running, visitor: Visitor
) -> None:
    await visitor.post_photo("tea", jpeg("blue"))
    await visitor.post_photo("tea with milk", jpeg("red"), author="Ben")
    for words, captions in (
        ("tea from:ben", ["tea with milk"]),
        ("tea -milk", ["tea"]),
        ('"with milk" today', ["tea with milk"]),
        ("from:anna", ["tea"]),
        ("tea before:2020", []),
        ("tea from:carl", ["tea with milk", "tea"]),
    ):
        await visitor.send(f"/find {words}")
        reply = (await reply_to(chat, words)).reply
        assert [find.caption for find in reply.finds] == captions, words
    assert "anybody called “carl”" in reply.notice


# Posting


async def test_a_posted_photo_is_kept_whole_and_found_by_its_caption(
    chat: Running, visitor: Visitor
) -> None:
    await visitor.post_photo("mate tea", jpeg("blue"))

    (message,) = await chat.log.recent("family")
    (attachment,) = message.attachments
    assert (chat.folder / attachment.locator).read_bytes() == jpeg("blue")
    (hit,) = await found(chat, "mate")
    post = hit.photo.post
    assert (post.author, post.author_name, post.group_name) == ("local:Anna", "Anna", "family")
    assert (post.channel, post.message) == ("main", str(message.id))
    assert post.link == link("family", message.id)
    assert hit.photo.ref == PhotoRef("file", "0", attachment.locator, "tea.jpg")
    assert await chat.memory.fetch(hit.photo) == jpeg("blue")


async def test_a_file_that_is_no_picture_is_kept_as_such(chat: Running, visitor: Visitor) -> None:
    status, reply = await visitor.upload(b"just words", "../../notes.<b>.jpg")
    assert (status, reply["picture"]) == (200, False)
    await visitor.send("", reply["token"])

    (message,) = await chat.log.recent("family")
    assert message.attachments[0].name == "../../notes.<b>.jpg"
    assert re.fullmatch(r"web/photos/[0-9a-f]{32}\.jpg", message.attachments[0].locator)
    assert (await visitor.get(f"attachment/{message.id}/0"))[0] == 415


async def test_too_large_a_file_is_refused_before_and_while_it_arrives(
    chat: Running, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_files, "MAX_BYTES", 100_000)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(10_000)

    status, reply = await visitor.upload(endless())
    assert status == 413
    assert "larger than" in reply["error"]
    assert list((chat.folder / "web" / "uploads").iterdir()) == []
    headers = {"content-length": str(65 * 1024 * 1024)}
    async with visitor.session.post(visitor.address + "upload", headers=headers) as response:
        assert response.status == 413


async def test_an_upload_that_is_cut_off_leaves_nothing(chat: Running) -> None:
    uploads = chat.folder / "web" / "uploads"
    port = int(chat.address.rstrip("/").rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"POST /upload?name=a.jpg HTTP/1.1\r\nHost: localhost\r\n")
        writer.write(b"Content-Length: 1000\r\n\r\nonly this")
        await writer.drain()
        await holds(uploads, 1)
    finally:
        writer.close()
        await writer.wait_closed()
    await holds(uploads, 0)


async def holds(folder: Path, files: int) -> None:
    """Wait until it does."""
    async with asyncio.timeout(20):
        while len(list(folder.iterdir())) != files:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("text", "author", "group"),
    [
        ("hi", "", "family"),
        ("hi", "A\nB", "family"),
        ("x" * 4001, "Anna", "family"),
        ("hi", "Anna", " "),
        ("hi", "A\n" * 30, "g"),
    ],
)
async def test_what_can_not_be_taken_is_refused_in_words(
    chat: Running, visitor: Visitor, text: str, author: str, group: str
) -> None:
    status, reply = await visitor.send(text, author=author, group=group)

    assert status == 400
    assert reply["error"]
    assert await chat.log.groups() == []


async def test_an_unknown_upload_does_not_make_half_a_message(
    chat: Running, visitor: Visitor
) -> None:
    _, reply = await visitor.upload(jpeg())

    status, _ = await visitor.send("two photos", reply["token"], "nonsense")

    assert status == 400
    assert await chat.log.recent("family") == []
    assert (await visitor.send("one photo", reply["token"]))[0] == 200


async def test_half_a_character_does_no_harm(chat: Running, visitor: Visitor) -> None:
    assert (await visitor.send("cut \ud83d here"))[0] == 200

    assert [m.text for m in await chat.log.recent("family")] == ["cut ? here"]


# Commands


async def test_a_question_is_answered_for_everybody(chat: Running, visitor: Visitor) -> None:
    await visitor.post_photo("mate tea")
    (posted,) = await chat.log.recent("family")

    await visitor.send("/find mate", author="Ben")

    message = await reply_to(chat, "mate")
    (find,) = message.reply.finds
    assert (find.author, find.caption, find.jump) == ("Anna", "mate tea", posted.id)
    assert find.why == ("caption",)


async def test_hints_are_for_the_sender_alone(chat: Running, visitor: Visitor) -> None:
    assert "/find" in (await visitor.send("/help"))[1]["hints"][0]
    assert "/nonsense" in (await visitor.send("/nonsense"))[1]["hints"][0]
    assert "look for" in (await visitor.send("/find"))[1]["hints"][0]
    assert "No photos" in (await visitor.send("/stats"))[1]["hints"][0]
    assert await chat.log.recent("family") == []


async def test_a_failing_search_gives_one_friendly_line(
    chat: Running,
    visitor: Visitor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(_: Query) -> Answer:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(chat.memory, "find", fail)
    await visitor.send("/find mate")

    message = await reply_to(chat, "mate")
    assert "went wrong" in message.reply.sentence
    assert "secret" not in message.reply.sentence
    assert "secret detail" in caplog.text


# Pictures


async def test_previews_are_made_safe_small_and_only_once(chat: Running, visitor: Visitor) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    big = io.BytesIO()
    Image.new("RGB", (3000, 2000), "red").save(big, "JPEG", exif=exif)
    await visitor.post_photo("tea", big.getvalue())
    (message,) = await chat.log.recent("family")
    (hit,) = await found(chat, "tea")

    for path in (f"attachment/{message.id}/0", f"photo/{hit.photo.id}"):
        status, body, headers = await visitor.get(path)
        assert status == 200
        assert headers["content-type"] == "image/jpeg"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"].startswith("private")
        assert max(Image.open(io.BytesIO(body)).size) <= 1280
        assert b"where I live" not in body
    assert len(list((chat.folder / "web" / "previews").iterdir())) == 1


async def test_other_platforms_photos_are_not_to_be_seen(
    chat: Running, visitor: Visitor, tmp_path: Path
) -> None:
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    photos: list[int] = []
    for group in ("telegram:-100", "local:work"):
        ref = PhotoRef("file", "0", str(tmp_path / "secret.jpg"), "secret.jpg")
        post = Post(group, "main", "1", "a", "A", now(), (ref,))
        photos += (await chat.memory.remember(post)).added

    assert (await visitor.get(f"photo/{photos[0]}"))[0] == 404
    assert (await visitor.get(f"photo/{photos[1]}"))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "photo/999",
        "attachment/999/0",
        "attachment/1/7",
        "attachment/1/-1",
        f"photo/{10**30}",
        "shoebox/x",
    ],
)
async def test_what_is_not_there_is_404(visitor: Visitor, path: str) -> None:
    await visitor.post_photo("tea")

    assert (await visitor.get(path))[0] == 404


async def test_a_vanished_file_is_404_and_a_refused_one_415(tmp_path: Path) -> None:
    async def refusing(_: bytes) -> bytes:
        raise NotAPhoto("too many pixels")

    async with running_chat(tmp_path, preview=refusing) as chat, visiting(chat) as visitor:
        await visitor.post_photo("tea")
        (message,) = await chat.log.recent("family")
        status, body, _ = await visitor.get(f"attachment/{message.id}/0")
        assert (status, b"too many pixels" in body) == (415, True)
        (tmp_path / message.attachments[0].locator).unlink()
        assert (await visitor.get(f"attachment/{message.id}/0"))[0] == 404


# Deleting and restarting


async def test_deleting_leaves_nothing_behind(chat: Running, visitor: Visitor) -> None:
    await visitor.post_photo("mate tea")
    await visitor.post_photo("green tea")
    await visitor.send("/find mate")
    question = await reply_to(chat, "mate")
    mate, green, _ = await chat.log.recent("family")
    assert (await visitor.get(f"attachment/{mate.id}/0"))[0] == 200
    rooms = Rooms(chat.memory, chat.log, web_files.WebFiles(chat.folder, chat.preview))

    with pytest.raises(web_files.UploadRefused, match="your own"):
        await rooms.delete("family", "Ben", mate.id)
    await rooms.delete("elsewhere", "Anna", mate.id)
    assert await chat.log.get(mate.id) is not None
    await rooms.delete("family", "Anna", mate.id)

    assert await found(chat, "mate") == ()
    assert (await visitor.get(f"attachment/{mate.id}/0"))[0] == 404
    answered = await chat.log.get(question.id)
    assert answered is not None
    assert answered.reply is not None
    assert answered.reply.finds == ()
    assert await chat.log.deleted() == []
    kept = Path(green.attachments[0].locator).name
    assert [path.name for path in (chat.folder / "web" / "photos").iterdir()] == [kept]
    assert len(list((chat.folder / "web" / "previews").iterdir())) == 1


async def test_a_restart_keeps_messages_and_finishes_what_was_begun(tmp_path: Path) -> None:
    async with running_chat(tmp_path) as chat, visiting(chat) as visitor:
        await visitor.post_photo("kept")
        await visitor.post_photo("to be deleted")
        await visitor.send("/find kept")
        await reply_to(chat, "kept")
        kept, deleted, _ = await chat.log.recent("family")
    async with ChatLog(tmp_path / "web" / "chat.db") as log:
        # What a crash would leave: a deletion, a question, and a photo, each only begun.
        await log.delete(deleted.id)
        await log.add("family", "Anna", "/find lost", question="lost")
        (tmp_path / "web" / "photos" / "0.jpg").write_bytes(jpeg())
        lost = Attachment("web/photos/0.jpg", "lost.jpg", picture=True)
        await log.add("family", "Anna", "never handed over", [lost])

    async with running_chat(tmp_path) as chat, visiting(chat) as visitor:
        texts = [m.text for m in await chat.log.recent("family")]
        assert texts == ["kept", "/find kept", "/find lost", "never handed over"]
        assert await chat.log.unanswered() == []
        for _ in range(100):
            if not await chat.log.unremembered():
                break
            await asyncio.sleep(0.02)
        assert len(await found(chat, "never handed")) == 1
        assert await found(chat, "deleted") == ()
        assert await chat.log.deleted() == []
        assert not (tmp_path / deleted.attachments[0].locator).exists()
        assert (tmp_path / kept.attachments[0].locator).exists()
        assert (await visitor.get(f"attachment/{kept.id}/0"))[0] == 200


async def test_a_photo_is_not_lost_when_the_memory_can_not_take_it(
    chat: Running, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: Post) -> Any:
        raise StoreError("disk full")

    monkeypatch.setattr(chat.memory, "remember", full)
    await visitor.post_photo("tea")

    assert [m.text for m in await chat.log.unremembered()] == ["tea"]


# Starting and stopping


async def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port} is taken: set WEB_PORT"):
            async with running_chat(tmp_path, port=port):
                pass


async def test_stopping_takes_no_longer_than_a_moment(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        async with running_chat(tmp_path) as chat:
            address = chat.address + "_nicegui_ws/socket.io/?EIO=4&transport=websocket"
            websocket = await session.ws_connect(address)
            await websocket.receive()
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - before < 4


async def test_where_nothing_fits_the_nearest_can_be_shown(chat: Running, visitor: Visitor) -> None:
    await visitor.post_photo("tea", jpeg("blue"))
    encoder = ColourEncoder()
    chat.model.encoder, chat.model.problem = encoder, None
    (hit,) = await found(chat, "tea")
    vectors = await encoder.encode_images(np.full((1, 16, 16, 3), (0, 0, 255), np.uint8))
    await chat.memory._store.save_vectors(encoder.model, [hit.photo.id], vectors)
    await visitor.send("/find goose")
    message = await reply_to(chat, "goose")
    assert message.reply.sentence == "Nothing in this group looks like “goose”."
    assert message.reply.finds == ()
    assert message.reply.nearest is not None

    rooms = Rooms(chat.memory, chat.log, web_files.WebFiles(chat.folder, chat.preview))
    await rooms.nearest("another", message.id)
    assert (await reply_to(chat, "goose")).reply == message.reply
    await rooms.nearest("family", message.id)
    reply = (await reply_to(chat, "goose")).reply
    assert reply.sentence == "The nearest to “goose”:"
    assert [find.caption for find in reply.finds] == ["tea"]
    assert reply.nearest is None
    await rooms.nearest("family", message.id)  # pressed twice
    assert (await reply_to(chat, "goose")).reply == reply
