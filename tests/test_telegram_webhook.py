"""Telegram calls the bot, instead of being polled."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path

import aiohttp
import pytest

from adapters.telegram.chat import TelegramChat, TelegramSettings
from bot.errors import SettingsError, StoreError
from bot.photos import Post
from tests.pictures import photo
from tests.telegram import scene


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_by_webhook_everything_works_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/telegram/hook"
    listen = ("127.0.0.1", port)
    async with scene(tmp_path, webhook_url=url, webhook_listen=listen) as at:
        assert at.world.webhook["max_connections"] == 1
        assert not at.world.called("getUpdates")
        at.world.post_photo(at.family, at.ann, photo(1), "cake")
        found, _ = await at.asks(at.bob, "/find cake", count=2)
        assert found.photo
        update = json.dumps({"update_id": 1, "message": found.json}).encode()
        secret = at.world.webhook["secret"]
        header = "X-Telegram-Bot-Api-Secret-Token"
        async with aiohttp.ClientSession() as stranger:
            for headers, body, status in (
                ({}, update, 403),
                ({header: "guess"}, update, 403),
                ({header: secret}, b"x" * 2**21, 413),
                ({header: secret}, update, 200),
            ):
                async with stranger.post(url, data=io.BytesIO(body), headers=headers) as response:
                    assert response.status == status
            async with stranger.post(url, data=b"{", headers={header: secret}) as response:
                assert response.status == 400
            async with stranger.get(url) as response:
                assert response.status == 405


async def test_a_webhook_call_that_cannot_be_kept_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    url, listen = f"http://127.0.0.1:{port}/", ("127.0.0.1", port)
    async with scene(tmp_path, webhook_url=url, webhook_listen=listen) as at:
        remember, failures = at.store.remember, [2]

        async def full(post: Post) -> object:
            if failures[0]:
                failures[0] -= 1
                raise StoreError("the disk is full")
            return await remember(post)

        monkeypatch.setattr(at.store, "remember", full)
        at.world.post_photo(at.family, at.ann, photo(1))
        assert await at.remembered() == 1


async def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = ("127.0.0.1", taken.getsockname()[1])
        async with scene(tmp_path) as at:
            chosen = TelegramSettings(at.world.token, at.api.url, "http://127.0.0.1:1/", listen)
            async with TelegramChat(at.memory, chosen) as chat:
                with pytest.raises(SettingsError, match=r"TELEGRAM_WEBHOOK_LISTEN.*taken"):
                    await chat.serve()
