"""The local web chat: a chat platform of its own, for trying Shoebox without any account."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Self

from adapters.web_files import Preview, WebFiles
from adapters.web_guard import Door
from adapters.web_owner import OwnersPage
from adapters.web_page import pages
from adapters.web_rooms import Rooms
from adapters.web_routes import assets, routes
from adapters.web_server import WebServer
from bot.memory import PhotoMemory
from storage.chatlog import ChatLog

_log = logging.getLogger(__name__)


class WebChat:
    """Serves the chat inside the running event loop, one at a time; see WebServer."""

    platform = "web"

    def __init__(
        self,
        memory: PhotoMemory,
        log: ChatLog,
        preview: Preview,
        folder: Path,
        host: str,
        port: int,
        password: str = "",
        owner: OwnersPage | None = None,
    ) -> None:
        """`folder` is the data folder; all of the chat's own lies in its `web`. Port 0: any.
        `owner`: a page beside the chat, behind a password of its own."""
        self._memory = memory
        self._log = log
        self._files = WebFiles(folder, preview)
        self._rooms = Rooms(memory, log, self._files)
        self._server = WebServer(folder, host, port, memory.languages.usual)
        self._door = Door(password)
        self._owner = owner

    @property
    def address(self) -> str:
        """Where a browser finds the chat, while it is open."""
        return self._server.address

    @property
    def up(self) -> bool:
        """Whether browsers are answered."""
        return self._server.up

    async def __aenter__(self) -> Self:
        """Take the port. Raises SettingsError when it can't be had."""
        await self._server.open()
        try:
            await self._files.prepare()
            await self._rooms.start()
        except BaseException:
            self._server.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._rooms.stop()
        await self._files.close()
        self._server.close()

    async def serve(self) -> None:
        """Answer browsers until cancelled."""
        app = self._server.new_application()
        assets(app)
        routes(app, self._rooms, self._memory, self._log, self._files)
        pages(self._rooms, self._memory, self._log)
        doors = [self._door]
        if self._owner is not None:
            self._owner.join(app)
            doors.append(self._owner.door)
        _log.info("the web chat listens on %s", self.address)
        await self._server.serve(app, *doors)
