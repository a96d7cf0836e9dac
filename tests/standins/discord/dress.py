"""The last step before anything leaves: links get signatures, and fields that simcord lacks."""

from __future__ import annotations

from typing import Any

from simcord.backend import Backend, serializers

from tests.standins.discord.cdn import INSIDE, Cdn

LINKS = ("url", "icon_url")


class Dress:
    """Turns payloads of the backend into copies that may leave, and links back when they return."""

    def __init__(self, backend: Backend, cdn: Cdn, nsfw: set[int]) -> None:
        self._backend = backend
        self._cdn = cdn
        self._nsfw = nsfw

    def out(self, payload: Any) -> Any:
        """A payload as the client gets it."""
        if isinstance(payload, list | tuple):
            return [self.out(item) for item in payload]
        if not isinstance(payload, dict):
            return payload
        dressed = {name: self.out(value) for name, value in payload.items()}
        if dressed.get("embeds") and payload.get("attachments"):
            dressed["embeds"] = self._uploads(dressed["embeds"], dressed["attachments"])
        for name in LINKS:
            inside = payload.get(name)
            if isinstance(inside, str) and inside.startswith(INSIDE):
                self._sign(dressed, name, inside)
        if "permission_overwrites" in payload:
            dressed["nsfw"] = int(payload["id"]) in self._nsfw
        if "thread_metadata" in payload:
            self._membership(dressed)
        return dressed

    def back(self, value: Any) -> Any:
        """What a client sent, its links to files turned into addresses again.

        Only links that are good at this moment: what the bot kept too long stays dead.
        """
        if isinstance(value, list):
            return [self.back(item) for item in value]
        if isinstance(value, dict):
            return {
                name: (self._cdn.inside(item) or item)
                if name in LINKS and isinstance(item, str)
                else self.back(item)
                for name, item in value.items()
            }
        return value

    def _sign(self, dressed: dict[str, Any], name: str, inside: str) -> None:
        dressed[name] = self._cdn.link(inside)
        if name == "url":
            dressed["proxy_url"] = self._cdn.link(inside, "proxy")
            file = self._cdn.files.get(inside.removeprefix(INSIDE.removesuffix("/attachments/")))
            if file is not None:
                dressed |= {key: value for key, value in file.facts.items() if key not in dressed}

    def _membership(self, thread: dict[str, Any]) -> None:
        """Threads that the bot is a member of say so."""
        known = self._backend.channels.get(int(thread["id"]))
        bot = self._backend.bot_user.id
        if known is not None and bot in known.thread_members:
            thread["member"] = serializers.thread_member_payload(known, bot)

    @staticmethod
    def _uploads(embeds: list[Any], attachments: list[Any]) -> list[Any]:
        """Embeds that name a file of their own message show it."""
        links = {f"attachment://{file['filename']}": file for file in attachments}

        def resolved(part: Any) -> Any:
            if isinstance(part, dict) and part.get("url") in links:
                file = links[part["url"]]
                return part | {key: file[key] for key in ("url", "proxy_url")}
            return part

        return [{name: resolved(part) for name, part in embed.items()} for embed in embeds]
