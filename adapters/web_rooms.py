"""What happens in the web chat, whatever it is shown with: posting, asking, deleting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import quote

from adapters.files import LOCAL, local_group
from adapters.web_files import UploadRefused, WebFiles
from adapters.web_forgetting import Forgetting
from adapters.web_names import CHANNEL, Names
from bot.answers import Hit
from bot.errors import ShoeboxError, StoreError
from bot.language import count, photos, say, speak, to_say
from bot.memory import PhotoMemory
from bot.photos import EVERYONE, Group, PhotoRef, Post, Query
from storage.chatlog import ChatLog, Find, Message, Reply, together

MAX_TEXT = 4000
MAX_NAME = 40
MAX_PHOTOS = 50
CATCH_UP = 60
"""Seconds until photos that the memory could not take are offered to it again."""
HELP = (
    to_say("/find birthday cake: shows the photos of this group that fit"),
    to_say('/find cake -people from:ann after:2024-05 "exact text" last summer: filters narrow it'),
    to_say(
        "/name the goose: from then on /find the goose finds what looks like what is in the photo "
        "that you reply to (⋯ beside it), or in the last one; the better the more photos you name"
    ),
    to_say("/names: what you call things here; /unname the goose: takes a name away"),
    to_say("/which cat, dog or cake: what I take the photo for that you reply to, or the last one"),
    to_say("/language: in which language I speak here"),
    to_say("/stats: says how many photos are remembered here"),
    to_say("/forget me: I forget all that you posted here; /optout: I remember nothing you post"),
    to_say("/help: shows this"),
    to_say("Post photos by dropping or pasting them here, or with the + button."),
)

_log = logging.getLogger(__name__)


class Window(Protocol):
    """One person's open page of one group."""

    @property
    def group(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def here(self) -> bool:
        """Whether its person looks at it now."""

    def show(self, message: Message) -> None:
        """Show a new message, or one that changed."""

    def remove(self, message: int) -> None: ...

    def reload(self) -> None:
        """Show everything anew."""

    def present(self, names: Sequence[str]) -> None:
        """Show who is here."""


class Rooms:
    """All groups of the web chat, and the windows that look at them."""

    def __init__(self, memory: PhotoMemory, log: ChatLog, files: WebFiles) -> None:
        self._memory = memory
        self._log = log
        self._files = files
        self._names = Names(memory, log)
        self._forgetting = Forgetting(memory, log, files, self._delete, self._show)
        self._windows: set[Window] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._handing = asyncio.Lock()

    async def start(self) -> None:
        """Finish what a crash may have left half done."""
        for message in await self._log.deleted():
            await self._erase(message)
        for message in await self._log.unanswered():
            spoken = await self._memory.languages.of(local_group(message.group))
            sorry = spoken.say("I was restarted before I could answer. Please ask again.")
            await self._log.answer(message.id, Reply(sorry))
        self._spawn(self._catch_up())
        self._spawn(self._forgetting.keep_house())

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def enter(self, window: Window) -> None:
        self._windows.add(window)
        self.tell_presence(window.group)

    def leave(self, window: Window) -> None:
        self._windows.discard(window)
        self.tell_presence(window.group)

    def tell_presence(self, group: str) -> None:
        """Tell a group's windows who is here."""
        here = [window for window in self._in(group) if window.here]
        names = sorted({window.name for window in here}, key=str.casefold)
        for window in here:
            window.present(names)

    async def groups(self) -> list[str]:
        """Names of the groups there are, the most recently used first."""
        known = [
            status.group.removeprefix(LOCAL)
            for status in await self._memory.groups.status()
            if status.group.startswith(LOCAL)
        ]
        return list(dict.fromkeys((*await self._log.groups(), *known)))

    async def post(
        self,
        group: str,
        author: str,
        text: str,
        uploads: Sequence[str],
        answers: int | None = None,
    ) -> tuple[str, ...]:
        """Take what somebody sent, maybe in reply to a message; returns lines for their eyes only.

        Raises ShoeboxError with what to tell them.
        """
        group, author, text = _whole(group), _whole(author), _whole(text).strip()
        speak(await self._memory.languages.of(local_group(group)))
        if not author or len(author) > MAX_NAME or not author.isprintable():
            raise UploadRefused(say("Enter with a name first."))
        if len(text) > MAX_TEXT:
            raise UploadRefused(
                say(
                    "That is too long: {length} of {most} characters.",
                    length=len(text),
                    most=MAX_TEXT,
                )
            )
        if len(uploads) > MAX_PHOTOS:
            raise UploadRefused(say("At most {most} photos go into one message.", most=MAX_PHOTOS))
        if uploads:
            await self._post_photos(group, author, text, uploads)
            return ()
        if text.startswith("/"):
            return await self._command(group, author, text, answers)
        if text:
            await self._post_words(group, author, text, answers)
        return ()

    async def delete(self, group: str, author: str, message_id: int) -> None:
        """Delete one's own message, its photos, and all that is remembered of them."""
        speak(await self._memory.languages.of(local_group(group)))
        message = await self._log.get(message_id)
        if message is None or message.group != group:
            return
        if message.author != author:
            raise UploadRefused(say("Only your own messages can be deleted."))
        await self._delete(group, [message])

    async def _delete(self, group: str, messages: Sequence[Message]) -> None:
        async with self._handing:
            changed = await self._log.delete(*(message.id for message in messages))
        for window in self._in(group):
            for message in messages:
                window.remove(message.id)
        for answered in changed:
            self._show(answered)
        for message in messages:
            await self._erase(message)

    async def _post_words(self, group: str, author: str, text: str, answers: int | None) -> None:
        answered = None if answers is None else await self._log.get(answers)
        if answered is None or answered.group != group:
            answers = None
        async with self._handing:
            message = await self._log.add(group, author, text, answers=answers)
            if answers is not None:
                about, number, who = str(answers), str(message.id), LOCAL + author
                try:
                    await self._memory.replies.hear(
                        local_group(group), CHANNEL, about, number, who, text
                    )
                except StoreError as error:
                    _log.error("what is said about a photo can't be kept: %s", error)
        self._show(message)

    async def _post_photos(
        self, group: str, author: str, text: str, uploads: Sequence[str]
    ) -> None:
        # In this order, so that a crash in between loses nothing that was shown as posted: the
        # file, then the message, then the memory, which `_catch_up` tells again after a restart.
        attachments = await self._files.keep(uploads)
        try:
            message = await self._log.add(group, author, text, attachments)
        except StoreError:
            await self._files.remove(attachments)
            raise
        self._show(message)
        try:
            await self._hand_over(message)
        except ShoeboxError as error:
            _log.error("photos of message %d can't be remembered yet: %s", message.id, error)

    async def _hand_over(self, message: Message) -> None:
        async with self._handing:
            if await self._log.get(message.id) is None:
                return
            await self._memory.remember(
                Post(
                    group=local_group(message.group),
                    channel=CHANNEL,
                    message=str(message.id),
                    author=LOCAL + message.author,
                    author_name=message.author,
                    posted_at=message.posted_at,
                    caption=message.text,
                    group_name=message.group,
                    link=link(message.group, message.id),
                    photos=tuple(
                        PhotoRef("file", str(number), attachment.locator, attachment.name)
                        for number, attachment in enumerate(message.attachments)
                    ),
                )
            )
            await self._log.mark_remembered(message.id)

    async def _erase(self, message: Message) -> None:
        async with self._handing:
            group = local_group(message.group)
            await self._memory.forget(group, CHANNEL, str(message.id))
            await self._memory.replies.unsay(group, CHANNEL, [str(message.id)])
            await self._files.remove(message.attachments)
            await self._log.purge(message.id)

    async def _catch_up(self) -> None:
        while True:
            try:
                for message in await self._log.unremembered():
                    await self._hand_over(message)
            except ShoeboxError as error:
                _log.error("photos wait to be remembered: %s", error)
            except Exception:
                _log.exception("photos wait to be remembered")
            await asyncio.sleep(CATCH_UP)

    async def _command(
        self, group: str, author: str, text: str, answers: int | None
    ) -> tuple[str, ...]:
        command, _, words = text.partition(" ")
        words = words.strip()
        match command.casefold():
            case "/find" if words:
                message = await self._log.add(group, author, text, question=words)
                self._show(message)
                self._spawn(self._answer(message, words))
                return ()
            case "/find":
                return (say("Say what to look for, e.g. /find birthday cake"),)
            case "/name":
                return await self._names.give(group, author, words, answers)
            case "/names":
                return await self._names.list(group)
            case "/unname":
                return await self._names.take_back(group, author, words)
            case "/which":
                return await self._names.which(group, author, words, answers)
            case "/forget":
                return await self._forgetting.forget(group, author, words)
            case "/optout" | "/optin":
                return await self._forgetting.opt(author, command.casefold() == "/optout")
            case "/help":
                return tuple(map(say, HELP))
            case "/language":
                return (await self._language(group, words),)
            case "/stats":
                return (await self._stats(group),)
        unknown = command[:40]
        return (
            say("There is no command {command}. /help lists those there are.", command=unknown),
        )

    async def _answer(self, message: Message, words: str) -> None:
        try:
            answer = await self._memory.find(_query(message, words))
            # What holds for the page as a whole stands above it already.
            notice = None if self._memory.model.notice else answer.notice
            notes = " ".join(filter(None, (answer.hint, notice))) or None
            nearest = answer.token if answer.rest and not answer.hits else None
            reply = Reply(answer.sentence, notes, tuple(map(_find, answer.hits[:3])), nearest)
        except Exception:
            _log.exception("a question could not be answered")
            reply = Reply(say("Something went wrong while I looked. Please try again in a moment."))
        await self._reply(message, reply)

    async def nearest(self, group: str, message_id: int) -> None:
        """Somebody wants to see what is nearest to a question that nothing fitted: its reply then
        shows it to all. Raises AnswerGone, StoreError."""
        speak(await self._memory.languages.of(local_group(group)))
        message = await self._log.get(message_id)
        if message is None or message.group != group or message.question is None:
            return
        if message.reply is None or message.reply.nearest is None:
            return
        answer = await self._memory.nearest(message.reply.nearest, _query(message, ""))
        finds = tuple(map(_find, answer.hits))
        await self._reply(message, Reply(answer.sentence, message.reply.notice, finds))

    async def _reply(self, message: Message, reply: Reply) -> None:
        async with self._handing:  # nothing that is deleted meanwhile may come back in a reply
            finds = [await self._left_of(find) for find in reply.finds]
            there = tuple(find for find in finds if find is not None)
            answered = await self._log.answer(message.id, replace(reply, finds=there))
        if answered is not None:
            self._show(answered)

    async def _left_of(self, find: Find) -> Find | None:
        return together([f for f in (find, *find.copies) if await self._still_there(f)])

    async def _still_there(self, find: Find) -> bool:
        return find.jump is None or await self._log.get(find.jump) is not None

    async def _stats(self, group: str) -> str:
        for status in await self._memory.groups.status(local_group(group)):
            parts = [
                say("{photos} remembered in {group}", photos=photos(status.photos), group=group)
            ]
            if waiting := status.waiting:
                parts.append(
                    count(
                        waiting,
                        "{count} of them still being looked at",
                        "{count} of them still being looked at",
                    )
                )
            if refused := len(status.refused):
                parts.append(count(refused, "{count} file no picture", "{count} files no picture"))
            return say("{sentence}.", sentence=say(", ").join(parts))
        return say("No photos are remembered in {group} yet.", group=group)

    async def _language(self, group: str, words: str) -> str:
        """Who is trusted to be here may choose for all."""
        await self._memory.groups.meet(Group(local_group(group), group))
        said = await self._memory.languages.choose(local_group(group), words)
        if words:
            for window in self._in(group):
                window.reload()
        return said

    def _show(self, message: Message) -> None:
        for window in self._in(message.group):
            window.show(message)

    def _in(self, group: str) -> list[Window]:
        return [window for window in self._windows if window.group == group]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _query(message: Message, words: str) -> Query:
    group = local_group(message.group)
    return Query((group,), words, EVERYONE, place=group, asker=LOCAL + message.author)


def link(group: str, message: int) -> str:
    """Where a message can be seen, relative to the chat's address."""
    return f"/g/{quote(group, safe='')}#m{message}"


def _find(hit: Hit) -> Find:
    post = hit.photo.post
    posted_here = post.channel == CHANNEL and hit.photo.ref.locator.startswith("web/photos/")
    return Find(
        photo=hit.photo.id,
        author=post.author_name,
        posted_at=post.posted_at,
        caption=post.caption,
        why=hit.reasons,
        name=hit.photo.ref.name,
        jump=int(post.message) if posted_here and post.message.isdigit() else None,
        copies=tuple(map(_find, hit.copies)),
    )


def _whole(text: str) -> str:
    """Without half characters, which JavaScript allows and no file can hold."""
    return text.encode("utf-8", "replace").decode()
