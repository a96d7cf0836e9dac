"""What somebody sees after a command or a press: answers, as Discord's app shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from simcord.backend import serializers
from simcord.backend.models import EPHEMERAL_FLAG, Interaction, Message
from simcord.components import COMPONENTS_V2_FLAG, walk_components

from tests.standins.discord.state import State

PATIENCE = 3.0
"""Seconds in which Discord wants to hear something."""
DEFER, DEFER_UPDATE = 5, 6
BUTTON, TEXT, THUMBNAIL, GALLERY = 2, 10, 11, 12
SPOILER = 1 << 3


@dataclass(frozen=True)
class Button:
    """A button under a message."""

    label: str | None
    custom_id: str | None
    url: str | None
    disabled: bool


@dataclass(frozen=True)
class Picture:
    """A picture in a message."""

    url: str
    spoiler: bool = False
    description: str | None = None


@dataclass(frozen=True)
class Seen:
    """A message as it is shown at this moment."""

    message: Message
    payload: dict[str, Any]

    @property
    def id(self) -> int:
        """The message's id."""
        return self.message.id

    @property
    def content(self) -> str:
        """The plain text."""
        return str(self.payload["content"])

    @property
    def components(self) -> list[dict[str, Any]]:
        """Everything in it that is laid out, nested parts too."""
        return list(walk_components(self.payload["components"]))

    @property
    def embeds(self) -> list[dict[str, Any]]:
        """The embeds."""
        return list(self.payload["embeds"])

    @property
    def ephemeral(self) -> bool:
        """Only the one who asked sees it."""
        return bool(self.message.flags & EPHEMERAL_FLAG)

    @property
    def v2(self) -> bool:
        """It is laid out with components, which have their own texts."""
        return bool(self.message.flags & COMPONENTS_V2_FLAG)

    @property
    def text(self) -> str:
        """All that can be read in it but on buttons."""
        parts: list[str | None] = [self.content]
        for embed in self.embeds:
            parts += [
                embed.get("title"),
                embed.get("description"),
                (embed.get("author") or {}).get("name"),
                (embed.get("footer") or {}).get("text"),
            ]
            for field in embed.get("fields") or []:
                parts += [field["name"], field["value"]]
        parts += [part["content"] for part in self.components if part["type"] == TEXT]
        return "\n".join(part for part in parts if part)

    @property
    def buttons(self) -> list[Button]:
        """The buttons, in order."""
        return [
            Button(
                part.get("label"),
                part.get("custom_id"),
                part.get("url"),
                bool(part.get("disabled")),
            )
            for part in self.components
            if part["type"] == BUTTON
        ]

    @property
    def pictures(self) -> list[Picture]:
        """The pictures: in galleries and thumbnails, in embeds, then what is attached."""
        found = []
        for part in self.components:
            if part["type"] == GALLERY:
                found += [_picture(item) for item in part["items"]]
            elif part["type"] == THUMBNAIL:
                found.append(_picture(part))
        for embed in self.embeds:
            found += [
                Picture(embed[name]["url"]) for name in ("image", "thumbnail") if name in embed
            ]
        shown = {picture.url.partition("?")[0] for picture in found}
        for file in self.payload["attachments"]:
            if file["url"].partition("?")[0] not in shown:
                spoiler = bool(file["flags"] & SPOILER)
                found.append(Picture(file["url"], spoiler, file.get("description")))
        return found


def _picture(item: dict[str, Any]) -> Picture:
    return Picture(item["media"]["url"], bool(item.get("spoiler")), item.get("description"))


def seen(state: State, message: Message) -> Seen:
    """A message, dressed for the eye."""
    return Seen(message, state.dress.out(serializers.message_payload(state.backend, message)))


class Reply:
    """How a command, a press or a half-typed option is answered."""

    def __init__(self, state: State, interaction: Interaction) -> None:
        self._state = state
        self.interaction = interaction

    @cached_property
    def _record(self) -> Interaction:
        return self._state.backend.interactions[self.interaction.id]

    async def acknowledged(self, within: float = PATIENCE) -> Reply:
        """Wait until the bot has said that it is at work; fails when Discord gives up."""
        await self._state.until(lambda: self._record.responded, within)
        return self

    @property
    def deferred(self) -> bool:
        """The bot first asked for time."""
        return self._state.acknowledged.get(self._record.id) in (DEFER, DEFER_UPDATE)

    @property
    def ephemeral(self) -> bool:
        """The first answer is for the asker alone."""
        return self._record.ephemeral

    async def shown(
        self, where: Callable[[Seen], bool] | None = None, timeout: float = 10.0
    ) -> Seen:
        """The answer, once it is no longer "is thinking…" (and is as `where` says). After a press
        that changes its message this is that message."""
        await self.acknowledged()
        found: list[Seen] = []

        def there() -> bool:
            message = self._message(self._record.message_id)
            if message is None or self._record.loading:
                return False
            found[:] = [seen(self._state, message)]
            return where is None or where(found[0])

        await self._state.until(there, timeout)
        return found[0]

    async def followups(self, count: int = 1, timeout: float = 10.0) -> list[Seen]:
        """Further messages, as soon as there are so many."""
        await self._state.until(lambda: len(self._record.followup_ids) >= count, timeout)
        messages = [self._message(id_) for id_ in self._record.followup_ids]
        return [seen(self._state, message) for message in messages if message is not None]

    async def choices(self) -> list[dict[str, Any]]:
        """What is offered for a half-typed option."""
        await self.acknowledged()
        return list(self._record.autocomplete_choices or [])

    async def modal(self) -> dict[str, Any]:
        """The form that opens."""
        await self.acknowledged()
        assert self._record.modal is not None, "no form was opened"
        return self._record.modal

    def _message(self, id_: int | None) -> Message | None:
        if id_ is None:
            return None
        return self._state.backend.messages.get(self._record.channel_id, {}).get(id_)
