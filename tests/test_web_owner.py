"""The owner's page over HTTP: who gets in, and what never comes out."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from adapters import web_guard, web_sights, web_thumbnails
from adapters.web_overview import bars_of, by_year, gapless
from bot.decoder import Decoder
from bot.errors import FetchFailed, PhotoGone
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.pages import owners_site
from bot.photos import GroupStatus, PhotoRef, Post, StoredPhoto
from bot.settings import from_mapping
from storage.sqlite import SqliteStore
from tests.pictures import photo
from tests.telegram import Scene, scene
from tests.test_store import a_post
from tests.test_whole_path import free_port
from tests.webchat import Running, Visitor, jpeg, running_chat, visiting

BROWSER = {"accept": "text/html"}
HOSTILE = "<img src=x onerror=\"document.title='broken'\"> {{ 7*7 }}"


async def log_in(visitor: Visitor, password: str, **options: object) -> tuple[int, str, str]:
    """Status, cookie and where it leads."""
    async with visitor.session.post(
        visitor.address + "owner/login",
        data={"password": password},
        allow_redirects=False,
        **options,  # type: ignore[arg-type]
    ) as response:
        headers = response.headers
        return response.status, headers.get("set-cookie", ""), headers.get("location", "")


async def post(chat: Running, group: str, number: int, **more: object) -> int:
    """Somebody posted a photo; its id."""
    path = chat.folder / f"secret-name-{number}.jpg"
    path.write_bytes(jpeg("green"))
    values: dict[str, object] = {
        "group": group,
        "group_name": group.partition(":")[2],
        "channel": "c",
        "message": str(number),
        "author": "u",
        "author_name": "Ann",
        "posted_at": datetime(2024, 5, 1, tzinfo=UTC),
        "photos": (PhotoRef("file", str(number), str(path), path.name),),
        "caption": f"secret caption {number}",
    }
    return (await chat.store.remember(Post(**(values | more)))).added[0]  # type: ignore[arg-type]


async def test_without_a_password_there_is_no_such_page(tmp_path: Path) -> None:
    async with running_chat(tmp_path) as chat, visiting(chat) as visitor:
        for path in ("owner", "owner/", "owner/login", "owner/photo/1/small"):
            assert (await visitor.get(path))[0] == 404, path


async def test_nothing_is_shown_to_who_has_not_come_in(tmp_path: Path) -> None:
    async with running_chat(tmp_path, "chat", owner="own") as chat, visiting(chat) as visitor:
        photo = await post(chat, "local:fam", 1)
        closed = ("owner", "owner/", "owner/x", f"owner/photo/{photo}/small", "owner//", "%6fwner")
        for path in closed:
            status, body, _ = await visitor.get(path)
            assert (status, b"secret" in body) == (401, False), path
        status, _, headers = await visitor.get("owner", headers=BROWSER, allow_redirects=False)
        assert (status, headers["location"]) == (303, "/owner/login?next=/owner")
        status, body, _ = await visitor.get("owner/login", headers=BROWSER)
        assert b"The owner's page" in body.replace(b"&#x27;", b"'")

        # Neither password opens the other's door, nor does a ticket under the other's name.
        assert (await log_in(visitor, "chat"))[0] == 403
        assert (await visitor.log_in("own"))[0] == 403
        await visitor.log_in("chat")
        assert (await visitor.get("g/family"))[0] == 200
        for path in closed:
            assert (await visitor.get(path))[0] == 401, path
        port = int(chat.address.rstrip("/").rpartition(":")[2])
        (ticket,) = [each.value for each in visitor.session.cookie_jar]
        visitor.session.cookie_jar.clear()
        swapped = {"cookie": f"shoebox-owner-{port}={ticket}"}
        assert (await visitor.get("owner", headers=swapped))[0] == 401

        status, cookie, to = await log_in(visitor, "own")
        assert (status, to) == (303, "/owner")
        for words in ("HttpOnly", "SameSite=strict", f"Max-Age={24 * 3600}"):
            assert words in cookie
        assert (await visitor.get("owner"))[0] == 200
        assert (await visitor.get("g/family"))[0] == 401, "the chat has a door of its own"
        address = visitor.address + "_nicegui_ws/socket.io/?EIO=4&transport=websocket"
        async with visitor.session.ws_connect(address) as socket:
            assert (await socket.receive_str()).startswith("0")


async def test_strangers_and_guessers(tmp_path: Path) -> None:
    async with running_chat(tmp_path, owner="own") as chat, visiting(chat) as visitor:
        evil = {"origin": "http://evil.example"}
        assert (await log_in(visitor, "own", headers=evil))[0] == 403
        assert (await visitor.get("owner", headers={"host": "evil.example"}))[0] == 421
        assert (await visitor.get("owner/login?next=//evil.example"))[0] == 200
        async with visitor.session.post(
            visitor.address + "owner/login?next=//evil.example",
            data={"password": "own"},
            allow_redirects=False,
        ) as response:
            assert response.headers["location"] == "/owner"
        _, _, headers = await visitor.get("owner")
        for name, value in web_guard.HEADERS.items():
            assert headers[name] == value

        # Leaving takes a form of ours.
        await visitor.get("owner/logout", allow_redirects=False)
        assert (await visitor.get("owner"))[0] == 200
        leave = visitor.address + "owner/logout"
        async with visitor.session.post(leave, headers=evil) as response:
            assert response.status == 403
        assert (await visitor.get("owner"))[0] == 200
        async with visitor.session.post(leave, allow_redirects=False) as response:
            assert response.headers["location"] == "/owner"
        assert (await visitor.get("owner"))[0] == 401

        for _ in range(web_guard.FREE_TRIES):
            assert (await log_in(visitor, "wrong"))[0] == 403
        assert (await log_in(visitor, "own"))[0] == 429


async def test_thumbnails_are_of_what_the_owner_may_see(tmp_path: Path) -> None:
    async with running_chat(tmp_path, owner="own") as chat, visiting(chat) as visitor:
        own = await post(chat, "local:fam", 1)
        others = [await post(chat, f"{each}:5", 2) for each in ("telegram", "discord", "else")]
        refused = await post(chat, "local:fam", 3)
        await chat.store.refuse(refused, "no", final=False)
        gone = await post(chat, "local:fam", 4)
        (tmp_path / "secret-name-4.jpg").unlink()
        broken = await post(chat, "local:fam", 5)
        (tmp_path / "secret-name-5.jpg").write_bytes(b"words")
        await log_in(visitor, "own")

        status, body, headers = await visitor.get(f"owner/photo/{own}/small")
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        assert "private" in headers["cache-control"]
        assert Image.open(io.BytesIO(body)).size == (60, 40)
        assert not list((tmp_path / "web" / "previews").iterdir()), "nothing is left on the disk"
        for photo in (*others, refused, gone, 999, 0, -1, 2**63, 2**70):
            for size in ("small", "large"):
                assert (await visitor.get(f"owner/photo/{photo}/{size}"))[0] == 404, photo
        assert (await visitor.get(f"owner/photo/{broken}/small"))[0] == 415
        for path in ("1/huge", "x/small", "..%2f1/small", "1/..%2f..%2fshoebox.db", "1/small/x"):
            assert (await visitor.get(f"owner/photo/{path}"))[0] in (404, 422), path


async def test_the_page_counts_all_and_tells_nothing_of_others_photos(tmp_path: Path) -> None:
    async with running_chat(tmp_path, owner="own") as chat, visiting(chat) as visitor:
        (club,) = [await post(chat, "telegram:-5", 1, group_name=HOSTILE)]
        await chat.store.refuse(club, f"a reason {HOSTILE}", final=False)
        await post(chat, "telegram:-5", 2)
        own = await post(chat, "local:fam", 3)
        await chat.store.refuse(own, "another reason", final=True)
        await log_in(visitor, "own")
        _, body, _ = await visitor.get("owner")
        page = body.decode()
        assert "secret caption" not in page
        assert "secret-name-1" not in page
        assert "secret-name-2" not in page
        assert "secret-name-3" in page, "of a group of this machine"
        assert "another reason" in page
        assert f"#{club}" in page
        assert "<img src=x" not in page


@asynccontextmanager
async def beside_telegram(at: Scene, folder: Path, owner: int) -> AsyncIterator[Visitor]:
    """The owner's page beside a chat platform, somebody in it."""
    chat = at.memory._adapters["telegram"]
    port = free_port()
    chosen = from_mapping(
        {
            "OWNER_PASSWORD": "own",
            "OWNER_ID_TELEGRAM": str(owner),
            "DATABASE_URL": f"sqlite:///{folder / 'box.db'}",
            "WEB_PORT": str(port),
            "TELEGRAM_TOKEN": "1:a",
        }
    )
    async with (
        Decoder() as decoder,
        owners_site(chosen, at.memory, decoder, [chat]),  # type: ignore[list-item]
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        visitor = Visitor(session, f"http://127.0.0.1:{port}/")
        async with asyncio.timeout(10):
            while True:
                try:
                    await visitor.get("owner/login")
                    break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.02)
        yield visitor


