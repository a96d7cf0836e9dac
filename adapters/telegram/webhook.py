"""Telegram calls us, instead of being polled (https://core.telegram.org/bots/api#setwebhook)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from telegram.error import TelegramError

from adapters.telegram.bot import TelegramBot, reason
from adapters.telegram.updates import KINDS, Updates
from bot.errors import SettingsError, StoreError

log = logging.getLogger(__name__)

CHECK_SECONDS = 300.0
LARGEST_UPDATE = 1024 * 1024
STOP_SECONDS = 2
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105


class Webhook:
    """A web server for Telegram alone. A call is answered once its update was taken in.

    Several processes may serve the same webhook behind one address. So nobody who stops deletes it,
    and what Telegram shows to prove itself follows from what all of them know.
    """

    def __init__(
        self, bot: TelegramBot, updates: Updates, url: str, listen: tuple[str, int]
    ) -> None:
        """`url` is what Telegram calls; it leads to the host and port to `listen` at."""
        self._bot = bot
        self._updates = updates
        self._url = url
        self._listen = listen
        self._secret = secret_of(bot.token, url)
        self._turn = asyncio.Lock()
        self._open = asyncio.Event()
        """Calls are answered here."""

    async def serve(self) -> None:
        """Until cancelled. Raises SettingsError when the port can't be had."""
        path = urlsplit(self._url).path or "/"
        host, port = self._listen
        server = _Server(
            uvicorn.Config(
                Starlette(routes=[Route(path, self._called, methods=["POST"])]),
                host=host,
                port=port,
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=STOP_SECONDS,
                lifespan="off",
            )
        )
        serving = asyncio.create_task(_run(server))
        try:
            while not server.started:
                if serving.done():
                    raise SettingsError(
                        f"TELEGRAM_WEBHOOK_LISTEN={host}:{port} can't be had: is the port taken?"
                    )
                await asyncio.sleep(0.02)
            log.info("Telegram: waiting for calls at %s:%d", host, port)
            self._open.set()
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)

    async def _called(self, request: Request) -> Response:
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            return Response(status_code=403)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_UPDATE:
                return Response(status_code=413)
        try:
            raw = json.loads(body)
        except ValueError:
            raw = None
        if not isinstance(raw, dict):
            return Response(status_code=400)
        async with self._turn:
            try:
                await self._updates.take_in(raw)
            except StoreError as error:
                log.warning("Telegram: updates wait there, because %s", error)
                return Response(status_code=503)  # it calls again
        return Response()

    async def keep(self) -> None:
        """Set the webhook, and now and then look whether Telegram reaches it, until cancelled. One
        process is enough for that."""
        await self._open.wait()
        trouble = self._updates.trouble
        is_set = False
        told = None
        while True:
            try:
                info = await self._bot.get_webhook_info()
                if is_set and info.last_error_date and info.last_error_date != told:
                    log.warning("Telegram can't call %s: %s", self._url, info.last_error_message)
                told = info.last_error_date
                if not is_set or info.url != self._url:
                    # One connection: an edit must not overtake the post that it changes.
                    await self._bot.set_webhook(
                        self._url,
                        allowed_updates=KINDS,
                        secret_token=self._secret,
                        max_connections=1,
                    )
                    is_set = True
                trouble.over()
            except TelegramError as error:
                await trouble.pause(reason(error, self._bot.token))
                continue
            await asyncio.sleep(CHECK_SECONDS)


def secret_of(token: str, url: str) -> str:
    """What calls show that come from Telegram: the same in all processes, and told to nobody else.
    The token can't be worked out from it."""
    return hmac.new(token.encode(), f"webhook {url}".encode(), hashlib.sha256).hexdigest()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the process."""
        yield


async def _run(server: _Server) -> None:
    with contextlib.suppress(SystemExit):  # how uvicorn says that the port is taken
        await server.serve()
