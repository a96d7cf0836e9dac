"""Importing an export: every chat into its own group, or all into one of this machine."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from adapters.discord.places import PREFIX as DISCORD
from adapters.exports.entries import Entry, Said
from adapters.exports.files import PLATFORM as EXPORT
from adapters.exports.package import Package
from adapters.exports.survey import Choice, Plan, Source, Step, steps
from adapters.importing import ImportSummary, Progress, Watch
from adapters.telegram.ids import PREFIX as TELEGRAM
from adapters.telegram.ids import chat_id, is_exported
from bot.language import photos
from bot.memory import PhotoMemory
from bot.photos import PhotoRef, Post, StoredPhoto, Task

AT_ONCE = 200
"""Messages that are read between two looks at what else is to be done."""
MOST_LATE = 50_000
"""Replies that are kept in memory until their photos are remembered."""
EXPECTED = timedelta(days=30)
"""How long the photos of a group wait for the bot to come into it; then, and after the grace
period, they go as those of a group do that it has left."""


@dataclass(slots=True)
class _Done:
    """What came of it so far."""

    where: dict[int, str] = field(default_factory=dict)
    """What people know each photo by."""
    new: set[int] = field(default_factory=set)
    left_out: int = 0
    replies: int = 0
    late: list[Said] = field(default_factory=list)
    """Replies that stand before their photo, as in exports that begin with the newest."""


class ExportImport:
    """Remembers what an export holds and waits until all of it can be found. Can be stopped at
    any moment and run again: what is known stays as it is, what is missing is added."""

    def __init__(
        self,
        memory: PhotoMemory,
        package: Package,
        sources: list[Source],
        choice: Choice,
    ) -> None:
        self._memory = memory
        self._package = package
        self._sources = sources
        self._choice = choice
        self._plan = Plan()
        self._refuses: dict[str, bool] = {}
        self._titles: dict[str, str] = {}
        self._seen: set[tuple[str, str]] = set()

    @property
    def files(self) -> Mapping[str, Mapping[str, str]]:
        """Where in the package each photo is, by platform and key; once it was surveyed."""
        return self._plan.files

    async def survey(self) -> None:
        """Read it through once. Raises SettingsError."""
        async with aclosing(self._steps()) as read:
            async for batch in read:
                for step in batch:
                    self._plan.note(step)
        self._plan.check(self._choice, self._sources)

    async def look(self, progress: Progress) -> ImportSummary:
        """What `run` would do, as far as can be told without doing it; nothing is kept."""
        summary, total, seen = self._summary(), self._plan.photos, 0
        summary.dry = True
        progress(0, total)
        async with aclosing(self._steps()) as read:
            async for batch in read:
                for _, found in batch:
                    if isinstance(found, Entry):
                        known = await self._known(found)
                        fresh = [ref for ref in found.post.photos if _of(ref, known) is None]
                        summary.added += len(fresh)
                        summary.known += len(found.files) - len(fresh)
                        seen += len(found.files)
                    elif isinstance(found, Said) and self._is_about_a_photo(found):
                        summary.replies += 1
                progress(seen, total)
        return summary

    async def run(
        self, awaited: Callable[[], tuple[Task, ...]], progress: Progress
    ) -> ImportSummary:
        """Do it. Raises StoreError."""
        present = {
            group.id: group.name
            for prefix in (DISCORD, TELEGRAM)
            for group in await self._memory.groups.present(prefix)
        }
        self._titles = present
        watch = Watch(self._memory, awaited, progress, self._plan.photos)
        done, seen = _Done(), 0
        async with aclosing(self._steps()) as read:
            async for batch in read:
                for _, found in batch:
                    if isinstance(found, Entry):
                        await self._keep(found, done)
                        seen += len(found.files)
                await self._hear([found for _, found in batch if isinstance(found, Said)], done)
                await watch.saw(seen, done.where)
        for said in done.late:
            done.replies += await self._hear_now(said)
        strangers = await self._expect(present)
        await watch.until_found(done.where)
        return await self._closing(done, strangers)

    async def _keep(self, found: Entry, done: _Done) -> None:
        known = await self._known(found)
        post = found.post
        if known:  # what a live post says of itself was told by the platform
            spoiler = post.spoiler or any(photo.post.spoiler for photo in known)
            protected = any(photo.post.protected for photo in known)
            post = replace(post, spoiler=spoiler, protected=protected)
        post = replace(post, group_name=post.group_name if self._is_new(post.group) else "")
        elsewhere = bool(known) and known[0].post.channel != post.channel
        if elsewhere or all(_is_settled(ref, _of(ref, known)) for ref in post.photos):
            ids = [stored.id for ref in post.photos if (stored := _of(ref, known)) is not None]
        else:
            remembered = await self._memory.remember(post)
            done.new.update(remembered.added)
            ids = [*remembered.added, *remembered.known]
            done.left_out += len(post.photos) - len(ids)
            if remembered.added:
                await self._see(post)
        for photo, name in zip(ids, found.files, strict=False):
            done.where.setdefault(photo, name)

    async def _see(self, post: Post) -> None:
        """Who posted in a Telegram group may ask for its photos in private: whether they are still
        in it is asked then."""
        if not post.author.startswith(TELEGRAM) or not post.group.startswith(TELEGRAM):
            return
        if chat_id(post.author) > 0 and (post.group, post.author) not in self._seen:
            await self._memory.groups.see(post.group, post.author)
            self._seen.add((post.group, post.author))

    async def _hear(self, batch: list[Said], done: _Done) -> None:
        """Keep those that are about photos; what was kept before is not written again."""
        about = [said for said in batch if self._is_about_a_photo(said)]
        places: dict[tuple[str, str], list[Said]] = {}
        for said in about:
            places.setdefault((said.group, said.channel), []).append(said)
        for where, here in places.items():
            known = await self._memory.replies.heard(*where, [said.message for said in here])
            for said in here:
                heard = said.message in known or await self._hear_now(said)
                done.replies += heard
                if not heard and not self._refuses[said.author] and len(done.late) < MOST_LATE:
                    done.late.append(said)

    async def _hear_now(self, said: Said) -> bool:
        """Whether there is a photo that it is about, and may be kept by who said it."""
        if said.author not in self._refuses:
            self._refuses[said.author] = await self._memory.people.refuses(said.author)
        text = "" if self._refuses[said.author] else said.text
        about = (said.group, said.channel, said.about)
        return await self._memory.replies.hear(*about, said.message, said.author, text) > 0

    async def _expect(self, present: Mapping[str, str]) -> list[str]:
        """Groups that the bot isn't in are kept for a while, as if it had left them later on: so
        it greets them when it comes, and what nobody invites it to doesn't stay for ever."""
        chats = (chat.reader for chat in self._plan.chats if chat.photos)
        groups = {chat.group: chat.group_name for chat in chats if chat.group not in present}
        strangers = []
        for group, name in groups.items():
            if group is not None and self._choice.local is None:
                await self._memory.groups.leave(group, datetime.now(UTC) + EXPECTED)
                strangers.append(
                    f"the bot is not in {name} ({group}) yet: invite it within "
                    f"{EXPECTED.days} days, or its photos are forgotten again"
                )
        return strangers

    async def _closing(self, done: _Done, strangers: list[str]) -> ImportSummary:
        stored = await self._memory.photos(list(done.where))
        refused = [(done.where[p.id], p.refused) for p in stored if p.refused is not None]
        added = len(done.new) - sum(p.id in done.new for p in stored if p.refused is not None)
        summary = self._summary()
        summary.added = added
        summary.left_out = done.left_out
        summary.known = self._plan.photos - added - len(refused) - done.left_out
        summary.refused += refused
        summary.waiting = await self._memory.unfinished(list(done.where))
        summary.replies = done.replies
        summary.places += strangers
        return summary

    def _summary(self) -> ImportSummary:
        summary = ImportSummary(refused=[(left.where, left.reason) for left in self._plan.left])
        for chat in self._plan.chats:
            if chat.counts:
                where = f"{chat.reader.title} ({chat.reader.group})"
                summary.places.append(f"{where}: {photos(chat.photos)}")
        return summary

    async def _known(self, found: Entry) -> list[StoredPhoto]:
        post = found.post
        known = await self._memory.posted(post.group, post.channel, post.message)
        if known or not is_exported(post.channel):
            return known
        alike = await self._memory.stand_ins.posted_at(post.group, post.author, post.posted_at)
        here = self._plan.posts.get((post.group, post.channel), set())
        return [p for p in alike if p.post.channel != post.channel or p.post.message not in here]

    def _is_new(self, group: str) -> bool:
        """Whether nobody knows its name better than the export, which may be old."""
        return not self._titles.get(group)

    def _is_about_a_photo(self, said: Said) -> bool:
        return said.about in self._plan.posts.get((said.group, said.channel), ())

    async def _steps(self) -> AsyncGenerator[list[Step]]:
        """All that is read, a batch at a time, in a thread."""
        reading = steps(self._package, self._sources, self._choice)

        def batch() -> list[Step]:
            return list(itertools.islice(reading, AT_ONCE))

        try:
            while True:
                reads = asyncio.create_task(asyncio.to_thread(batch))
                try:
                    read = await asyncio.shield(reads)
                except asyncio.CancelledError:
                    await asyncio.wait([reads])  # a generator that runs can't be closed
                    raise
                if not read:
                    break
                yield read
        finally:
            reading.close()


def _of(ref: PhotoRef, known: list[StoredPhoto]) -> StoredPhoto | None:
    """The remembered photo that this one is."""
    same = [photo for photo in known if photo.ref.key == ref.key]
    return next(iter(same or (known if ref.is_stand_in else ())), None)


def _is_settled(ref: PhotoRef, known: StoredPhoto | None) -> bool:
    """Whether there is nothing to say of a photo that isn't known."""
    if known is None or known.refused is not None:
        return False
    return known.ref.platform != EXPORT or known.ref == ref