async def test_beside_a_platform_it_is_alone_and_follows_membership(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_sights, "FRESH_SECONDS", 0.0)
    async with scene(tmp_path) as at:
        _, deleted = at.cakes(2)
        club = at.group("Club", at.eve)
        at.world.post_photo(club, at.eve, photo(3), "club cake")
        vault = at.group("Vault", at.bob, protected=True)
        at.world.post_photo(vault, at.bob, photo(4), "vault cake")
        at.world.post_photo(at.family, at.ann, photo(5), "kept here", protected=True)
        for chat in (at.family, vault):
            at.world.say(chat, at.bob, "hello")
        assert await at.remembered() == 5
        known = {each.post.caption: each.id for each in await at.memory.photos(range(1, 9))}
        cake, second = [each.id for each in await at.memory.photos(range(1, 9))][:2]
        at.world.delete(deleted)
        async with beside_telegram(at, tmp_path, at.bob.id) as visitor:
            assert (await visitor.get(""))[0] == 401
            await log_in(visitor, "own")
            status, _, headers = await visitor.get("", allow_redirects=False)
            assert (status, headers["location"]) == (303, "/owner")
            for path in ("g/family", "photo/1", "attachment/1/0", "upload", "post", "discard"):
                assert (await visitor.get(path))[0] == 404, path

            async def sees(photo: int) -> int:
                return (await visitor.get(f"owner/photo/{photo}/small"))[0]

            assert await sees(cake) == 200
            for caption in ("club cake", "vault cake", "kept here"):
                assert await sees(known[caption]) == 404, caption
            assert await sees(second) == 404, "its message is gone"
            assert await at.remembered() == 4, "so it is forgotten"
            at.family.members[at.bob.id] = "left"
            assert await sees(cake) == 404, "though its picture is at hand"
            at.family.members[at.bob.id] = "member"
            at.world.members_hidden = True
            assert await sees(cake) == 404, "what can't be told counts as no"


