"""The group's memory: one verb a method. Adapters call it and know nothing behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot import names
from bot.answers import Answer, Verdict
from bot.backlog import Kind
from bot.decoder import Decoder
from bot.finding import Finder, found
from bot.language import ENGLISH, count, say
from bot.language_choice import LanguageChoice
from bot.memories import Memories
from bot.metrics import SILENT, Asked, Meter, timed
from bot.model_state import ModelState
from bot.originals import fetch
from bot.pace import Pace
from bot.photos import Audience, PhotoRef, Post, Query, Remembered, StoredPhoto, Task
from bot.ports import ChatAdapter, Elections, Encoder, PhotoStore
from bot.stats import Stats, gather
from bot.stores import (
    BacklogStore,
    GroupStore,
    PeopleStore,
    ReplyStore,
    ScopeStore,
    StandInStore,
    TallyStore,
)

POSTS_AT_ONCE = 200
"""That are forgotten in one transaction, so that nobody waits long for it."""


class PhotoMemory:
    """Remembers what groups post and finds it again, for those who may see it."""

    def __init__(
        self,
        store: PhotoStore,
        model: ModelState,
        adapters: Mapping[str, ChatAdapter],
        decoder: Decoder,
        language: str = ENGLISH,
        questions_per_minute: int = 0,
        retention: timedelta | None = None,
        models_folder: Path | None = None,
        meter: Meter = SILENT,
    ) -> None:
        """`language`: what is spoken where nothing else is known. `questions_per_minute`: of one
        person; 0: as many as they like. `retention`: how old a post may become (None: as old as it
        likes). `models_folder`: where what is worked out once a model is kept, if anywhere."""
        self._store = store
        self._model = model
        self._adapters = adapters
        self._retention = retention
        self._meter = meter
        self._finder = Finder(store, model, adapters, decoder, models_folder)
        self._languages = LanguageChoice(store.groups, language)
        self._memories = Memories(store, model)
        self._pace = Pace(questions_per_minute)
        self._news = asyncio.Event()

    @property
    def model(self) -> ModelState:
        return self._model

    @property
    def meter(self) -> Meter:
        """Counts for whoever watches over the bot."""
        return self._meter

    @property
    def groups(self) -> GroupStore:
        """Groups as such: where the bot is, who was seen there, what is kept of them."""
        return self._store.groups

    @property
    def languages(self) -> LanguageChoice:
        """Which language each group is spoken to in."""
        return self._languages

    @property
    def memories(self) -> Memories:
        """Which groups see in the morning what they posted on that day of earlier years."""
        return self._memories

    @property
    def replies(self) -> ReplyStore:
        """What was said in direct replies to photos."""
        return self._store.replies

    @property
    def people(self) -> PeopleStore:
        """What single people can have forgotten, and refuse to have kept."""
        return self._store.people

    @property
    def scopes(self) -> ScopeStore:
        """What lies within groups, of which an audience sees a part."""
        return self._store.scopes

    @property
    def tallies(self) -> TallyStore:
        """What lies within groups, counted."""
        return self._store.tallies

    @property
    def backlog(self) -> BacklogStore:
        """What waits and what did not work; to try again, see `retry`."""
        return self._store.backlog

    @property
    def stand_ins(self) -> StandInStore:
        """Imported photos whose messages can't be told by their ids alone."""
        return self._store.stand_ins

    @property
    def elections(self) -> Elections:
        """Which of all processes of this memory does what only one may do."""
        return self._store.elections

    @property
    def retention(self) -> timedelta | None:
        """How old a post may become; None: as old as it likes."""
        return self._retention

    @property
    def names(self) -> names.Names:
        """What groups call what is in their photos."""
        return names.Names(self._store.names)

    @property
    def news(self) -> asyncio.Event:
        """Set at the next reason to look for work; ask for it before looking."""
        return self._news

    async def prepare(self, encoder: Encoder) -> None:
        """Work out beforehand what the first question to a model would have to wait for."""
        await self._finder.prepare(encoder)

    def wake(self) -> None:
        """Tell everyone who waits for work that there may be some."""
        self._news.set()
        self._news = asyncio.Event()

    async def remember(self, post: Post) -> Remembered:
        """Keep a post; its photos are found as soon as the indexer has seen them. Not what is too
        old, was forgotten, or was posted by somebody who refuses."""
        if self._retention is not None and post.posted_at < datetime.now(UTC) - self._retention:
            return Remembered((), ())
        remembered = await self._store.remember(post)
        if remembered.added:
            self.wake()
        return remembered

    async def knows(self, group: str, channel: str, message: str) -> bool:
        """Whether that post is remembered."""
        return await self._store.knows(group, channel, message)

    async def unfinished(self, photos: Collection[int]) -> dict[Task, int]:
        """How many of these photos still wait for each task."""
        return await self._store.unfinished(photos)

    async def revise(
        self,
        group: str,
        channel: str,
        message: str,
        caption: str,
        keep: Collection[str] | None = None,
    ) -> tuple[PhotoRef, ...]:
        """Follow an edit: another caption, and only the photos whose key is in `keep`."""
        return await self._store.revise(group, channel, message, caption, keep)

    async def forget(self, group: str, channel: str, message: str) -> tuple[PhotoRef, ...]:
        """Forget a post and all that was derived from it."""
        return await self._store.forget(group, channel, message)

    async def retry(self, photos: Collection[int]) -> int:
        """Try again now what did not work of these photos; of how many there was something."""
        return self._woken(await self._store.backlog.retry(photos))

    async def retry_all(self, kind: Kind) -> int:
        """Try all of a kind again now; how many photos that are."""
        return self._woken(await self._store.backlog.retry_all(kind))

    def _woken(self, photos: int) -> int:
        if photos:
            self.wake()
        return photos

    async def forget_person(self, group: str, person: str) -> int:
        """Forget all that somebody posted in a group; returns how many photos that were."""
        photos = 0
        while await self._store.people.photos_of(group, person):
            photos += await self._store.people.forget(group, person, POSTS_AT_ONCE)
        await self._store.people.forget(group, person, POSTS_AT_ONCE)
        return photos

    async def drop(self, photo: int) -> None:
        """Forget one photo; its post stays with the others."""
        await self._store.drop(photo)

    async def find(self, query: Query) -> Answer:
        """The best photos for these words, or like that photo, among those the audience may see."""
        if seconds := self._pace.wait(query.asker):
            return Answer((), _slower(seconds))
        with timed(self._meter, Asked.SIMILAR if query.like else Asked.FIND):
            return await self._finder.find(query)

    async def stats(self, group: str, audience: Audience, asker: str = "") -> Stats | None:
        """A group in numbers, of the photos that the audience may see; None where it isn't known.
        Whoever asks too fast gets no picture."""
        drawn = not self._pace.wait(asker)
        notice = self._model.notice
        today = datetime.now().astimezone().date()
        return await gather(self._store, group, audience, notice, today, drawn)

    async def which(
        self, words: str, ref: PhotoRef, photo: int | None = None, asker: str = ""
    ) -> Verdict:
        """Which of the options among these words a photo shows; `photo`: if it is remembered."""
        if seconds := self._pace.wait(asker):
            return Verdict(_slower(seconds))
        with timed(self._meter, Asked.WHICH):
            return await self._finder.which(words, ref, photo)

    async def page(self, token: int, query: Query, after: int) -> Answer:
        """What an earlier answer ranked behind `after`, for those who may see it now.

        Of the query only who asks where and for whom counts. Raises AnswerGone.
        """
        with timed(self._meter, Asked.MORE):
            asked, hits = await self._store.answers.page(
                token, query.place, query.asker, query.groups, query.audience, after
            )
        more = say("More for “{words}”:", words=asked) if asked else say("More like that photo:")
        sentence = more if hits else say("That was all.")
        shown, spare = tuple(hits[: query.top]), tuple(hits[query.top :])
        return Answer(shown, sentence, self._model.notice, token, spare)

    async def nearest(self, token: int, query: Query) -> Answer:
        """The first photo of an answer in which nothing fitted; the rest is behind *More*.
        Raises AnswerGone."""
        asked, hits = await self._store.answers.page(
            token, query.place, query.asker, query.groups, query.audience, 0
        )
        sentence = say("The nearest to “{words}”:", words=asked) if hits else say("That was all.")
        return Answer(tuple(hits[:1]), sentence, self._model.notice, token, tuple(hits[1:]))

    async def share(self, token: int, query: Query, ranks: range) -> Answer:
        """Hits that the asker was shown alone, for the query's place: those of these ranks that
        its audience may see, kept as an answer of its own. Raises AnswerGone."""
        asked, hits = await self._store.answers.page(
            token, None, query.asker, query.groups, query.audience, ranks.start - 1
        )
        shown = tuple(hit for hit in hits if hit.rank in ranks)
        if not shown:
            return Answer((), say("None of these photos may be shown to everybody here."))
        kept = await self._store.answers.keep(query.place, query.asker, asked, shown)
        if asked:
            return Answer(shown, found(len(shown), asked), token=kept)
        said = count(
            len(shown),
            "One photo like the one that was asked about:",
            "{count} photos like the one that was asked about:",
        )
        return Answer(shown, said, token=kept)

    async def asked(self, asker: str, beginning: str, most: int) -> list[str]:
        """What somebody has asked before that begins so, latest first."""
        return await self._store.answers.asked(asker, beginning, most)

    async def channels(self, group: str) -> frozenset[str]:
        """The channels of a group in which photos were posted that are remembered."""
        return await self._store.channels(group)

    async def forget_channel(self, group: str, channel: str) -> int:
        """Forget all posts of a channel that is no more; returns how many."""
        return await self._store.forget_channel(group, channel)

    async def posted(self, group: str, channel: str, message: str) -> list[StoredPhoto]:
        """The photos that are remembered of a message, in their order."""
        return await self._store.posted(group, channel, message)

    async def copies(self, group: str, ref: PhotoRef) -> list[StoredPhoto]:
        """Every post of this photo that a group remembers, oldest first."""
        return await self._store.copies(group, ref)

    async def fetch(self, photo: StoredPhoto) -> bytes:
        """The original's bytes, from whichever adapter posted it. Raises FetchFailed."""
        return await fetch(self._adapters, photo.ref)

    async def photo(self, photo: int) -> StoredPhoto | None:
        """One photo by its id, if it is still remembered."""
        found = await self._store.photos([photo])
        return found[0] if found else None

    async def photos(self, ids: Sequence[int]) -> list[StoredPhoto]:
        """The photos of these ids that are still remembered."""
        return await self._store.photos(ids)


def _slower(seconds: int) -> str:
    return count(
        seconds,
        "One moment, please: ask me again in {count} second.",
        "One moment, please: ask me again in {count} seconds.",
    )
