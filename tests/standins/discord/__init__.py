"""A loopback Discord: people and places for a test to play, REST and gateway for a real client.

simcord, a package for tests, knows Discord's rules; here they are put behind HTTP
and a WebSocket, with links that expire, connections that break, and time that passes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simcord.backend.models import Channel, Guild, Message, Role, User, Webhook
from simcord.enums import ChannelType

from tests.standins.discord.faults import Fault
from tests.standins.discord.people import People
from tests.standins.discord.places import Places
from tests.standins.discord.posts import Posts
from tests.standins.discord.reply import Button, Picture, Reply, Seen
from tests.standins.discord.server import Server
from tests.standins.discord.state import Download, Request, Switches

__all__ = [
    "Button",
    "Channel",
    "ChannelType",
    "DiscordStandin",
    "Download",
    "Fault",
    "Guild",
    "Message",
    "Picture",
    "Reply",
    "Request",
    "Role",
    "Seen",
    "Switches",
    "User",
    "Webhook",
]


class DiscordStandin(Places, Posts, People):
    """Discord, for one bot."""

    def __init__(self) -> None:
        super().__init__()
        self._server = Server(self)

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[str]:
        """Serve; what to set DISCORD_API_URL to is given back. It may be stopped and served
        again, at the same port, with all that it knows."""
        async with self._server.serving(port) as url:
            try:
                yield url
            finally:
                self.stop_timers()

    @property
    def online(self) -> int:
        """How many shards are connected and have said who they are."""
        return sum(connection.session is not None for connection in self._server.connections)

    def cut(self) -> None:
        """All connections to the gateway break; the sessions live on."""
        for connection in list(self._server.connections):
            connection.cut()

    def invalidate(self) -> None:
        """No session that there is now can be resumed."""
        for session in self.sessions.values():
            session.resumable = False

    def reconnect(self) -> None:
        """All clients are asked to come again."""
        self._server.reconnect()

    def close(self, code: int = 1000) -> None:
        """All connections to the gateway are closed with a code."""
        for connection in self._server.connections:
            connection.close(code)
