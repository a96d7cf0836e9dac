"""What people ask of the bot by commands, in groups and in private."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from telegram import (
    Chat,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    MessageEntity,
)

from adapters.telegram import text
from adapters.telegram.answers import Answers
from adapters.telegram.command_names import KNOWN
from adapters.telegram.groups import Groups
from adapters.telegram.ids import person_id
from adapters.telegram.members import Members
from adapters.telegram.memories import kept
from adapters.telegram.names import Names
from adapters.telegram.places import ELSEWHERE, Place
from adapters.telegram.posts import author_of, photo_of
from adapters.wording import FORGET_ME, OPTED_IN, OPTED_OUT, ageing
from bot.language import photos, say, speak
from bot.memory import PhotoMemory
from bot.photos import EVERYONE, PhotoRef, Query

SHOWN = 3
STALE = timedelta(minutes=15)
"""Questions older than this, asked while the bot was away, are no longer answered."""
DEEP_LINK = "group"


@dataclass(frozen=True, slots=True)
class Command:
    """`/name words`, as somebody wrote it."""

    name: str
    words: str


def command_in(message: Message, username: str) -> Command | None:
    """The command that a message or a photo's caption starts with, if it is one of ours.

    `/find@other_bot` is somebody else's (https://core.telegram.org/bots/features#commands).
    """
    said = message.text or message.caption or ""
    entities = message.entities or message.caption_entities
    if not entities or entities[0].type != MessageEntity.BOT_COMMAND or entities[0].offset:
        return None
    written = said[1 : entities[0].length]  # commands are ASCII: UTF-16 units are characters
    name, _, bot = written.partition("@")
    if name.lower() not in KNOWN or (bot and bot.lower() != username.lower()):
        return None
    return Command(name.lower(), " ".join(said[entities[0].length :].split()))


class Commands:
    """Answers commands; every method may take as long as Telegram and the encoder need."""

    def __init__(
        self,
        memory: PhotoMemory,
        answers: Answers,
        members: Members,
        groups: Groups,
        username: str,
    ) -> None:
        self._memory = memory
        self._answers = answers
        self._members = members
        self._groups = groups
        self._username = username
        self._names = Names(memory, answers, members, groups)

    async def answer(self, message: Message, command: Command) -> None:
        """Raises TelegramError, ShoeboxError."""
        if datetime.now(UTC) - message.date > STALE:
            return
        place = Place.of(message)
        speak(await self._groups.language(place, message.from_user))
        match command.name:
            case "find" | "similar":
                await self._find(place, message, command)
            case "forget":
                await self._forget(place, message, command.words)
            case "name":
                await self._names.give(place, message, command.words)
            case "names":
                await self._names.list(place)
            case "unname":
                admin = place.group is not None and await self.is_admin(message)
                await self._names.take_back(place, message, command.words, admin)
            case "which":
                await self._names.which(place, message, command.words)
            case "language":
                await self._language(place, message, command.words)
            case "memories":
                await self._memories(place, message, command.words)
            case "optout" | "optin":
                await self._opt(place, message, command.name == "optout")
            case "stats":
                await self._stats(place, message)
            case "start" if place.private and command.words.startswith(DEEP_LINK):
                await self._come_from_group(place, message, command.words)
            case _:
                await self._help(place)

    async def _find(self, place: Place, message: Message, command: Command) -> None:
        like = photo_of(message) or photo_of(message.reply_to_message)
        words = command.words
        if like is None and (command.name == "similar" or not words):
            how = text.SIMILAR_HOW if command.name == "similar" else text.FIND_HOW
            await self._answers.say(place, say(how))
            return
        await self._answers.busy(place)
        query = await self.query(place, author_of(message)[0], words, like)
        if not query.groups:
            await self._answers.say(place, say(text.NO_GROUPS))
            return
        answer = await self._memory.find(query)
        if place.group is not None and await self._groups.now(place.group) not in query.groups:
            query = await self.query(place, query.asker, words, like)  # it moved meanwhile
            answer = await self._memory.find(query)
        await self._answers.show(place, answer)

    async def query(
        self, place: Place, asker: str, words: str = "", like: PhotoRef | None = None
    ) -> Query:
        """A question asked here, to the groups whose photos may be shown here now."""
        if place.group is not None:
            group = await self._groups.now(place.group)
            return Query((group,), words, EVERYONE, SHOWN, like, group, asker)
        shared = await self._members.shared(place.chat)
        groups = tuple(group.id for group in shared)
        titles = tuple((group.name, group.id) for group in shared)
        return Query(groups, words, ELSEWHERE, SHOWN, like, None, asker, titles=titles)

    async def _forget(self, place: Place, message: Message, words: str) -> None:
        if place.group is None:
            await self._answers.say(place, say(text.FORGET_WHERE))
        elif words.lower() == "everything":
            await self._ask_to_forget_everything(place, message)
        elif words.lower() == "me":
            await self._ask_to_forget_me(place, message)
        elif (ref := photo_of(target := message.reply_to_message)) is None or target is None:
            said = target is not None and await self._forget_said(place.group, message, target)
            await self._answers.say(place, say("Forgotten.") if said else say(text.FORGET_HOW))
        else:
            group = await self._groups.now(place.group)
            known = await self._memory.copies(group, ref)
            if not known and (shown := await self._answers.media.behind(group, target)) is not None:
                known = [shown]
            here = (str(target.chat.id), str(target.message_id))
            posts = [p.post for p in known if (p.post.channel, p.post.message) == here]
            posts = posts or [photo.post for photo in known]
            if not await self.is_admin(message):
                mine = [post for post in posts if post.author == author_of(message)[0]]
                if posts and not mine:
                    await self._answers.say(place, say(text.NOT_YOURS))
                    return
                posts = mine
            for post in posts:
                await self._memory.forget(post.group, post.channel, post.message)
            await self._answers.say(place, say("Forgotten.") if posts else say(text.NOT_KNOWN))

    async def _forget_said(self, group: str, message: Message, target: Message) -> bool:
        """Forget what somebody said about a photo, for themselves and for admins; whether there
        was something to forget."""
        if author_of(target)[0] != author_of(message)[0] and not await self.is_admin(message):
            return False
        where = (await self._groups.now(group), str(target.chat.id), [str(target.message_id)])
        return await self._memory.replies.unsay(*where) > 0

    async def _ask_to_forget_everything(self, place: Place, message: Message) -> None:
        if not await self.is_admin(message):
            await self._answers.say(place, say(text.ADMINS_ONLY))
            return
        assert place.group is not None
        status = await self._memory.groups.status(place.group)
        sure = say(text.SURE, photos=photos(sum(group.photos for group in status)))
        yes = InlineKeyboardButton(say("Forget everything"), callback_data="e:yes")
        no = InlineKeyboardButton(say("Keep"), callback_data="e:no")
        await self._answers.say(place, sure, InlineKeyboardMarkup([[yes, no]]))

    async def _ask_to_forget_me(self, place: Place, message: Message) -> None:
        if message.sender_chat is not None or message.from_user is None:
            await self._answers.say(place, say(text.WHO_ARE_YOU))
            return
        assert place.group is not None
        group, user = await self._groups.now(place.group), message.from_user.id
        number = await self._memory.people.photos_of(group, person_id(user))
        yes = InlineKeyboardButton(say("Forget it all"), callback_data=f"f:{user}:yes")
        no = InlineKeyboardButton(say("Keep"), callback_data=f"f:{user}:no")
        sure = say(FORGET_ME, photos=photos(number))
        await self._answers.say(place, sure, InlineKeyboardMarkup([[yes, no]]))

    async def _opt(self, place: Place, message: Message, out: bool) -> None:
        """`/optout`, `/optin`: of a person, in all groups."""
        if message.sender_chat is not None or message.from_user is None:
            await self._answers.say(place, say(text.WHO_ARE_YOU))
            return
        await self._memory.people.refuse(person_id(message.from_user.id), out)
        said = say(OPTED_OUT, forget_me="/forget me") if out else say(OPTED_IN)
        await self._answers.say(place, said)

    async def _language(self, place: Place, message: Message, words: str) -> None:
        """`/language zh`: in which language an admin wants to be spoken to here."""
        if place.group is None:
            await self._answers.say(place, say(text.LANGUAGE_WHERE))
        elif words and not await self.is_admin(message):
            await self._answers.say(place, say(text.ADMINS_ONLY))
        else:
            group = await self._groups.now(place.group)
            said = await self._memory.languages.choose(group, words)
            await self._answers.say(place, text.plain(said, text.MOST_MESSAGE // 4))

    async def _memories(self, place: Place, message: Message, words: str) -> None:
        """`/memories on Europe/Berlin`: what was posted on a day years ago, shown in the morning
        in the topic where an admin says so."""
        if place.group is None:
            await self._answers.say(place, say(text.MEMORIES_WHERE))
        elif words and not await self.is_admin(message):
            await self._answers.say(place, say(text.ADMINS_ONLY))
        else:
            group = await self._groups.now(place.group)
            said = await self._memory.memories.choose(group, kept(place), words)
            await self._answers.say(place, text.plain(said, text.MOST_MESSAGE // 4))

    async def is_admin(self, message: Message) -> bool:
        """Whether an admin wrote this: by name, or anonymously in the group's own name."""
        if message.sender_chat is not None:
            return message.sender_chat.id == message.chat.id
        user = message.from_user
        return user is not None and await self._members.is_admin(message.chat.id, user.id)

    async def _stats(self, place: Place, message: Message) -> None:
        if place.group is not None:
            here = await self._groups.now(place.group)
            found = await self._memory.stats(here, EVERYONE, author_of(message)[0])
            picture = None if found is None else found.picture
            await self._answers.picture(place, picture, text.stats(found))
            return
        lines: list[str] = []
        for group in await self._members.shared(place.chat):
            for status_ in await self._memory.groups.status(group.id):
                name = text.plain(group.name, text.NAME)
                lines.append(f"<b>{name}</b>: {photos(status_.photos)}")
        await self._answers.say(place, "\n".join(lines[:50]) or say(text.NO_GROUPS))

    async def _help(self, place: Place) -> None:
        if place.private:
            await self._answers.say(place, say(text.PRIVATE_HELP))
            return
        told = f"{say(text.GROUP_HELP)}\n{ageing(self._memory.retention)}".rstrip()
        payload = f"{DEEP_LINK}{place.chat}"
        link = f"https://t.me/{self._username}?start={payload}"
        button = InlineKeyboardMarkup([[InlineKeyboardButton(say("Search in private"), url=link)]])
        await self._answers.say(place, told, button)

    async def _come_from_group(self, place: Place, message: Message, words: str) -> None:
        """Somebody pressed the button under a group's /help, and says so from which group."""
        number = words.removeprefix(DEEP_LINK)
        if number.removeprefix("-").isdecimal() and message.from_user is not None:
            chat, user = int(number), message.from_user.id
            if await self._members.is_in(chat, user):
                await self._members.see(chat, user)
        await self._answers.say(place, say(text.PRIVATE_HELP))


def implied(message: Message) -> Command | None:
    """In private, words are a question, and so is a photo; unknown commands need help."""
    if message.chat.type != Chat.PRIVATE:
        return None
    if message.text and message.text.startswith("/"):
        return Command("help", "")
    if message.text:
        return Command("find", " ".join(message.text.split()))
    if photo_of(message) is not None:
        return Command("similar", " ".join((message.caption or "").split()))
    return None
