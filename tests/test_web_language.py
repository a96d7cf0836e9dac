"""The bot speaks a group's own language in the web chat."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from storage.chatlog import Message
from tests.webchat import Running, Visitor, running_chat, visiting


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_chat(tmp_path) as running:
        yield running


@pytest.fixture
async def visitor(chat: Running) -> AsyncIterator[Visitor]:
    async with visiting(chat) as visitor:
        yield visitor


async def hints(visitor: Visitor, text: str, **who: str) -> list[str]:
    status, reply = await visitor.send(text, **who)
    assert status == 200, reply
    found: list[str] = reply["hints"]
    return found


async def answer(chat: Running, visitor: Visitor, words: str) -> Message:
    await visitor.send(f"/find {words}")
    async with asyncio.timeout(10):
        while not (message := (await chat.log.recent("family"))[-1]).reply:
            await asyncio.sleep(0.02)
    return message


async def test_a_group_chooses_and_all_is_said_in_it_after_a_restart_too(tmp_path: Path) -> None:
    async with running_chat(tmp_path) as chat, visiting(chat) as visitor:
        assert (await hints(visitor, "/language"))[0].startswith("Say which language to speak here")
        assert await hints(visitor, "/language zh") == ["好的，从现在起我在这里说中文。"]
        await visitor.post_photo("<b>蛋糕</b>")
        reply = (await answer(chat, visitor, "蛋糕")).reply
        assert reply is not None
        assert reply.sentence == "找到 1 张“蛋糕”的照片："
        assert reply.finds[0].why == ("配文",)
        assert (await hints(visitor, "/stats")) == [
            "在 family 里记住了 1 张照片，其中 1 张还在看。"
        ]
        assert (await hints(visitor, "/dance"))[0] == "没有 /dance 这个命令。/help 列出所有命令。"
        assert (await hints(visitor, "/stats", group="club"))[0].startswith("No photos")
    async with running_chat(tmp_path) as chat, visiting(chat) as visitor:
        assert (await hints(visitor, "/help"))[0].startswith("/find 生日蛋糕")
        status, refused = await visitor.send("x" * 5000)
        assert (status, refused["error"]) == (400, "太长了：5000 个字，最多 4000 个。")
        async with visitor.session.get(visitor.address + "g/family") as page:
            html = await page.text()
        assert "发消息或 /find …" in html
        assert _words(html)["only you are here"] == "这里只有你"
        async with visitor.session.get(visitor.address + "g/club") as page:
            assert "Message or /find …" in await page.text()


def _words(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="words">(.*?)</script>', html)
    assert found is not None
    words: dict[str, Any] = json.loads(found[1])
    return words


async def test_the_door_and_the_login_speak_the_usual_language(tmp_path: Path) -> None:
    async with running_chat(tmp_path, "secret", language="zh") as chat, visiting(chat) as visitor:
        _, page, _ = await visitor.get("login")
        assert "这个聊天室需要密码。" in page.decode()
        assert (await visitor.log_in("secret"))[0] == 303
        _, page, _ = await visitor.get("")
        assert "会记住照片、用几个字就能找回来的群聊。" in page.decode()
        assert await hints(visitor, "/language English") == ["From now on I speak English here."]
        assert (await hints(visitor, "/help"))[0].startswith("/find birthday cake")
