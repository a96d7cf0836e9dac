"""Forgetting in the web chat: all that one person posted, refusing, age; down to the raw bytes."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image

from adapters.web_files import WebFiles
from adapters.web_forgetting import Forgetting
from adapters.web_rooms import Rooms
from bot.photos import EVERYONE, PhotoRef, Post, Query
from storage.chatlog import ChatLog, Find, Message, Reply
from storage.sqlite import SqliteStore
from tests.test_scrubbing import everything_in
from tests.test_web import reply_to
from tests.webchat import Running, Visitor, jpeg, running_chat, visiting


def marked(mark: str) -> bytes:
    """A JPEG with a mark in its bytes."""
    file = io.BytesIO()
    Image.new("RGB", (60, 40), "green").save(file, "JPEG", comment=mark.encode())
    return file.getvalue()


async def imported(chat: Running, author: str, mark: str, folder: Path) -> int:
    """A photo that lies elsewhere, in the same group; with a preview, since it was shown."""
    path = folder / f"{mark}.jpg"
    path.write_bytes(jpeg("yellow"))
    post = Post(
        "local:family",
        "import",
        mark,
        f"local:{author}",
        author,
        datetime.now(UTC) - timedelta(days=40),
        (PhotoRef("file", mark, str(path), path.name),),
        f"import {mark}",
    )
    return (await chat.memory.remember(post)).added[0]


async def scrubbed(chat: Running) -> bytes:
    """Everything in the folder, however short ago it was scrubbed."""
    assert isinstance(chat.memory._store, SqliteStore)
    for scrubber in (chat.log._scrubber, chat.memory._store._scrubber):
        scrubber._not_before = 0.0
        assert await scrubber.scrub()
    return everything_in(chat.folder)


async def ask(chat: Running, visitor: Visitor, words: str, author: str = "Anna") -> Message:
    await visitor.send(f"/find {words}", author=author)
    message: Message = await reply_to(chat, words)
    return message


async def test_forget_me_leaves_nothing_of_mine_in_any_file(tmp_path: Path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    async with running_chat(tmp_path / "data") as chat, visiting(chat) as visitor:
        await visitor.post_photo("annacaption tea", marked("annapixels"))
        await visitor.post_photo("bencaption tea", marked("benpixels"), author="Ben")
        photo = await imported(chat, "Anna", "annaimport", elsewhere)
        assert (await visitor.get(f"photo/{photo}"))[0] == 200, "it was shown once"
        first = (await chat.log.recent("family"))[0]
        await visitor.send("annasays hello")
        await visitor.send("bensays of it", author="Ben", answers=first.id)
        await visitor.send("annasays too", answers=(await chat.log.recent("family"))[1].id)
        asked = await ask(chat, visitor, "annacaption", "Ben")
        await ask(chat, visitor, "import", "Ben")
        await ask(chat, visitor, "annaasks", "Anna")

        status, reply = await visitor.send("/forget me")
        assert status == 200
        assert "2 photos" in reply["hints"][0]
        assert reply["button"]["text"] == "/forget me yes"
        assert len(await chat.log.by("family", "Anna")) == 4, "nothing happens before that"
        status, reply = await visitor.send(reply["button"]["text"])
        assert "2 photos" in reply["hints"][0]
        assert "button" not in reply

        after = await scrubbed(chat)
        for mark in ("annapixels", "annasays", "annaasks", "annaimport", "Anna"):
            assert mark.encode() not in after, mark
        # What Ben typed is his, even where it is her words.
        assert [m.text for m in await chat.log.by("family", "Ben")][-2:] == [
            "/find annacaption",
            "/find import",
        ]
        for mark in ("benpixels", "bencaption", "bensays"):
            assert mark.encode() in after
        answered = await chat.log.get(asked.id)
        assert answered is not None
        assert answered.reply is not None
        assert answered.reply.finds == ()
        assert (await visitor.get(f"photo/{photo}"))[0] == 404


async def test_who_opts_out_is_shown_and_not_remembered(tmp_path: Path) -> None:
    async with running_chat(tmp_path) as chat, visiting(chat) as visitor:
        await visitor.post_photo("before", author="Ben")
        _, reply = await visitor.send("/optout", author="Ben")
        assert "nothing that Ben posts" in reply["hints"][0]
        await visitor.post_photo("meanwhile", author="Ben")
        before = (await chat.log.recent("family"))[0]
        await visitor.send("whispering", author="Ben", answers=before.id)
        await visitor.post_photo("hers")
        _, reply = await visitor.send("/optin", author="Ben")
        assert "From now on" in reply["hints"][0]
        await visitor.post_photo("later", author="Ben")
        assert await chat.log.unremembered() == [], "what is refused is not offered for ever"

        async def found(words: str) -> list[str]:
            answer = await chat.memory.find(Query(("local:family",), words, EVERYONE))
            return [hit.photo.post.caption for hit in answer.hits]

        assert await found("meanwhile") == []
        assert await found("whispering") == []
        for words in ("before", "hers", "later"):
            assert await found(words) == [words]
        assert len(await chat.log.by("family", "Ben")) == 4, "all of it is in the chat"


async def test_what_becomes_too_old_goes_from_chat_memory_and_files(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    async with running_chat(tmp_path, retention=timedelta(days=30)) as chat:
        files = WebFiles(tmp_path, chat.preview)
        old = ChatLog(tmp_path / "web" / "chat.db", lambda: now - timedelta(days=31))
        async with old:
            await old.add("family", "Anna", "oldwords")
        find = Find(7, "Anna", now, "oldcaption", ("caption",), "old.jpg", None)
        async with visiting(chat) as visitor:
            await visitor.post_photo("newcaption")
            await visitor.send("/find newcaption")
            question = await reply_to(chat, "newcaption")
        kept = question.reply.finds
        await chat.log.answer(question.id, Reply("Two:", None, (find, *kept)))
        rooms = Rooms(chat.memory, chat.log, files)
        shown: list[Message] = []
        forgetting = Forgetting(chat.memory, chat.log, files, rooms._delete, shown.append)
        await forgetting.drop_old()
        after = await scrubbed(chat)
        assert b"oldwords" not in after
        assert b"oldcaption" not in after, "a reply shows nothing that is no longer remembered"
        assert b"newcaption" in after
        assert [message.id for message in shown] == [question.id]
        left = await chat.log.get(question.id)
        assert left is not None
        assert left.reply is not None
        assert left.reply.finds == kept
