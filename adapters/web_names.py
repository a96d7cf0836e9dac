"""What people of the web chat call things, and which of some things a photo shows."""

from __future__ import annotations

from adapters.files import LOCAL, local_group
from bot.errors import NameRefused
from bot.language import count, say, to_say
from bot.memory import PhotoMemory
from bot.photos import EVERYONE, StoredPhoto
from storage.chatlog import ChatLog

CHANNEL = "main"
NAME_HOW = to_say("Say what to call what is in the photo, e.g. /name the goose")
WHICH_HOW = to_say("Say what it could be, e.g. /which cat, dog or cake")
UNNAME_HOW = to_say("Say which name to take away, e.g. /unname the goose")
NO_PHOTO = to_say("There is no photo to speak of. Choose Reply in the menu of one, or post one.")
NO_NAMES = to_say("There are no names yet. Reply to a photo with /name the goose")


class Names:
    """Answers those commands with lines for who asked. Raises ShoeboxError."""

    def __init__(self, memory: PhotoMemory, log: ChatLog) -> None:
        self._memory = memory
        self._log = log

    async def give(
        self, group: str, author: str, name: str, answered: int | None
    ) -> tuple[str, ...]:
        if not name:
            return (say(NAME_HOW),)
        photo = await self._photo(group, answered)
        if photo is None:
            return (say(NO_PHOTO),)
        try:
            return (await self._memory.names.give(photo, name, LOCAL + author, EVERYONE),)
        except NameRefused as refused:
            return (str(refused),)

    async def list(self, group: str) -> tuple[str, ...]:
        names = await self._memory.names.of([local_group(group)], EVERYONE)
        lines = (f"{each.name} ({_photos(each.examples)})" for each in names)
        return tuple(lines) or (say(NO_NAMES),)

    async def take_back(self, group: str, author: str, name: str) -> tuple[str, ...]:
        if not name:
            return (say(UNNAME_HOW),)
        return (
            await self._memory.names.take_back(local_group(group), EVERYONE, name, LOCAL + author),
        )

    async def which(
        self, group: str, author: str, options: str, answered: int | None
    ) -> tuple[str, ...]:
        if not options:
            return (say(WHICH_HOW),)
        photo = await self._photo(group, answered)
        if photo is None:
            return (say(NO_PHOTO),)
        verdict = await self._memory.which(options, photo.ref, photo.id, LOCAL + author)
        bars = (f"{each.bar()} {each.percent} {each.option}" for each in verdict.shares)
        return (verdict.sentence, *bars, *([verdict.notice] if verdict.notice else []))

    async def _photo(self, group: str, answered: int | None) -> StoredPhoto | None:
        """The first photo of the message that is replied to, or of its answer; else the last
        one that was posted."""
        if answered is None:
            latest = await self._log.latest_with_files(group)
            answered = None if latest is None else latest.id
        message = None if answered is None else await self._log.get(answered)
        if message is None or message.group != group:
            return None
        photos = await self._memory.posted(local_group(group), CHANNEL, str(message.id))
        if message.reply is not None:
            photos = await self._memory.photos([find.photo for find in message.reply.finds])
        return next((photo for photo in photos if photo.refused is None), None)


def _photos(number: int) -> str:
    return count(number, "one photo", "{count} photos")
