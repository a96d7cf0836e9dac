"""A session of the gateway: what one shard is told, kept so that it can be told again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from discord import Intents, Permissions
from simcord.backend import serializers
from simcord.backend.access import channel_accessible
from simcord.enums import ChannelType
from simcord.gateway import FakeGateway, FakeWebSocket

from tests.standins.discord.presence import available
from tests.standins.discord.state import State

ABOUT_MESSAGES = ("MESSAGE_", "TYPING_START", "CHANNEL_PINS_UPDATE")
Frame = dict[str, Any]


class Parsers(dict[str, Callable[[Any], None]]):
    """Where simcord's gateway expects a client's parsers: each sends its event on."""

    def __init__(self, send: Callable[[str, Any], None]) -> None:
        self._send = send

    def __missing__(self, event: str) -> Callable[[Any], None]:
        return partial(self._send, event)

    def get(self, event: str, default: Any = None) -> Any:
        return self[event]


class Listener:
    """What simcord's gateway needs to know of a client."""

    def __init__(self, intents: Intents, send: Callable[[str, Any], None]) -> None:
        self.intents = intents
        self.parsers = Parsers(send)


class Session:
    """Events for one shard, numbered. It goes on while its connection is gone."""

    def __init__(self, state: State, intents: Intents, shard: int, shards: int) -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.shard = shard
        self.shards = shards
        self.seq = 0
        self.resumable = True
        self.pipe: Callable[[Frame], None] | None = None
        """Where frames go now; None while nobody is connected."""
        self._state = state
        self._log: list[Frame] = []
        self._gate = FakeGateway(state.backend, Listener(intents, self._send))
        self._members = FakeWebSocket(state.backend, self._gate, shard_id=shard)

    def start(self) -> None:
        """READY, then every guild of this shard that is there."""
        backend = self._state.backend
        mine = [guild for guild in backend.guilds.values() if self._is_mine(guild.id)]
        self._send(
            "READY",
            {
                "v": 10,
                "user": dict(serializers.user_payload(backend.bot_user)),
                "guilds": [{"id": str(guild.id), "unavailable": True} for guild in mine],
                "session_id": self.id,
                "session_type": "normal",
                "resume_gateway_url": self._state.cdn.base.replace("http", "ws", 1) + "/gateway",
                "shard": [self.shard, self.shards],
                "application": {
                    "id": str(backend.application_id),
                    "flags": self._state.flags,
                },
            },
        )
        for guild in mine:
            if guild.id not in self._state.outages:
                self._feed("GUILD_CREATE", available(self._state, guild))

    def resume(self, seq: int) -> None:
        """Say again what came after `seq`."""
        assert self.pipe is not None
        for frame in self._log:
            if frame["s"] > seq:
                self.pipe(frame)
        self._send("RESUMED", {}, log=False)

    def offer(self, event: str, payload: Mapping[str, Any]) -> None:
        """Something happened: tell the client, if it is to know."""
        if not self._concerns(event, payload) or not self._may_know(event, payload):
            return
        if event == "GUILD_MEMBER_UPDATE" and payload["user"]["id"] == str(self._state.bot):
            self._send(event, payload)  # of itself a bot always hears, whatever its intents
        else:
            self._feed(event, payload)

    async def request_members(self, asked: Mapping[str, Any]) -> None:
        """Opcode 8: the members of a guild, in chunks."""
        query, everybody = asked.get("query"), not asked.get("user_ids")
        if everybody and not query and not self.intents.members:
            self._state.gaps.append("asked for all members without the intent")
            return
        wanted = asked.get("user_ids") or []
        guild = asked["guild_id"]
        await self._members.request_chunks(
            int(guild[0] if isinstance(guild, list) else guild),
            query,
            limit=int(asked.get("limit") or 0),
            user_ids=[int(user) for user in (wanted if isinstance(wanted, list) else [wanted])],
            presences=bool(asked.get("presences")),
            nonce=asked.get("nonce"),
        )

    def _feed(self, event: str, payload: Mapping[str, Any]) -> None:
        """Through simcord's gate: intents, and content without the intent for it."""
        if event == "GUILD_CREATE":
            threads = [
                thread
                for thread in payload["threads"]
                if not thread["thread_metadata"]["archived"] and self._sees(int(thread["id"]))
            ]
            payload = {**payload, "threads": threads}
        self._gate.feed(event, payload)

    def _send(self, event: str, payload: Any, *, log: bool = True) -> None:
        self.seq += 1
        frame = {"op": 0, "t": event, "s": self.seq, "d": self._state.dress.out(payload)}
        if log:
            self._log.append(frame)
        if self.pipe is not None:
            self.pipe(frame)

    def _is_mine(self, guild: int) -> bool:
        return (guild >> 22) % self.shards == self.shard

    def _concerns(self, event: str, payload: Mapping[str, Any]) -> bool:
        """Is it this shard's, from a guild that is there?"""
        guild = payload.get("id") if event.startswith("GUILD_") else None
        guild = payload.get("guild_id", guild)
        if guild is None:
            return self.shard == 0
        return self._is_mine(int(guild)) and int(guild) not in self._state.outages

    def _may_know(self, event: str, payload: Mapping[str, Any]) -> bool:
        """The gateway keeps to itself what happens where the bot may not look."""
        if event == "THREAD_MEMBERS_UPDATE":
            changed = [*payload.get("removed_member_ids", ())]
            changed += [member["user_id"] for member in payload.get("added_members", ())]
            if str(self._state.bot) in changed:
                return True
            return self.intents.members and self._sees(int(payload["id"]))
        if event == "THREAD_DELETE":
            private = payload["type"] == ChannelType.PRIVATE_THREAD
            mine = "member" in payload or self._may(int(payload["parent_id"]), "manage_threads")
            return self._sees(int(payload["parent_id"])) and (mine or not private)
        if event.startswith("THREAD_") and "thread_metadata" in payload:
            return self._sees(int(payload["id"]))
        if event.startswith(ABOUT_MESSAGES) and "channel_id" in payload:
            return self._sees(int(payload["channel_id"]))
        return True

    def _sees(self, channel: int) -> bool:
        return channel_accessible(self._state.backend, channel, self._state.bot)

    def _may(self, channel: int, permission: str) -> bool:
        backend = self._state.backend
        known = backend.channels.get(channel)
        if known is None or known.guild_id is None:
            return False
        held = backend.compute_permissions(known.guild_id, self._state.bot, channel)
        return bool(held & getattr(Permissions, permission).flag)
