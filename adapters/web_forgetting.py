"""What people of the web chat have forgotten, and what becomes too old."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from adapters.files import LOCAL, local_group
from adapters.web_files import WebFiles
from bot.errors import ShoeboxError
from bot.language import photos, say, to_say
from bot.memory import PhotoMemory
from storage.chatlog import ChatLog, Message

SURE = to_say(
    "Forget everything that you posted and asked in {group}? Its {photos} and your words leave "
    "the chat and my memory for ever."
)
ALL_FORGOTTEN = to_say("Forgotten: {photos}, and all that you wrote here.")
FORGET_HOW = to_say(
    "/forget me: forgets all that you posted in this group. A single message: Delete, in its menu."
)
OPTED_OUT = to_say(
    "From now on I remember nothing that {name} posts, in any group: it is shown in the chat and "
    "can't be found. What was posted before stays; /forget me forgets it. /optin takes this back."
)
OPTED_IN = to_say("From now on I remember what {name} posts.")
FORGET_ME, SURELY = "/forget me", "/forget me yes"

ROUND_SECONDS = 3600.0
SCRUB_SECONDS = 5.0

_log = logging.getLogger(__name__)

Delete = Callable[[str, Sequence[Message]], Awaitable[None]]
"""Deletes messages of a group with their files and all that is remembered of them."""


class Forgetting:
    """Answers those commands with lines for who asked. Raises ShoeboxError."""

    def __init__(
        self,
        memory: PhotoMemory,
        log: ChatLog,
        files: WebFiles,
        delete: Delete,
        show: Callable[[Message], None],
    ) -> None:
        self._memory = memory
        self._log = log
        self._files = files
        self._delete = delete
        self._show = show

    async def forget(self, group: str, author: str, words: str) -> tuple[str, ...]:
        """`/forget me`: are you sure? `/forget me yes`: that is what its button says."""
        person = LOCAL + author
        command = f"/forget {words.casefold()}"
        if command == FORGET_ME:
            number = await self._memory.people.photos_of(local_group(group), person)
            return (say(SURE, group=group, photos=photos(number)),)
        if command != SURELY:
            return (say(FORGET_HOW),)
        number = await self._memory.people.photos_of(local_group(group), person)
        await self._delete(group, await self._log.by(group, author))
        await self._memory.forget_person(local_group(group), person)
        await self.drop_lost()
        return (say(ALL_FORGOTTEN, photos=photos(number)),)

    async def opt(self, author: str, out: bool) -> tuple[str, ...]:
        """`/optout`, `/optin`."""
        await self._memory.people.refuse(LOCAL + author, out)
        return (say(OPTED_OUT if out else OPTED_IN, name=author),)

    async def drop_lost(self) -> None:
        """Leave photos out of replies, and delete their previews, that are no longer remembered."""
        shown = await self._log.shown_photos() | await self._files.previewed()
        lost = shown - {photo.id for photo in await self._memory.photos(list(shown))}
        if not lost:
            return
        for answered in await self._log.drop_photos(lost):
            self._show(answered)
        await self._files.drop_previews(lost)

    async def drop_old(self) -> None:
        """Forget what is older than anything may become, and what imports lost that way."""
        if self._memory.retention is not None:
            before = datetime.now(UTC) - self._memory.retention
            while messages := await self._log.before(before):
                for group in {message.group for message in messages}:
                    await self._delete(group, [m for m in messages if m.group == group])
        await self.drop_lost()

    async def keep_house(self) -> None:
        """Until cancelled."""
        await asyncio.gather(
            _again(self.drop_old, ROUND_SECONDS), _again(self._log.scrub, SCRUB_SECONDS)
        )


def button_under(text: str) -> dict[str, dict[str, str]]:
    """What can be pressed under the answer to a command, for the page."""
    if " ".join(text.split()).casefold() != FORGET_ME:
        return {}
    return {"button": {"label": say("Forget it all"), "text": SURELY}}


async def _again(chore: Callable[[], Awaitable[object]], pause: float) -> None:
    while True:
        try:
            await chore()
        except ShoeboxError as error:
            _log.error("what is to be forgotten in the web chat waits: %s", error)
            await asyncio.sleep(ROUND_SECONDS)
        await asyncio.sleep(pause)
