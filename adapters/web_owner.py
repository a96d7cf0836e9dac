"""The owner's page: what a self-hoster opens once a month to see that all is well.

It counts everything, says what fails, and shows photos only of groups that the owner may see.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from nicegui import Client, ui
from nicegui.client import ClientConnectionTimeout

from adapters.web_failures import FailureList
from adapters.web_guard import Door
from adapters.web_message import tag
from adapters.web_overview import Overview
from adapters.web_routes import MAX_ID, assets
from adapters.web_server import WebServer
from adapters.web_sights import Platform, Sights
from adapters.web_thumbnails import SIZES, Resize, Thumbnails
from adapters.web_wall import Wall
from bot.errors import FetchFailed, PhotoGone, ShoeboxError, StoreError
from bot.language import say, speak, to_say
from bot.memory import PhotoMemory

HOME = "/owner"
SESSION = 24 * 3600
LOOK_EVERY = 5.0
"""Seconds between looks at the numbers; more where they take long to count."""
SHARE = 20
"""Of the time at most one part goes into counting."""
SHOWN = {"cache-control": "private, max-age=300"}
HEAD = """
<link rel="stylesheet" href="/shoebox/web.css">
<link rel="stylesheet" href="/shoebox/web_owner.css">
"""

_log = logging.getLogger(__name__)


class OwnersPage:
    """One page and its thumbnails, below `/owner`."""

    def __init__(
        self,
        memory: PhotoMemory,
        resize: Resize,
        password: str,
        platforms: Mapping[str, tuple[Platform, int]] | None = None,
    ) -> None:
        """`platforms`: those on which it is known who the owner is, with that user's id."""
        lead = to_say("The owner's page is closed with a password.")
        self.door = Door(password, HOME, lead, "shoebox-owner", SESSION, "strict")
        self._memory = memory
        self._sights = Sights(memory, platforms or {})
        self._thumbnails = Thumbnails(memory, resize, self._sights.is_posted)

    async def close(self) -> None:
        await self._thumbnails.close()

    def join(self, app: FastAPI) -> None:
        """Add the page and its addresses to `app`; who asks for them has come in by the door."""

        @app.get(f"{HOME}/photo/{{photo}}/{{size}}")
        async def thumbnail(photo: int, size: str) -> Response:
            if size not in SIZES or not 0 < photo < MAX_ID:
                return _gone()
            try:
                return await self._thumbnail(photo, SIZES[size])
            except PhotoGone:
                return _gone()
            except FetchFailed:
                return PlainTextResponse("The photo can't be fetched right now.", 503)
            except ShoeboxError as error:
                _log.info("photo %d can't be shown to the owner: %s", photo, error)
                return PlainTextResponse("The photo can't be shown.", 415)

        @ui.page(HOME, title="Shoebox")
        async def page(client: Client) -> None:
            await self._draw(client)

    async def _thumbnail(self, number: int, longest: int) -> Response:
        photo = await self._memory.photo(number)
        sight = None if photo is None else await self._sights.of(photo.post.group)
        if photo is None or sight is None or not sight.has(photo):
            return _gone()
        jpeg = await self._thumbnails.of(photo, longest)
        return Response(jpeg, media_type="image/jpeg", headers=SHOWN)

    async def _draw(self, client: Client) -> None:
        spoken = self._memory.languages.usual
        speak(spoken)
        ui.add_head_html(HEAD)
        with tag("div", "owner", lang=spoken.code):
            with tag("header", "head"):
                with tag("div", "where"):
                    tag("h1", "", "Shoebox")
                    tag("p", "hint", say("The owner's page"))
                with tag("form", "", action=self.door.logout, method="post"):
                    tag("button", "leave", say("Sign out"))
            trouble = tag("p", "trouble", "", role="alert")
            trouble.set_visibility(False)
            with tag("main", ""):
                overview = Overview(self._memory, spoken)
                failures = FailureList(self._memory, spoken)
                wall = Wall(client, self._memory, self._sights, HOME, spoken)

        async def look() -> None:
            speak(spoken)
            clock = asyncio.get_running_loop().time
            began = clock()
            try:
                await overview.look()
                await failures.look()
                trouble.set_visibility(False)
            except StoreError as error:
                trouble.text = str(error)
                trouble.set_visibility(True)
            timer.interval = max(LOOK_EVERY, SHARE * (clock() - began))

        client.on_delete(wall.stop)
        timer = ui.timer(LOOK_EVERY, look, immediate=False)
        await look()
        try:
            await client.connected(timeout=60)
            await wall.start()
        except ClientConnectionTimeout:
            return
        except StoreError as error:
            trouble.text = str(error)
            trouble.set_visibility(True)


class OwnersSite:
    """A server for that page alone, beside chat platforms. Use as `async with`, then `serve`."""

    def __init__(self, page: OwnersPage, memory: PhotoMemory, folder: Path, host: str, port: int):
        """See WebServer."""
        self._page = page
        self._server = WebServer(folder, host, port, memory.languages.usual)

    @property
    def address(self) -> str:
        return self._server.address

    async def __aenter__(self) -> Self:
        """Take the port. Raises SettingsError when it can't be had."""
        await self._server.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._page.close()
        self._server.close()

    async def serve(self) -> None:
        """Answer browsers until cancelled."""
        app = self._server.new_application()
        assets(app)
        self._page.join(app)

        @app.get("/")
        async def door() -> Response:
            return RedirectResponse(HOME, 303)

        _log.info("the owner's page is at %s%s", self.address, HOME.lstrip("/"))
        await self._server.serve(app, self._page.door)


def _gone() -> Response:
    return PlainTextResponse("There is no such thing here.", 404)
