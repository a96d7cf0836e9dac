"""What is in an export: which chats, how many photos, which of them can be read."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.exports.discord import DiscordChannel
from adapters.exports.entries import ChatReader, Entry, Found, Left
from adapters.exports.files import PLATFORM as EXPORT
from adapters.exports.package import DEEPEST, UNREADABLE, Package, Unreadable
from adapters.exports.stream import Damaged, kind_of, read_chats
from adapters.exports.telegram import TelegramChat
from bot.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Source:
    """One JSON file of an export."""

    name: str
    kind: str
    """`telegram` or `discord`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be imported of an export, and how it is to be understood."""

    local: str | None = None
    """The group of this machine that all goes into; None: each chat into its own."""
    chats: tuple[str, ...] = ()
    """Names or ids of the chats that are meant; none: all."""
    us: str = ""
    """Our bot in Telegram, as a person: its answers are no memories."""


@dataclass(slots=True)
class ChatPlan:
    """What is to be imported of one chat, or (with no group) why nothing is."""

    reader: ChatReader
    is_chosen: bool
    photos: int = 0
    posts: set[str] = field(default_factory=set)
    """Messages with photos."""

    @property
    def counts(self) -> bool:
        return self.is_chosen and self.reader.group is not None


Step = tuple[ChatPlan | None, Found | None]
"""Something found, or None for a message that holds nothing, and the chat that it is in."""


@dataclass(slots=True)
class Plan:
    """An export that was read through once."""

    chats: list[ChatPlan] = field(default_factory=list)
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    """Names in the package, by platform and key, of photos that can be had elsewhere too."""
    left: list[Left] = field(default_factory=list)
    posts: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Messages with photos, by group and channel."""

    @property
    def photos(self) -> int:
        return sum(chat.photos for chat in self.chats)

    def note(self, step: Step) -> None:
        """Take in what was read. Raises SettingsError."""
        chat, found = step
        if chat is not None and (not self.chats or self.chats[-1] is not chat):
            self.chats.append(chat)
            if chat.is_chosen and not chat.counts:
                self.left.append(Left(chat.reader.title, chat.reader.why_not))
        if isinstance(found, Left):
            self.left.append(found)
        elif isinstance(found, Entry) and chat is not None:
            chat.photos += len(found.files)
            post = found.post
            self.posts.setdefault((post.group, post.channel), set()).add(post.message)
            for ref, name in zip(post.photos, found.files, strict=True):
                if ref.platform != EXPORT:
                    self.files.setdefault(ref.platform, {})[ref.key] = name

    def check(self, choice: Choice, sources: Sequence[Source]) -> None:
        """Raises SettingsError where what was chosen isn't there, or isn't enough to go by."""
        titles = ", ".join(dict.fromkeys(repr(chat.reader.title) for chat in self.chats))
        chosen = [chat for chat in self.chats if chat.is_chosen]
        if choice.chats and not chosen:
            raise SettingsError(f"the export has no such chat; it has {titles or 'none'}")
        accounts = {source.name for source in sources if source.kind == "telegram"}
        if choice.local is not None and accounts and len(chosen) > 1:
            raise SettingsError(
                f"the export has {len(chosen)} chats: say with --chat which one goes into the "
                f"group ({titles})"
            )


def sources_of(package: Package) -> list[Source]:
    """The JSON files that an exporter wrote: those at the top, or where there are none, in the
    folders below it."""
    for depth in range(DEEPEST + 1):
        found: list[Source] = []
        for name in package.jsons(depth):
            try:
                with package.open(name) as file:
                    kind = kind_of(file)
            except (*UNREADABLE, Unreadable):
                continue
            if kind is not None:
                found.append(Source(name, kind))
        if found:
            return found
    return []


def steps(package: Package, sources: Sequence[Source], choice: Choice) -> Generator[Step]:
    """All that is in an export, message by message. Blocks: run it in a thread."""
    for source in sources:
        chat: ChatPlan | None = None
        number, messages = -1, 0
        try:
            with package.open(source.name) as file:
                for read, message in read_chats(file):
                    if chat is None or read.number != number:
                        chat, number = _chat(package, source, read.facts, choice), read.number
                    messages += message is not None
                    if not chat.counts:
                        yield chat, None
                        continue
                    reader = chat.reader
                    yield chat, None
                    for found in reader.rest() if message is None else reader.read(message):
                        yield chat, found
        except Damaged as error:
            if chat is not None and chat.counts:
                for found in chat.reader.rest():
                    yield chat, found
            yield chat, Left(source.name, f"{error}; of it {messages} messages were read")
        except (*UNREADABLE, Unreadable) as error:
            yield chat, Left(source.name, f"it can't be read ({error})")


def _chat(package: Package, source: Source, facts: Mapping[str, Any], choice: Choice) -> ChatPlan:
    reader: ChatReader
    if source.kind == "discord":
        reader = DiscordChannel(facts, package, source.name, choice.local)
    else:
        reader = TelegramChat(facts, package, source.name, choice.local, choice.us)
    wanted = {_folded(name) for name in choice.chats}
    names = {_folded(name) for name in (reader.title, *reader.names)}
    return ChatPlan(reader, not wanted or bool(wanted & names))


def _folded(name: str) -> str:
    return name.strip().lstrip("#").casefold()
