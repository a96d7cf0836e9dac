"""All that this Discord knows and can be told, shared by its doors."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from discord import Intents
from simcord.backend import Backend
from simcord.backend.models import Channel, Guild, Message

from tests.standins.discord.cdn import Cdn
from tests.standins.discord.clock import RunningClock
from tests.standins.discord.dress import Dress
from tests.standins.discord.faults import Fault, Faults

if TYPE_CHECKING:
    from tests.standins.discord.session import Session

MESSAGE_CONTENT, MEMBERS, PRESENCES = 1 << 19, 1 << 15, 1 << 13
"""An application's flags for intents that were switched on for a small bot."""


@dataclass
class Request:
    """One REST request that arrived."""

    method: str
    path: str
    params: dict[str, str]
    json: Any
    status: int | None = None
    """What it was answered with; None while it is not."""


@dataclass
class Download:
    """One file that was asked for."""

    path: str
    """As it was asked for, with /cdn or /proxy."""
    params: dict[str, str]
    status: int
    sent: int = 0


@dataclass
class Away:
    """A guild that the bot is not in (any more), with what is in it."""

    guild: Guild
    channels: dict[int, Channel]
    messages: dict[int, dict[int, Message]]


@dataclass
class Switches:
    """What a test may turn while the stand-in runs."""

    heartbeat_interval: int = 41250
    """Milliseconds between heartbeats, as told in HELLO."""
    acks: bool = True
    """Answer heartbeats."""
    shards: int = 1
    """How many shards /gateway/bot recommends."""
    approved: Intents = field(default_factory=Intents.all)
    """The privileged intents that are on in the developer portal."""
    sized_proxy: bool = True
    """The proxy honours width and height; off, it refuses requests that have them."""
    cut_after: int | None = None
    """End the connection after so many bytes of a file ..."""
    cuts_left: int = 0
    """... this often."""


class State:
    """The backend, and what lies around it."""

    def __init__(self) -> None:
        clock = RunningClock()
        self.backend = Backend(clock=clock)
        self.cdn = self.backend.cdn = Cdn(clock)
        who = base64.b64encode(str(self.backend.bot_user.id).encode()).decode().rstrip("=")
        self.token = f"{who}.GLoop1.a-secret-of-the-stand-in-for-tests"
        self.switches = Switches()
        self.faults = Faults()
        self.requests: list[Request] = []
        self.downloads: list[Download] = []
        self.gaps: list[str] = []
        """What was asked of the stand-in that it does not know: a test fails on any."""
        self.sessions: dict[str, Session] = {}
        self.acknowledged: dict[int, int] = {}
        """Interactions that were answered, and the type of the callback."""
        self.away: dict[int, Away] = {}
        self.outages: set[int] = set()
        """Guilds that are unavailable."""
        self.nsfw: set[int] = set()
        self.dress = Dress(self.backend, self.cdn, self.nsfw)
        self._changed: asyncio.Event | None = None

    @property
    def flags(self) -> int:
        """The application's flags."""
        approved = self.switches.approved
        return (
            MESSAGE_CONTENT * approved.message_content
            | MEMBERS * approved.members
            | PRESENCES * approved.presences
        )

    @property
    def bot(self) -> int:
        """The id of the bot's user."""
        return self.backend.bot_user.id

    def fail(self, path: str = "*", method: str = "*", **how: Any) -> Fault:
        """Let requests fail; see Fault."""
        fault = Fault(path, method, **how)
        self.faults.waiting.append(fault)
        return fault

    def asked(self, path: str = "*", method: str = "*") -> list[Request]:
        """The requests so far that match."""
        pattern = Fault(path, method)
        return [seen for seen in self.requests if pattern.matches(seen.method, seen.path)]

    def expire_links(self) -> None:
        """Every link that was given out so far is dead; messages asked for again have new ones."""
        self.cdn.generation += 1

    def later(self, seconds: float) -> None:
        """Let time pass: links and interactions expire."""
        self.backend.advance_clock(seconds)

    def notify(self) -> None:
        """Something happened: whoever waits looks again."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def until(self, holds: Callable[[], Any], timeout: float = 10.0) -> None:
        """Wait for something that the client brings about."""
        try:
            async with asyncio.timeout(timeout):
                while not holds():
                    if self._changed is None:
                        self._changed = asyncio.Event()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"nothing of the kind within {timeout} s") from None
