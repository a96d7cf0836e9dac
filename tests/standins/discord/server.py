"""The server: REST, gateway and files at one address, stopped and started as often as one likes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from PIL import Image

from tests.standins.discord.gateway import RECONNECT, Connection
from tests.standins.discord.rest import PREFIX, Rest
from tests.standins.discord.state import Download, State


class Server:
    """Discord at an address."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.connections: list[Connection] = []
        state.backend.subscribers.append(self._event)

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[str]:
        """Serve; the API's address is given back. What happens meanwhile is kept when it ends."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", PREFIX + "/{path:.*}", Rest(self._state).handle)
        app.router.add_get("/gateway", self._gateway)
        app.router.add_get("/gateway/", self._gateway)
        app.router.add_get("/{room:cdn|proxy}/{path:.*}", self._file)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            host, port = runner.addresses[0][:2]
            self._state.cdn.base = f"http://{host}:{port}"
            yield self._state.cdn.base + PREFIX
        finally:
            for connection in list(self.connections):
                connection.cut()
            await runner.cleanup()

    def reconnect(self) -> None:
        """Ask all clients to come again, as Discord does when it moves them."""
        for connection in self.connections:
            connection.send({"op": RECONNECT, "d": None})

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        connection = Connection(self._state, request)
        self.connections.append(connection)
        try:
            return await connection.run()
        finally:
            self.connections.remove(connection)

    def _event(self, event: str, payload: Any) -> None:
        for session in list(self._state.sessions.values()):
            if session.resumable or session.pipe is not None:
                session.offer(event, payload)
        self._state.notify()

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """A file from the CDN, or sized by the proxy."""
        state = self._state
        room = request.match_info["room"]
        path = request.rel_url.raw_path.removeprefix(f"/{room}")
        params = dict(request.query)
        seen = Download(request.rel_url.raw_path, params, 200)
        state.downloads.append(seen)
        sized = room == "proxy" and ("width" in params or "height" in params)
        if (wrong := await state.faults.meet(request, seen.path)) is not None:
            seen.status = wrong.status
            return wrong
        file = state.cdn.files.get(path)
        if file is None or not state.cdn.good(path, params):
            seen.status = 404
        elif sized and not state.switches.sized_proxy:
            seen.status = 415
        state.notify()
        if file is None or seen.status != 200:
            return web.Response(status=seen.status, text="This content is no longer available.")
        content, kind = file.content, file.content_type
        if sized and file.width is not None:
            content, kind = await asyncio.to_thread(resized, content, params)
        response = web.StreamResponse(headers={"Content-Type": kind})
        response.content_length = len(content)
        await response.prepare(request)
        if state.switches.cuts_left and state.switches.cut_after is not None:
            state.switches.cuts_left -= 1
            content = content[: state.switches.cut_after]
            await response.write(content)
            assert request.transport is not None
            request.transport.close()
        else:
            await response.write(content)
        seen.sent = len(content)
        state.notify()
        return response


def resized(content: bytes, params: dict[str, str]) -> tuple[bytes, str]:
    """An image in the size asked for: never larger, and never out of shape."""
    with Image.open(io.BytesIO(content)) as image:
        kind = image.format or "PNG"
        width = int(params.get("width") or 0) or round(
            image.width * int(params["height"]) / image.height
        )
        height = int(params.get("height") or 0) or round(image.height * width / image.width)
        small = image.convert("RGB")
        small.thumbnail((width, height))
        out = io.BytesIO()
        small.save(out, "JPEG" if kind not in ("PNG", "WEBP") else kind)
        return out.getvalue(), Image.MIME["JPEG" if kind not in ("PNG", "WEBP") else kind]
