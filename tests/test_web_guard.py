from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import aiohttp
import pytest

from adapters import web_guard
from tests.webchat import Visitor, jpeg, running_chat, visiting


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


@pytest.mark.parametrize("password", ["", "open sesame"])
async def test_every_answer_says_what_a_browser_may_not_do(tmp_path: Path, password: str) -> None:
    async with running_chat(tmp_path, password) as chat, visiting(chat) as visitor:
        for path in ("", "login", "g/family", "shoebox/web.js", "photo/7", "nowhere", "_nicegui/x"):
            _, _, headers = await visitor.get(path, allow_redirects=False)
            for name, value in web_guard.HEADERS.items():
                assert headers[name] == value, path
        policy = web_guard.HEADERS["content-security-policy"]
        for closed in ("frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"):
            assert closed in policy


PATHS = (
    "/shoebox/../web_guard.py",
    "/shoebox/..%2fweb_guard.py",
    "/shoebox/%2e%2e/%2e%2e/pyproject.toml",
    "/shoebox/....//web_guard.py",
    "/../../../../../../etc/passwd",
    "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd",
    "/attachment/../../shoebox.db",
    "/attachment/1/..%2f..%2fshoebox.db",
    "/photo/..%2f..%2fweb%2fsecret",
    "/shoebox/web.js%00.css",
    "/shoebox/..\\web_guard.py",
)


async def test_no_path_leads_out_of_what_is_served(tmp_path: Path) -> None:
    """Written to the socket as it is, since clients tidy paths up."""
    async with running_chat(tmp_path) as chat:
        port = int(chat.address.rstrip("/").rpartition(":")[2])
        for path in PATHS:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            host = f"Host: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
            writer.write(f"GET {path} HTTP/1.1\r\n{host}".encode())
            answer = await reader.read()
            writer.close()
            status = int(answer.split(b" ", 2)[1])
            assert status in (400, 404, 422), path
            for secret in (b"root:", b"SQLite format", b"class Guard", b"[project]"):
                assert secret not in answer, path


async def test_who_uploads_names_no_file_of_ours(tmp_path: Path) -> None:
    async with running_chat(tmp_path) as chat, visiting(chat) as visitor:
        for name in ("../../evil.jpg", "/etc/evil", "..\\evil.jpg", "a\0b.jpg", "x" * 5000, "."):
            status, reply = await visitor.upload(jpeg(), name=name)
            assert status == 200
            assert (await visitor.send("tea", reply["token"]))[0] == 200
        written = [each for each in tmp_path.rglob("*") if each.is_file()]
        photos = [each for each in written if each.parent == tmp_path / "web" / "photos"]
        assert len(photos) == 6
        assert not [each for each in written if "evil" in each.name]
        for token in ("../../shoebox.db", "", "*", "/etc/passwd"):
            assert (await visitor.send("tea", token))[0] == 400


async def test_a_stolen_ticket_can_not_be_made_to_last_longer(tmp_path: Path) -> None:
    async with running_chat(tmp_path, "open sesame") as chat, visiting(chat) as visitor:
        _, headers = await visitor.log_in("open sesame")
        name, _, ticket = headers["set-cookie"].partition(";")[0].partition("=")
        until, _, signature = ticket.partition(".")
        visitor.session.cookie_jar.clear()
        changed = (f"{int(until) + 1}.{signature}", f"{until}.{signature[:-1]}", until, "", "é.é")
        for each in (*changed, f"{until}.{signature}" + "0"):
            cookie = {"cookie": f"{name}={each}"}
            assert (await visitor.get("g/family", headers=cookie))[0] == 401, each
        cookie = {"cookie": f"{name}={ticket}"}
        assert (await visitor.get("g/family", headers=cookie))[0] == 200
