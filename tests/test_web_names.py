"""Replies, names and /which in the web chat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot import clip
from bot.photos import EVERYONE, Query
from storage.chatlog import Message
from tests.webchat import Running, Visitor, jpeg, running_chat, visiting


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_chat(tmp_path) as running:
        yield running


@pytest.fixture
async def visitor(chat: Running) -> AsyncIterator[Visitor]:
    async with visiting(chat) as visitor:
        yield visitor


async def hints(visitor: Visitor, text: str, **how: Any) -> str:
    status, reply = await visitor.send(text, **how)
    assert status == 200, reply
    return "\n".join(reply["hints"])


async def latest(chat: Running, group: str = "family") -> Message:
    return (await chat.log.recent(group))[-1]


async def found(chat: Running, words: str, group: str = "family") -> tuple[Any, ...]:
    return (await chat.memory.find(Query((f"local:{group}",), words, EVERYONE))).hits


async def test_what_is_said_in_reply_to_a_photo_finds_it(chat: Running, visitor: Visitor) -> None:
    await visitor.post_photo("tea")
    posted = await latest(chat)
    await visitor.send("From Yunnan!", author="Ben", answers=posted.id)
    reply = await latest(chat)
    assert reply.answers == posted.id
    await visitor.send("yunnan without a photo")
    await visitor.send("yunnan of another group", group="club", answers=posted.id)
    assert (await latest(chat, "club")).answers is None
    for wrong in ("x", -1, 10**30, 10**6, [1]):
        assert (await visitor.send("yunnan about nothing", answers=wrong))[0] == 200
    (hit,) = await found(chat, "yunnan")
    assert hit.reasons == ("said about it",)
    assert await found(chat, "yunnan", "club") == ()


async def test_a_deleted_reply_says_nothing_any_more(chat: Running, visitor: Visitor) -> None:
    await visitor.post_photo("tea")
    posted = await latest(chat)
    await visitor.send("Yunnan", author="Ben", answers=posted.id)
    reply = await latest(chat)
    from adapters.web_rooms import Rooms

    rooms = Rooms(chat.memory, chat.log, _NoFiles())  # type: ignore[arg-type]
    await rooms.delete("family", "Ben", reply.id)
    assert await found(chat, "yunnan") == ()


class _NoFiles:
    async def remove(self, attachments: object) -> None:
        return None


async def test_names_are_given_listed_found_and_taken_away(chat: Running, visitor: Visitor) -> None:
    assert "no photo" in await hints(visitor, "/name the goose")
    assert "no names" in await hints(visitor, "/names")
    await visitor.post_photo("", jpeg("green"))
    first = await latest(chat)
    await visitor.post_photo("", jpeg("blue"))
    assert "what to call" in await hints(visitor, "/name")
    assert "word of its own" in await hints(visitor, "/name the")
    assert "one example" in await hints(visitor, "/name the <b>Goose</b>", answers=first.id)
    assert "one example" in await hints(visitor, "/name duck"), "the last photo"
    assert await hints(visitor, "/names") == "the <b>Goose</b> (one photo)\nduck (one photo)" or (
        await hints(visitor, "/names") == "duck (one photo)\nthe <b>Goose</b> (one photo)"
    )
    (hit,) = await found(chat, "the duck")
    assert hit.reasons == ("name: duck",)
    await visitor.send("/find duck")
    for _ in range(200):
        if (asked := await latest(chat)).reply is not None:
            break
        await asyncio.sleep(0.02)
    assert asked.reply is not None
    assert asked.reply.finds[0].why == ("name: duck",)
    assert "one example" in await hints(visitor, "/name bird", answers=asked.id), "of an answer"
    assert "no photo" in await hints(visitor, "/name bird", answers=first.id, group="club")
    assert "Only who" in await hints(visitor, "/unname duck", author="Ben")
    assert "no longer" in await hints(visitor, "/unname duck")
    assert "no such name" in await hints(visitor, "/unname duck")
    assert "which name" in await hints(visitor, "/unname")


async def test_which_says_what_a_photo_shows(
    chat: Running, visitor: Visitor, encoder: clip.ClipEncoder
) -> None:
    assert "no photo" in await hints(visitor, "/which cat or dog")
    await visitor.post_photo("", jpeg("green"))
    assert "what it could be" in await hints(visitor, "/which")
    assert "Without a model" in await hints(visitor, "/which cat or dog")
    chat.model.encoder = encoder
    assert "2 to 10" in await hints(visitor, "/which cat")
    said = (await hints(visitor, "/which cat, dog or <i>cake</i>")).splitlines()
    assert len(said) == 4
    assert all(line[0] in "█▏▎▍▌▋▊▉░" and " %" in line for line in said[1:])


async def test_help_tells_of_them(visitor: Visitor) -> None:
    told = await hints(visitor, "/help")
    for command in ("/name ", "/names", "/unname", "/which"):
        assert command in told
