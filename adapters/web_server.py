"""A port of this machine, and what is served there: the page framework's one application."""

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

import uvicorn
from fastapi import FastAPI
from nicegui import Client, core, ui
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.web_guard import Door, Guard
from bot.errors import SettingsError
from bot.language import Language
from bot.settings import is_loopback

STOP_SECONDS = 2
"""How long open requests may take to end when the server is stopped."""
FRAMEWORK = "/_nicegui"
"""What all pages of the framework need: its scripts and its websocket."""

FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="8" fill="#b4532a"/>'
    '<path d="M6 12h20v12a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2z" fill="#fff"/>'
    '<path d="M5 7h22v4H5z" fill="#f3d9c9"/><circle cx="16" cy="18.5" r="4" fill="#b4532a"/></svg>'
)

_log = logging.getLogger(__name__)


class WebServer:
    """Serves pages inside the running event loop.

    The page framework has one application per process: serve one at a time.
    """

    def __init__(self, folder: Path, host: str, port: int, speaks: Language) -> None:
        """`folder` is the data folder. Port 0: any. `speaks`: what a login page speaks."""
        self._folder = folder
        self._host = host
        self._port = port
        self._speaks = speaks
        self._socket: socket.socket | None = None
        self._serving: _Server | None = None

    @property
    def address(self) -> str:
        """Where a browser finds it, while it is open."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._taken.getsockname()[1]}/"

    @property
    def up(self) -> bool:
        """Whether browsers are answered."""
        return self._serving is not None and self._serving.started

    @property
    def _taken(self) -> socket.socket:
        assert self._socket is not None, "the port is not open"
        return self._socket

    async def open(self) -> None:
        """Take the port. Raises SettingsError when it can't be had."""
        self._socket = await asyncio.to_thread(_bind, self._host, self._port)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def new_application(self) -> FastAPI:
        """What routes and pages are added to. The framework's own application outlives its server;
        a second one starts from a clean slate."""
        core.app.middleware_stack = None
        core.app.user_middleware.clear()
        for path in set(Client.page_routes.values()):
            core.app.remove_route(path)
        Client.page_routes.clear()
        return FastAPI(openapi_url=None)

    async def serve(self, app: FastAPI, *doors: Door) -> None:
        """Answer browsers until cancelled; each door guards what is below its home, the first one
        all else too."""
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
        # NiceGUI looks at every object there is, and one of PyTorch's complains of that.
        warnings.filterwarnings("ignore", "`torch.distributed.reduce_op`", FutureWarning)
        self._serving = server = _Server(
            uvicorn.Config(
                await self._guarded(app, doors),
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        serving = asyncio.create_task(server.serve([self._taken]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            self._serving = None
            with contextlib.suppress(asyncio.CancelledError):
                await serving
            for client in list(Client.instances.values()):
                client.delete()

    async def _guarded(self, app: ASGIApp, doors: tuple[Door, ...]) -> ASGIApp:
        hosts = frozenset({"localhost", "127.0.0.1", "::1", self._host.lower()})
        known = hosts if is_loopback(self._host) else None
        secret = await asyncio.to_thread(_secret, self._folder / "web" / "secret")
        port = int(self._taken.getsockname()[1])
        first, *others = [
            (door, Guard(app, known, door, secret, port, speaks=self._speaks)) for door in doors
        ]
        return _Doors(first[1], others) if others else first[1]


class _Doors:
    """Each request goes to the guard of the door that it is at."""

    def __init__(self, first: Guard, others: list[tuple[Door, Guard]]) -> None:
        self._first = first
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._guard_of(scope)(scope, receive, send)

    def _guard_of(self, scope: Scope) -> Guard:
        if scope["type"] not in ("http", "websocket"):
            return self._first
        path = scope["path"]
        for door, guard in self._others:
            if path == door.home or path.startswith(f"{door.home}/"):
                return guard
            # The framework knows for itself whose page a websocket belongs to.
            if path.startswith(FRAMEWORK) and guard.knows(HTTPConnection(scope)):
                return guard
        return self._first


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
