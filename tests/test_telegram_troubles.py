"""Network cuts, floods, refusals: each told in one line, and over by itself."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from telegram.error import NetworkError, RetryAfter

from adapters import trouble
from adapters.telegram import bot as connection
from adapters.telegram import updates
from adapters.telegram.bot import Limiter
from adapters.telegram.chat import TelegramChat, TelegramSettings
from adapters.telegram.ids import group_id
from bot import indexing
from bot.errors import TokenRefused
from bot.photos import Task
from tests.pictures import photo
from tests.standins.telegram import Api, TelegramWorld
from tests.telegram import at_work, scene, until


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the owner reads."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("adapters") and record.levelno >= logging.INFO
    ]


async def test_network_cuts_are_told_once_and_are_over_by_themselves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "PAUSES", (0.02,))
    caplog.set_level(logging.INFO)
    async with scene(tmp_path) as at:
        await until(lambda: at.api.is_polled)
        await at.api.stop()
        await until(lambda: any("can't be reached" in line for line in said(caplog)))
        at.world.post_photo(at.family, at.ann, photo(1))
        await at.api.start()
        assert await at.remembered() == 1
        at.world.garbage("getUpdates", 3)
        at.world.fail("getUpdates", 3, status=500)
        for n in (2, 3, 4):
            at.world.post_photo(at.family, at.ann, photo(n))
            await at.world.idle()
        assert await at.remembered() == 4
        await until(lambda: said(caplog)[-1] == "Telegram: all is well again")
    troubles = [line for line in said(caplog) if "trying again" in line]
    assert 1 <= len(troubles) <= 4, troubles
    assert all("\n" not in line and at.world.token not in line for line in said(caplog))


async def test_a_second_poller_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "PAUSES", (0.05,))
    async with scene(tmp_path) as at:
        await until(lambda: at.api.is_polled)
        async with aiohttp.ClientSession() as other:
            url = f"{at.api.url}/bot{at.world.token}/getUpdates"
            async with other.get(url, params={"timeout": "0", "offset": "0"}):
                pass
        await until(lambda: any("another program polls" in line for line in said(caplog)))
        at.world.post_photo(at.family, at.ann, photo(1))
        assert await at.remembered() == 1


async def test_a_webhook_in_the_way_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "PAUSES", (0.02,))
    world = TelegramWorld()
    world.webhook = {"url": "http://127.0.0.1:9/old", "secret": ""}
    async with scene(tmp_path, world=world) as at:
        world.webhook = {"url": "http://127.0.0.1:9/again", "secret": ""}
        at.world.cut("getUpdates")
        at.world.post_photo(at.family, at.ann, photo(1))
        assert await at.remembered() == 1


async def test_a_token_that_is_revoked_while_running(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "REFUSED_SECONDS", 0.05)
    monkeypatch.setattr(updates, "POLL_SECONDS", 1)
    async with scene(tmp_path) as at:
        at.world.revoke()
        await until(lambda: any("refuses the token" in line for line in said(caplog)))
        at.world.restore()
        at.world.post_photo(at.family, at.ann, photo(1))
        assert await at.remembered() == 1
    assert sum("refuses the token" in line for line in said(caplog)) == 1


async def test_a_wrong_token_ends_it_with_one_line(tmp_path: Path) -> None:
    world = TelegramWorld()
    async with scene(tmp_path, world=world) as at:
        for token in ("654321:wrong", "nonsense"):
            with pytest.raises(TokenRefused, match=r"TELEGRAM_TOKEN.*BotFather") as refused:
                async with TelegramChat(at.memory, TelegramSettings(token, at.api.url)) as chat:
                    await chat.serve()
            assert token not in str(refused.value)


async def test_starting_without_telegram_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "PAUSES", (0.02,))

    world = TelegramWorld()
    ann = world.user("Ann")
    family = world.group("Family", [ann])
    world.add_bot(family, ann)
    api = Api(world)
    await api.start()
    await api.stop()
    async with at_work(tmp_path, api):
        await until(lambda: any("can't be reached" in line for line in said(caplog)))
        await api.start()
        await world.bot_sends(family)
    await api.stop()


async def test_floods_are_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with scene(tmp_path) as at:
        at.world.fail(
            "sendMessage",
            2,
            status=429,
            description="Too Many Requests: retry after 1",
            retry_after=1,
        )
        (words,) = await at.asks(at.bob, "/stats")
        assert "photos of this group" in words.text
    waits = [line for line in said(caplog) if "asks to wait 1 s" in line]
    assert len(waits) == 2
    assert all(str(at.family.id) in line for line in waits)


async def test_questions_to_the_api_do_not_wait_behind_messages() -> None:
    limiter = Limiter()
    asked: list[str] = []

    async def call(endpoint: str) -> bool:
        asked.append(endpoint)
        return True

    async def flooded() -> bool:
        raise RetryAfter(5)

    sending = asyncio.create_task(
        limiter.process_request(flooded, (), {}, "sendMessage", {"chat_id": -5}, None)
    )
    await asyncio.sleep(0.01)
    async with asyncio.timeout(1):
        await limiter.process_request(call, ("getFile",), {}, "getFile", {"chat_id": -5}, None)
        await limiter.process_request(
            call, ("sendChatAction",), {}, "sendChatAction", {"chat_id": -5}, None
        )
    assert asked == ["getFile", "sendChatAction"]
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending
    assert connection.seconds_of(RetryAfter(timedelta(seconds=7))) == 7


async def test_broken_downloads_are_tried_again_and_broken_files_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "PAUSES", (0.05,) * 7)
    monkeypatch.setattr(indexing, "POLL_SECONDS", 0.05)
    async with scene(tmp_path, indexing=True) as at:
        at.world.cut("download", 2)
        at.world.fail("getFile", 1, status=500)
        at.world.fail(
            "getFile",
            1,
            status=400,
            description="Bad Request: wrong file_id or the file is temporarily unavailable",
        )
        at.world.post_photo(at.family, at.ann, photo(1))
        at.world.post_document(at.family, at.ann, b"broken", "x.png", "image/png")
        await at.indexed(Task.READ)
        (status,) = await at.store.groups.status()
        assert (status.photos, len(status.refused)) == (1, 1)
        assert len(at.world.downloads) == 2


async def test_a_group_that_moves_while_it_is_answered(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        club = at.group("Club", at.ann, kind="group")
        await at.world.bot_sends(club)
        at.world.post_photo(club, at.ann, photo(1), "cake")
        await at.world.idle()
        at.world.say(club, at.ann, "/find cake")
        at.world.privacy = False
        new = at.world.migrate(club)
        found = await at.world.bot_sends(new, 2)
        assert found[0].photo
        assert found[1].text.startswith("One photo")
        (status,) = [g for g in await at.store.groups.status() if g.name == "Club"]
        assert (status.group, status.photos) == (group_id(new.id), 1)


async def test_what_the_chat_does_not_allow_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path) as at:
        at.world.fail(
            "sendMessage",
            status=400,
            description="Bad Request: not enough rights to send text messages to the chat",
        )
        at.world.say(at.family, at.bob, "/stats")
        await until(lambda: any("ot enough rights" in line for line in said(caplog)))
        assert await at.store.groups.present("telegram:"), "it is still there"


def test_what_is_said_of_troubles_holds_no_token() -> None:
    line = connection.reason(NetworkError("no way to /bot123:abc/getMe\nreally"), "123:abc")
    assert "123:abc" not in line
    assert re.search(r"can't be reached \(no way to /bot…/getMe really\)", line)
