"""What people call things, and which of some things a photo shows."""

from __future__ import annotations

from telegram import Message

from adapters.telegram import text
from adapters.telegram.answers import Answers
from adapters.telegram.groups import Groups
from adapters.telegram.members import Members
from adapters.telegram.places import ELSEWHERE, Place
from adapters.telegram.posts import author_of, photo_of
from bot.errors import NameRefused
from bot.language import say
from bot.memory import PhotoMemory
from bot.photos import EVERYONE, StoredPhoto


class Names:
    """Answers those commands. Raises TelegramError, ShoeboxError."""

    def __init__(
        self, memory: PhotoMemory, answers: Answers, members: Members, groups: Groups
    ) -> None:
        self._memory = memory
        self._answers = answers
        self._members = members
        self._groups = groups

    async def give(self, place: Place, message: Message, name: str) -> None:
        """`/name the goose`, as a reply to a photo."""
        if place.group is None:
            await self._answers.say(place, say(text.NAME_WHERE))
        elif not name or photo_of(message.reply_to_message) is None:
            await self._answers.say(place, say(text.NAME_HOW))
        elif (photo := await self._known(place, message.reply_to_message)) is None:
            await self._answers.say(place, say(text.NOT_KNOWN))
        else:
            try:
                said = await self._memory.names.give(photo, name, author_of(message)[0], EVERYONE)
            except NameRefused as refused:
                said = str(refused)
            await self._answers.say(place, text.plain(said, text.MOST_MESSAGE // 4))

    async def list(self, place: Place) -> None:
        """`/names`: of this group, or in private of all that we share."""
        if place.group is not None:
            groups, audience = [await self._groups.now(place.group)], EVERYONE
        else:
            groups = [group.id for group in await self._members.shared(place.chat)]
            audience = ELSEWHERE
        names = await self._memory.names.of(groups, audience) if groups else []
        await self._answers.say(place, text.names(names))

    async def take_back(self, place: Place, message: Message, name: str, is_admin: bool) -> None:
        """`/unname the goose`: for who gave it, and for admins."""
        if place.group is None:
            await self._answers.say(place, say(text.NAME_WHERE))
            return
        if not name:
            await self._answers.say(place, say(text.UNNAME_HOW))
            return
        group = await self._groups.now(place.group)
        giver = None if is_admin else author_of(message)[0]
        said = await self._memory.names.take_back(group, EVERYONE, name, giver)
        await self._answers.say(place, text.plain(said, text.MOST_MESSAGE // 4))

    async def which(self, place: Place, message: Message, options: str) -> None:
        """`/which cat, dog or cake`, as a reply to a photo or under one."""
        ref = photo_of(message) or photo_of(message.reply_to_message)
        if ref is None or not options:
            await self._answers.say(place, say(text.WHICH_HOW))
            return
        known = None
        if place.group is not None:
            known = await self._known(place, message.reply_to_message)
        await self._answers.busy(place)
        asker, _ = author_of(message)
        verdict = await self._memory.which(options, ref, None if known is None else known.id, asker)
        await self._answers.say(place, text.verdict(verdict))

    async def _known(self, place: Place, message: Message | None) -> StoredPhoto | None:
        """The photo of a message as it is remembered: from there, or from where it was posted."""
        ref = photo_of(message)
        if ref is None or message is None or place.group is None:
            return None
        group = await self._groups.now(place.group)
        known = await self._memory.copies(group, ref)
        if not known and (shown := await self._answers.media.behind(group, message)) is not None:
            return shown
        here = (str(message.chat.id), str(message.message_id))
        at = [photo for photo in known if (photo.post.channel, photo.post.message) == here]
        return next(iter(at or known), None)