# --- small parts


class Shelf:
    """A ChatAdapter of our own port: what it is asked for, and when it answers."""

    platform = "file"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failure: FetchFailed | None = None

    async def fetch(self, ref: PhotoRef) -> bytes:
        self.asked.append(ref.key)
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return b"bytes"


async def test_pictures_are_made_once_and_kept_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_thumbnails, "MOST_BYTES", 250)
    now, there, shelf = [0.0], True, Shelf()

    async def resize(data: bytes, longest: int) -> bytes:
        return b"j" * 100

    async def is_posted(photo: StoredPhoto) -> bool:
        return there

    async with SqliteStore(tmp_path / "box.db") as store, Decoder() as decoder:
        memory = PhotoMemory(store, ModelState("none"), {"file": shelf}, decoder)
        made = await memory.photos((await memory.remember(a_post(keys="abc"))).added)
        thumbnails = web_thumbnails.Thumbnails(memory, resize, is_posted, lambda: now[0])
        first, *others = made
        await asyncio.gather(*(thumbnails.of(first, 360) for _ in range(5)))
        await thumbnails.of(first, 360)
        assert shelf.asked == ["a"]
        for each in others:
            await thumbnails.of(each, 360)
        await thumbnails.of(first, 360)
        assert shelf.asked == ["a", "b", "c", "a"], "three don't fit"

        there = False
        now[0] += web_thumbnails.KEPT_SECONDS
        with pytest.raises(PhotoGone):
            await thumbnails.of(first, 360)
        assert len(shelf.asked) == 4

        there, shelf.failure = True, FetchFailed("slowly", 90.0)
        for _ in range(3):
            with pytest.raises(FetchFailed):
                await thumbnails.of(first, 360)
        with pytest.raises(FetchFailed):
            await thumbnails.of(others[0], 1600)
        assert len(shelf.asked) == 5, "a platform that asks to wait is left alone"
        shelf.failure = None
        now[0] += 91
        assert await thumbnails.of(first, 360)
        await thumbnails.close()


def test_bars_are_of_months_or_of_years() -> None:
    months = [(date(2023, 11, 1), 2), (date(2024, 2, 1), 1)]
    assert [number for _, number in gapless(months)] == [2, 0, 0, 1]
    assert by_year(months) == [(date(2023, 1, 1), 2), (date(2024, 1, 1), 1)]
    assert gapless([]) == []


def test_a_group_that_waits_for_nothing_has_no_bar() -> None:
    assert bars_of(GroupStatus("local:a", "a", 5, 0, 0, ())) == []
    bars = bars_of(GroupStatus("local:a", "a", 5, 1, 0, (), waiting_renewal=3))
    assert [waiting for _, waiting in bars] == [1, 3]
