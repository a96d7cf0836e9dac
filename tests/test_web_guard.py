from __future__ import annotations

import stat
from pathlib import Path

import aiohttp
import pytest

from adapters import web_guard
from tests.webchat import Visitor, running_chat, visiting


async def test_other_hosts_and_other_origins_are_refused(tmp_path: Path) -> None:
    async with running_chat(tmp_path) as chat, visiting(chat) as visitor:
        await refuses_strangers(visitor)


async def refuses_strangers(visitor: Visitor) -> None:
    assert (await visitor.get("", headers={"host": "evil.example"}))[0] == 421
    assert (await visitor.get("", headers={"origin": "http://evil.example"}))[0] == 403
    assert (await visitor.get("", headers={"origin": "null"}))[0] == 403
    headers = {"origin": "http://evil.example"}
    address = visitor.address + "_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await visitor.session.ws_connect(address, headers=headers)
    assert refused.value.status == 403
    async with visitor.session.post(visitor.address + "post", headers=headers) as response:
        assert response.status == 403


async def test_with_a_password_nothing_is_open(tmp_path: Path) -> None:
    async with running_chat(tmp_path, "open sesame") as chat, visiting(chat) as visitor:
        browser = {"accept": "text/html"}
        status, _, headers = await visitor.get("g/family", headers=browser, allow_redirects=False)
        assert (status, headers["location"]) == (303, "/login?next=/g/family")
        for path in ("", "g/family", "photo/1", "attachment/1/0", "shoebox/web.js"):
            assert (await visitor.get(path))[0] == 401, path
        async with visitor.session.post(visitor.address + "upload", data=b"x") as response:
            assert response.status == 401
        address = visitor.address + "_nicegui_ws/socket.io/?EIO=4&transport=websocket"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await visitor.session.ws_connect(address)
        port = int(chat.address.rstrip("/").rpartition(":")[2])
        forged = {"cookie": f"shoebox-{port}=99999999999.{'0' * 64}"}
        assert (await visitor.get("g/family", headers=forged))[0] == 401

        status, headers = await visitor.log_in("open sesame")
        cookie = headers["set-cookie"]
        assert status == 303
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert (await visitor.get("g/family"))[0] == 200
        secret = tmp_path / "web" / "secret"
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    async with running_chat(tmp_path, "another", port=port), visiting(chat) as visitor:
        stale = {"cookie": cookie.partition(";")[0]}
        assert (await visitor.get("g/family", headers=stale))[0] == 401


async def test_wrong_passwords_make_the_next_try_wait(tmp_path: Path) -> None:
    async with running_chat(tmp_path, "open sesame") as chat, visiting(chat) as visitor:
        for _ in range(web_guard.FREE_TRIES):
            assert (await visitor.log_in("wrong"))[0] == 403
        assert (await visitor.log_in("open sesame"))[0] == 429


async def test_logging_in_never_leads_to_another_site(tmp_path: Path) -> None:
    async with running_chat(tmp_path, "open sesame") as chat, visiting(chat) as visitor:
        for target in ("//evil.example", "/\\evil.example", "https://evil.example", "/g/x\r\nA: b"):
            status, headers = await visitor.log_in("open sesame", target)
            location = headers["location"]
            assert status == 303
            assert location.startswith("/")
            assert not location.startswith(("//", "/\\"))
            assert "a" not in headers
