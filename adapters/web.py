"""The local web chat: a chat platform of its own, for trying Shoebox without any account."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import uvicorn
from fastapi import FastAPI
from nicegui import Client, core, ui

from adapters.web_files import Preview, WebFiles
from adapters.web_guard import Guard
from adapters.web_page import pages
from adapters.web_rooms import Rooms
from adapters.web_routes import routes
from bot.errors import SettingsError
from bot.memory import PhotoMemory
from bot.settings import is_loopback
from storage.chatlog import ChatLog

STOP_SECONDS = 2
"""How long open requests may take to end when the chat is stopped."""

FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="8" fill="#b4532a"/>'
    '<path d="M6 12h20v12a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2z" fill="#fff"/>'
    '<path d="M5 7h22v4H5z" fill="#f3d9c9"/><circle cx="16" cy="18.5" r="4" fill="#b4532a"/></svg>'
)

_log = logging.getLogger(__name__)


class WebChat:
    """Serves the chat inside the running event loop.

    The page framework has one application per process: start one chat at a time.
    """

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
    ) -> None:
        """`folder` is the data folder; all of the chat's own lies in its `web`. Port 0: any."""
        self._memory = memory
        self._log = log
        self._files = WebFiles(folder, preview)
        self._rooms = Rooms(memory, log, self._files)
        self._folder = folder
        self._host = host
        self._port = port
        self._password = password
        self._socket: socket.socket | None = None
        self._server: _Server | None = None

    @property
    def address(self) -> str:
        """Where a browser finds the chat, while it is open."""
        assert self._socket is not None, "the chat is not open"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._socket.getsockname()[1]}/"

    @property
    def up(self) -> bool:
        """Whether browsers are answered."""
        return self._server is not None and self._server.started

    async def __aenter__(self) -> Self:
        """Take the port. Raises SettingsError when it can't be had."""
        self._socket = await asyncio.to_thread(_bind, self._host, self._port)
        try:
            await self._files.prepare()
            await self._rooms.start()
        except BaseException:
            self._socket.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._rooms.stop()
        await self._files.close()
        if self._socket is not None:
            self._socket.close()

    async def serve(self) -> None:
        """Answer browsers until cancelled."""
        assert self._socket is not None, "the chat is not open"
        # NiceGUI looks at every object there is, and one of PyTorch's complains of that.
        warnings.filterwarnings("ignore", "`torch.distributed.reduce_op`", FutureWarning)
        self._server = server = _Server(
            uvicorn.Config(
                await self._application(),
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        serving = asyncio.create_task(server.serve([self._socket]))
        _log.info("the web chat listens on %s", self.address)
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            self._server = None
            with contextlib.suppress(asyncio.CancelledError):
                await serving
            for client in list(Client.instances.values()):
                client.delete()

    async def _application(self) -> Guard:
        app = FastAPI(openapi_url=None)
        routes(app, self._rooms, self._memory, self._log, self._files)
        # The framework's application outlives its server; a second one starts from a clean slate.
        core.app.middleware_stack = None
        core.app.user_middleware.clear()
        pages(self._rooms, self._memory, self._log)
        ui.run_with(
            app,
            title="Shoebox",
            favicon=FAVICON,
            dark=None,
            viewport=(
                "width=device-width, initial-scale=1, viewport-fit=cover, "
                "interactive-widget=resizes-content"
            ),
            reconnect_timeout=10,
            tailwind=False,
            show_welcome_message=False,
        )
        assert self._socket is not None
        hosts = frozenset({"localhost", "127.0.0.1", "::1", self._host.lower()})
        return Guard(
            app,
            hosts if is_loopback(self._host) else None,
            self._password,
            await asyncio.to_thread(_secret, self._folder / "web" / "secret"),
            f"shoebox-{self._socket.getsockname()[1]}",
            speaks=self._memory.languages.usual,
        )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the process."""
        yield


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"WEB_HOST={host}: {error.strerror or error}") from error
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(f"port {port} is taken: set WEB_PORT to another one") from error
        if error.errno == errno.EACCES:
            raise SettingsError(
                f"port {port} is not allowed here: set WEB_PORT to one above 1023"
            ) from error
        raise SettingsError(f"WEB_HOST={host}: {error.strerror or error}") from error
    return listener


def _secret(path: Path) -> bytes:
    """The key that logins are signed with, made on first use for this user's eyes only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
    secret = path.read_bytes()
    if len(secret) < 32:
        raise SettingsError(f"{path} is damaged: delete it, and it will be made anew")
    return secret
