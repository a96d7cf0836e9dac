"""Routes that simcord lacks, or answers as HTTP clients can't use; all others go to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import simcord.http.routes  # noqa: F401  (registers the routes)
from simcord.backend import errors, serializers
from simcord.backend.access import channel_accessible
from simcord.backend.errors import BackendError
from simcord.http.router import dispatch

from tests.standins.discord import rules
from tests.standins.discord.presence import dismiss
from tests.standins.discord.state import State

EVERYTHING = "1000000000"


@dataclass(frozen=True)
class Call:
    """A request on its way to a route."""

    state: State
    method: str
    path: str
    json: Any
    params: dict[str, str]
    files: list[Any]
    reason: str | None

    def simcord(self, **params: str) -> Any:
        """simcord's answer."""
        return dispatch(
            self.state.backend,
            self.method,
            self.path,
            json=self.json,
            params=self.params | params,
            files=self.files,
            reason=self.reason,
            message_content_access=self.state.switches.approved.message_content,
        )

    def limit(self, default: int, most: int, least: int = 1) -> int:
        """The parameter `limit`, if it is one that Discord takes."""
        text = self.params.get("limit", str(default))
        if not text.isdecimal() or not least <= int(text) <= most:
            raise errors.invalid_form_body(f"limit: must be between {least} and {most}")
        return int(text)


def answer(call: Call) -> Any:
    """What a request is answered: None for no content."""
    _refuse_what_is_out_of_reach(call)
    rules.check(call.method, call.path, call.json)
    for method, pattern, handler in _ROUTES:
        if method == call.method and (match := re.fullmatch(pattern, call.path)):
            return handler(call, *match.groups())
    return call.simcord()


def _refuse_what_is_out_of_reach(call: Call) -> None:
    """Guilds that the bot is not in, that are out, and other applications."""
    state = call.state
    match = re.match(r"/(guilds|channels|applications)/(\d+)", call.path)
    if match is None:
        return
    kind, id_ = match[1], int(match[2])
    if kind == "applications":
        if id_ != state.backend.application_id:
            raise errors.missing_access()
        return
    if kind == "guilds":
        guild: int | None = id_
    else:
        channel = state.backend.channels.get(id_)
        guild = channel.guild_id if channel else None
    if guild in state.away or any(id_ in away.channels for away in state.away.values()):
        raise errors.missing_access()
    if guild in state.outages:
        raise BackendError(503, 0, "Service Unavailable")


def _gateway(call: Call) -> Any:
    return {"url": call.state.cdn.base.replace("http", "ws", 1) + "/gateway"}


def _gateway_bot(call: Call) -> Any:
    limit = {"total": 1000, "remaining": 999, "reset_after": 14400000, "max_concurrency": 1}
    shards = call.state.switches.shards
    return _gateway(call) | {"shards": shards, "session_start_limit": limit}


def _application(call: Call) -> Any:
    asked = replace(call, path="/oauth2/applications/@me")
    return asked.simcord() | {"flags": call.state.flags}


def _history(call: Call, channel: str) -> Any:
    """`after` means the next ones after it, which simcord takes for the last ones of all."""
    limit = call.limit(50, 100)
    if "around" in call.params:
        return call.simcord()
    found = call.simcord(limit=EVERYTHING)
    return found[-limit:] if "after" in call.params else found[:limit]


def _archived(call: Call, channel: str, joined: str | None, kind: str) -> Any:
    """Page by page, latest first; simcord gives them all at once."""
    limit = call.limit(50, 100, least=2)
    found = call.simcord()
    before = call.params.get("before")

    def order(thread: Any) -> Any:
        if joined:
            return int(thread["id"])
        return datetime.fromisoformat(thread["thread_metadata"]["archive_timestamp"])

    threads = sorted(found["threads"], key=order, reverse=True)
    if before is not None:
        first: Any = int(before) if joined else datetime.fromisoformat(before)
        threads = [thread for thread in threads if order(thread) < first]
    shown = {thread["id"] for thread in threads[:limit]}
    members = [member for member in found["members"] if member["id"] in shown]
    return {"threads": threads[:limit], "members": members, "has_more": len(threads) > limit}


def _active(call: Call, guild: str) -> Any:
    """Only those that the bot may see."""
    found = call.simcord()
    backend = call.state.backend
    for name in ("threads", "members"):
        found[name] = [
            item
            for item in found[name]
            if channel_accessible(backend, int(item["id"]), call.state.bot)
        ]
    return found


def _needs_members(call: Call, *_: str) -> Any:
    """Lists of people are for applications with the members intent."""
    if not call.state.switches.approved.members:
        raise errors.missing_access()
    return call.simcord()


def _search_members(call: Call, guild: str) -> Any:
    backend = call.state.backend
    limit = call.limit(1, 1000)
    query = call.params.get("query", "").casefold()
    known = backend.get_guild(int(guild))
    found = [
        serializers.member_payload(backend, known, member)
        for member in known.members.values()
        if backend.users[member.user_id].name.casefold().startswith(query)
        or (member.nick or "").casefold().startswith(query)
    ]
    return found[:limit]


def _callback(call: Call, interaction: str, token: str) -> Any:
    result = call.simcord()
    call.state.acknowledged[int(interaction)] = int(call.json["type"])
    if call.params.get("with_response", "").lower() in ("1", "true"):
        return result
    return None


def _leave(call: Call, guild: str) -> None:
    dismiss(call.state, call.state.backend.get_guild(int(guild)))


_ARCHIVED = r"/channels/(\d+)/(users/@me/)?threads/archived/(public|private)"

_ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/gateway", _gateway),
    ("GET", "/gateway/bot", _gateway_bot),
    ("GET", "/oauth2/applications/@me", _application),
    ("GET", "/applications/@me", _application),
    ("GET", r"/channels/(\d+)/messages", _history),
    ("GET", _ARCHIVED, _archived),
    ("GET", r"/guilds/(\d+)/threads/active", _active),
    ("GET", r"/guilds/(\d+)/members", _needs_members),
    ("GET", r"/guilds/(\d+)/members/search", _search_members),
    ("GET", r"/channels/(\d+)/thread-members", _needs_members),
    ("POST", r"/interactions/(\d+)/([^/]+)/callback", _callback),
    ("DELETE", r"/users/@me/guilds/(\d+)", _leave),
]
