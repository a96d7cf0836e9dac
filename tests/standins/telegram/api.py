"""The Bot API over HTTP: reads requests, holds polls, calls webhooks, serves files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from tests.standins.telegram.files import Download
from tests.standins.telegram.methods import Methods
from tests.standins.telegram.rules import Json, Refused, bad
from tests.standins.telegram.sending import Upload, truth, whole
from tests.standins.telegram.state import Call, Fault, State

LARGEST_REQUEST = 64 * 1024 * 1024
LONGEST_POLL = 50
WEBHOOK_PAUSE = 0.05
TEXTS = (
    "text caption parse_mode url secret_token description short_description language_code "
    "callback_query_id inline_query_id file_id photo document action next_offset name"
).split()
"""Parameters that stay texts, whatever they look like."""
ANOTHER_POLL = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is "
    "running"
)
WEBHOOK_IS_SET = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete "
    "the webhook first"
)
PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


class Api:
    """A server for one state. It may be stopped and started again, at the same port, with all
    that Telegram knows."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._methods = Methods(state)
        self._poll: asyncio.Future[None] | None = None
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._delivering: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """What TELEGRAM_API_URL names."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_polled(self) -> bool:
        """Whether somebody waits for updates now."""
        return self._poll is not None

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_get("/file/bot{token}/{path:.+}", self._file)
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port or self._port, reuse_address=True)
        await site.start()
        self._port = int(self._runner.addresses[0][1])
        self._delivering = asyncio.create_task(self._deliver())

    async def stop(self) -> None:
        """Nobody answers any more."""
        if self._delivering is not None:
            self._delivering.cancel()
            await asyncio.gather(self._delivering, return_exceptions=True)
        self._end_poll(ConnectionResetError())
        if self._runner is not None:
            for site in list(self._runner.sites):
                await site.stop()
            await asyncio.sleep(0.01)  # who is at the door comes in, and is sent away below
            await self._runner.cleanup()

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[str]:
        await self.start(port)
        try:
            yield self.url
        finally:
            await self.stop()

    # --- calls

    async def _call(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check_token(request.match_info["token"])
            params, uploads = await _read(request)
            called = request.match_info["method"].lower()
            name, method = self._methods.table.get(called, ("", None))
            if method is None:
                name = next((n for n in _WAITING if n.lower() == called), "")
            if not name:
                raise Refused("Not Found: method not found", 404)
            self.state.calls.append(Call(name, params))
            fault = self.state.take_fault(name)
            if fault is not None and fault.kind != "cut_after":
                return self._break(request, fault)
            if method is not None:
                answer = _answer(method(params, uploads))
            else:
                answer = await getattr(self, _WAITING[name])(params)
            if fault is not None:
                return self._break(request, fault)
            return answer
        except Refused as refusal:
            return _refusal(refusal)
        except ConnectionResetError:
            return _cut(request)

    def _check_token(self, token: str) -> None:
        if not re.fullmatch(r"[0-9]{1,20}:[A-Za-z0-9_-]{3,}", token):
            raise Refused("Not Found", 404)
        if token != self.state.token or self.state.revoked:
            raise Refused("Unauthorized", 401)

    def _break(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.kind == "garbage":
            return web.Response(status=fault.status, text=PAGE, content_type="text/html")
        if fault.kind != "error":
            return _cut(request)
        wait = {} if fault.retry_after is None else {"retry_after": fault.retry_after}
        return _refusal(Refused(fault.description, fault.status, **wait))

    # --- updates

    async def _get_updates(self, params: Json) -> web.Response:
        state = self.state
        if state.webhook:
            raise Refused(WEBHOOK_IS_SET, 409)
        self._end_poll(Refused(ANOTHER_POLL, 409))
        self._allow(params)
        offset = whole(params.get("offset") or 0, "offset")
        if offset < 0 and state.pending:
            offset = state.pending[max(offset, -len(state.pending))]["update_id"]
        if offset > 0:
            state.confirm(offset)
        limit = min(100, max(1, whole(params.get("limit") or 100, "limit")))
        seconds = min(LONGEST_POLL, max(0, whole(params.get("timeout") or 0, "timeout")))
        ended = self._poll = asyncio.get_running_loop().create_future()
        end = asyncio.get_running_loop().time() + seconds
        try:
            while not state.pending and not state.revoked:
                left = end - asyncio.get_running_loop().time()
                if left <= 0:
                    break
                state.news.clear()
                news = asyncio.create_task(state.news.wait())
                try:
                    await asyncio.wait(
                        (news, ended), timeout=left, return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    news.cancel()
                if ended.done():
                    ended.result()
        finally:
            if self._poll is ended:
                self._poll = None
            if not ended.cancel() and not ended.cancelled():
                ended.exception()  # known even when nobody waits for it any more
        if state.revoked:
            raise Refused("Unauthorized", 401)
        return _answer(state.pending[:limit])

    def _end_poll(self, reason: Exception) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_exception(reason)
        self._poll = None

    def _allow(self, params: Json) -> None:
        """What is asked for once holds until something else is asked for."""
        allowed = params.get("allowed_updates")
        if isinstance(allowed, list):
            self.state.allowed_updates = [str(kind) for kind in allowed]

    async def _set_webhook(self, params: Json) -> web.Response:
        state = self.state
        url = str(params.get("url") or "")
        if not url:
            return await self._delete_webhook(params)
        parts = urlsplit(url)
        if parts.scheme != "https" and (parts.scheme, parts.hostname) != ("http", "127.0.0.1"):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if parts.scheme == "https" and parts.port not in (None, 80, 88, 443, 8443):
            raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        secret = str(params.get("secret_token") or "")
        if len(secret) > 256:
            raise bad("secret token is too long")
        if not re.fullmatch("[A-Za-z0-9_-]*", secret):
            raise bad("secret token contains unallowed characters")
        self._allow(params)
        if truth(params.get("drop_pending_updates")):
            state.pending.clear()
        self._end_poll(Refused("Conflict: terminated by setWebhook request", 409))
        connections = whole(params.get("max_connections") or 40, "max_connections")
        state.webhook = {"url": url, "secret": secret, "max_connections": connections}
        state.news.set()
        return _answer(True, description="Webhook was set")

    async def _delete_webhook(self, params: Json) -> web.Response:
        was_set = bool(self.state.webhook)
        self.state.webhook = {}
        if truth(params.get("drop_pending_updates")):
            self.state.pending.clear()
        return _answer(True, description=f"Webhook {'was' if was_set else 'is already'} deleted")

    async def _get_webhook_info(self, _params: Json) -> web.Response:
        state = self.state
        info: Json = {
            "url": state.webhook.get("url", ""),
            "has_custom_certificate": False,
            "pending_update_count": len(state.pending),
        }
        if state.webhook:
            told = ("max_connections", "last_error_date", "last_error_message")
            info |= {key: state.webhook[key] for key in told if key in state.webhook}
        if state.allowed_updates:
            info["allowed_updates"] = state.allowed_updates
        return _answer(info)

    async def _deliver(self) -> None:
        """Call the webhook with one update after another, until each is taken."""
        state = self.state
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            while True:
                webhook = state.webhook
                if not (webhook and state.pending) or state.revoked:
                    await asyncio.sleep(0.01)
                    continue
                update = state.pending[0]
                headers = {"X-Telegram-Bot-Api-Secret-Token": webhook["secret"]}
                trouble = ""
                try:
                    async with session.post(
                        webhook["url"], json=update, headers=headers if webhook["secret"] else {}
                    ) as response:
                        if not 200 <= response.status < 300:
                            trouble = f"Wrong response from the webhook: {response.status} "
                            trouble += str(response.reason)
                except (aiohttp.ClientError, OSError, TimeoutError):
                    trouble = "Connection refused"
                if not trouble:
                    state.confirm(update["update_id"] + 1)
                    continue
                webhook["last_error_date"] = int(state.clock())
                webhook["last_error_message"] = trouble
                await asyncio.sleep(WEBHOOK_PAUSE)

    # --- files

    async def _file(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check_token(request.match_info["token"])
            fault = self.state.take_fault("download")
            if fault is not None and fault.kind != "cut_after":
                return self._break(request, fault)
            file = self.state.files.download(request.match_info["path"])
        except Refused as refusal:
            return _refusal(refusal)
        self.state.downloads.append(Download(file.unique, file.label, file.width))
        if not self.state.drip:
            return web.Response(body=file.data, content_type="application/octet-stream")
        self.state.drip -= 1
        response = web.StreamResponse(headers={"Content-Length": str(len(file.data))})
        await response.prepare(request)
        await response.write(file.data[: len(file.data) // 2])
        await asyncio.sleep(0.02)
        return _cut(request, response)


_WAITING = {
    "getUpdates": "_get_updates",
    "setWebhook": "_set_webhook",
    "deleteWebhook": "_delete_webhook",
    "getWebhookInfo": "_get_webhook_info",
}


async def _read(request: web.Request) -> tuple[Json, dict[str, Upload]]:
    """Parameters as values, and files; from a form, several parts, JSON or the address."""
    params: Json = {key: _value(key, value) for key, value in request.query.items()}
    uploads: dict[str, Upload] = {}
    if request.content_type == "application/json":
        try:
            given = await request.json()
        except ValueError:
            raise bad("can't parse JSON object") from None
        if not isinstance(given, dict):
            raise bad("expected a JSON object")
        return params | {key: _value(key, value) for key, value in given.items()}, uploads
    for key, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            uploads[key] = Upload(value.filename, value.content_type, value.file.read())
        else:
            params[key] = _value(key, value if isinstance(value, str) else str(value))
    return params, uploads


def _value(key: str, value: Any) -> Any:
    if not isinstance(value, str) or key in TEXTS:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _answer(result: object, **more: str) -> web.Response:
    return web.json_response({"ok": True, "result": result} | more)


def _refusal(refusal: Refused) -> web.Response:
    body: Json = {"ok": False, "error_code": refusal.status, "description": refusal.description}
    if refusal.parameters:
        body["parameters"] = refusal.parameters
    return web.json_response(body, status=refusal.status)


def _cut(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """End the connection without the rest of an answer."""
    if request.transport is not None:
        request.transport.abort()
    return response or web.Response()
