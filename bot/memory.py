"""The group's memory: one verb a method. Adapters call it and know nothing behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot import duplicates, names, ranking, understanding, words, zeroshot
from bot.background import Backgrounds
from bot.decoder import Decoder
from bot.language import ENGLISH, count, say
from bot.language_choice import LanguageChoice
from bot.narrowing import narrow
from bot.photos import (
    ALL,
    Answer,
    FetchFailed,
    Hit,
    Meant,
    NotAPhoto,
    PhotoRef,
    Post,
    Query,
    Remembered,
    Signal,
    StoredPhoto,
    Task,
    Vector,
    Verdict,
)
from bot.ports import ChatAdapter, Encoder, GroupStore, PhotoStore, ReplyStore

NEAREST = 200
"""How many photos the meaning may bring in; words bring in their own."""
KEPT = 30
"""How many photos of an answer its buttons can lead on to."""


@dataclass(slots=True)
class ModelState:
    """What is known of the encoder now; the loader changes it, everybody else reads it."""

    name: str
    """As written in MODEL."""
    encoder: Encoder | None = None
    problem: str | None = None
    """Why there is no encoder, and the ways out."""
    cautions: tuple[str, ...] = ()
    """What people should know of the encoder that is used, if anything; in English."""
    loaded: tuple[int, int] | None = None
    """Percent that are downloaded, and of how many megabytes; None: no download is going on."""

    @property
    def progress(self) -> str | None:
        """What the loader is doing, if it takes long."""
        if self.loaded is None:
            return None
        percent, size = self.loaded
        return say("downloading, {percent} % of {size} MB", percent=percent, size=size)

    @property
    def notice(self) -> str | None:
        """A lasting line for people while finding by meaning has to wait or has limits."""
        if self.encoder is not None:
            return " ".join(map(say, self.cautions)) or None
        if self.problem is not None:
            return say(
                "Photos are found by captions and by text in them; finding by meaning waits for a "
                "model. {problem}",
                problem=say(self.problem),
            )
        return say(
            "Photos are found by captions and by text in them; finding by meaning starts when the "
            "model is ready ({progress}).",
            progress=self.progress or say("loading"),
        )


class PhotoMemory:
    """Remembers what groups post and finds it again, for those who may see it."""

    def __init__(
        self,
        store: PhotoStore,
        model: ModelState,
        adapters: Mapping[str, ChatAdapter],
        decoder: Decoder,
        language: str = ENGLISH,
    ) -> None:
        """`language`: what is spoken where nothing else is known."""
        self._store = store
        self._model = model
        self._adapters = adapters
        self._decoder = decoder
        self._backgrounds = Backgrounds()
        self._languages = LanguageChoice(store.groups, language)
        self._news = asyncio.Event()

    @property
    def model(self) -> ModelState:
        return self._model

    @property
    def groups(self) -> GroupStore:
        """Groups as such: where the bot is, who was seen there, what is kept of them."""
        return self._store.groups

    @property
    def languages(self) -> LanguageChoice:
        """Which language each group is spoken to in."""
        return self._languages

    @property
    def replies(self) -> ReplyStore:
        """What was said in direct replies to photos."""
        return self._store.replies

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
        await self._backgrounds.of(encoder)

    def wake(self) -> None:
        """Tell everyone who waits for work that there may be some."""
        self._news.set()
        self._news = asyncio.Event()

    async def remember(self, post: Post) -> Remembered:
        """Keep a post; its photos are found as soon as the indexer has seen them."""
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

    async def drop(self, photo: int) -> None:
        """Forget one photo; its post stays with the others."""
        await self._store.drop(photo)

    async def find(self, query: Query) -> Answer:
        """The best photos for these words, or like that photo, among those the audience may see."""
        encoder = self._model.encoder
        asked, narrowed = query, await narrow(self._store.scopes, query, encoder, _now())
        query, hint = narrowed.query, narrowed.hint
        terms = words.terms(words.fold(" ".join((query.words, *narrowed.exact))))
        if not terms and query.like is None and not narrowed.narrows:
            return Answer((), say("Say what to look for, e.g. /find birthday cake"), hint=hint)
        known = await self._store.names.of(query.groups, asked.audience)
        meant, besides = names.spoken(query.words, known)
        vectors: list[Vector] = []
        if query.like is not None:
            try:
                vectors += await self._vectors_like(query.groups, query.like, encoder)
            except (NotAPhoto, FetchFailed) as reason:
                return Answer((), _cant_look(reason))
            if not vectors and not terms:
                return Answer((), say("I can't look for similar photos yet."), self._model.notice)
        # What a name means is known from photos better than from how the word is spelt.
        seen = besides if meant else query.words
        if encoder is not None and words.terms(words.fold(seen)):
            vectors.append(await encoder.encode_text(seen))
            lost = understanding.hint(seen, encoder.model.name)
            hint = " ".join(filter(None, (hint, lost))) or None
        # Of photos like another one, the nearest are what is asked for.
        judged = encoder is not None and query.like is None and vectors
        background = await self._backgrounds.of(encoder) if encoder and judged else None
        if terms or vectors:
            candidates = await self._store.search(
                query.groups,
                query.audience,
                terms=ranking.lookups(terms),
                vectors=vectors,
                model=None if encoder is None else encoder.model,
                nearest=NEAREST,
                only=query.only,
                meant=Meant(tuple(meant), asked.audience),
                background=background,
            )
            rest = words.terms(besides) if meant else ()
            learned = None if encoder is None else encoder.calibration
            ranked = ranking.rank(terms, candidates, rest, learned)
            total = candidates.total
        else:
            ranked, total = await self._newest(query)
        hits = await self._hits(ranked, query)
        fitting = {each.photo for each in ranked if each.fits}
        fit = sum(hit.photo.id in fitting for hit in hits)  # they come first
        shown = hits[: min(query.top, fit)]
        if hits and not shown and asked.words:
            sentence = _nothing(asked)
        else:
            sentence = _sentence(replace(query, words=asked.words), len(shown), total)
        answer = Answer(
            shown,
            sentence,
            self._model.notice,
            spare=hits[len(shown) : fit],
            rest=hits[fit:],
            hint=hint,
        )
        if not query.asker or not hits:
            return answer
        token = await self._store.answers.keep(query.place, query.asker, asked.words, hits)
        return replace(answer, token=token)

    async def page(self, token: int, query: Query, after: int) -> Answer:
        """What an earlier answer ranked behind `after`, for those who may see it now.

        Of the query only who asks where and for whom counts. Raises AnswerGone.
        """
        asked, hits = await self._store.answers.page(
            token, query.place, query.asker, query.groups, query.audience, after
        )
        if after == 0 and asked:
            more = say("The nearest to “{words}”:", words=asked)
        else:
            more = (
                say("More for “{words}”:", words=asked) if asked else say("More like that photo:")
            )
        return Answer(
            tuple(hits[: query.top]),
            more if hits else say("That was all."),
            self._model.notice,
            token,
            tuple(hits[query.top :]),
        )

    async def nearest(self, token: int, query: Query) -> Answer:
        """The first photo of an answer in which nothing fitted; the rest is behind *More*.
        Raises AnswerGone."""
        return await self.page(token, replace(query, top=1), 0)

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
            return Answer(shown, _found(len(shown), asked), token=kept)
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

    async def which(self, words: str, ref: PhotoRef, photo: int | None = None) -> Verdict:
        """Which of the options among these words a photo shows; `photo`: if it is remembered."""
        options = zeroshot.options_in(words)
        encoder = self._model.encoder
        if not zeroshot.FEWEST <= len(options) <= zeroshot.MOST:
            return Verdict(say(zeroshot.HOW))
        if encoder is None:
            return Verdict(
                say("Without a model I can't look at photos."), notice=self._model.notice
            )
        try:
            vector = None
            if photo is not None:
                vector = await self._store.names.vector(photo, encoder.model)
            if vector is None:
                vector = await self._look(ref, encoder)
            return await zeroshot.judge(encoder, vector, options)
        except (NotAPhoto, FetchFailed) as reason:
            return Verdict(_cant_look(reason))

    async def copies(self, group: str, ref: PhotoRef) -> list[StoredPhoto]:
        """Every post of this photo that a group remembers, oldest first."""
        return await self._store.copies(group, ref)

    async def _vectors_like(
        self, groups: Collection[str], ref: PhotoRef, encoder: Encoder | None
    ) -> list[Vector]:
        """The vector of a photo, remembered or not; none without an encoder.

        Raises NotAPhoto, FetchFailed.
        """
        if encoder is None:
            return []
        known = await self._store.vector_of(groups, ref, encoder.model)
        if known is None:
            known = await self._look(ref, encoder)
        return [known]

    async def _look(self, ref: PhotoRef, encoder: Encoder) -> Vector:
        """The vector of a photo that is not remembered. Raises NotAPhoto, FetchFailed."""
        data = await fetch(self._adapters, ref)
        pixels = await self._decoder.pixels(data, encoder.image_spec)
        vector: Vector = (await encoder.encode_images(pixels[None]))[0]
        return vector

    async def _newest(self, query: Query) -> tuple[list[ranking.Ranked], int]:
        """All that a question without words is about, the newest first, and how many they are."""
        total, newest = await self._store.scopes.newest(
            query.groups, query.audience, query.only, NEAREST
        )
        why = (Signal.NEWEST,)
        return [ranking.Ranked(photo, 1.0, why) for photo in newest], total

    async def _hits(self, ranked: Sequence[ranking.Ranked], query: Query) -> tuple[Hit, ...]:
        """The first of them that still exist, each for all of its copies, without the photo that
        they are to be like."""
        most = max(query.top, KEPT)
        stored = await self._store.photos([each.photo for each in ranked[:NEAREST]])
        like = query.like
        photos = {
            photo.id: photo
            for photo in stored
            if like is None or (photo.ref.platform, photo.ref.key) != (like.platform, like.key)
        }
        hits = ranking.hits(ranked, photos, NEAREST)
        encoder = self._model.encoder
        looks = await self._store.looks(photos, None if encoder is None else encoder.model)
        collapsed = await asyncio.to_thread(duplicates.collapse, hits, looks)
        return collapsed[:most]

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


async def fetch(adapters: Mapping[str, ChatAdapter], ref: PhotoRef) -> bytes:
    """Ask the right adapter for a photo's bytes. Raises FetchFailed, PhotoGone."""
    adapter = adapters.get(ref.platform)
    if adapter is None:
        raise FetchFailed(f"{ref.platform} is not switched on")
    return await adapter.fetch(ref)


def _now() -> datetime:
    return datetime.now().astimezone()


def _cant_look(reason: NotAPhoto | FetchFailed) -> str:
    return say("I can't look at that photo: {reason}.", reason=say(str(reason)))


def _nothing(query: Query) -> str:
    if len(query.groups) == 1:
        return say("Nothing in this group looks like “{words}”.", words=query.words)
    return say("Nothing in your groups looks like “{words}”.", words=query.words)


def _sentence(query: Query, found: int, total: int) -> str:
    if total == 0 and (query.only != ALL or query.audience.channels is not None):
        return say("There is no such photo that may be shown here.")
    if total == 0 and len(query.groups) == 1:
        return say("There are no photos in this group yet. Post some, then ask again.")
    if total == 0:
        return say("There are no photos in your groups yet. Post some, then ask again.")
    if found == 0 and query.words:
        return count(
            total,
            "None of {count} photos fits for “{words}”.",
            "None of {count} photos fits for “{words}”.",
            words=query.words,
        )
    if found == 0:
        return say("There is no other photo.")
    if query.words and query.like:
        return count(
            found,
            "One photo for “{words}”, like that photo:",
            "{count} photos for “{words}”, like that photo:",
            words=query.words,
        )
    if query.words:
        return _found(found, query.words)
    return count(found, "One photo like that photo:", "{count} photos like that photo:")


def _found(photos: int, words: str) -> str:
    return count(photos, "One photo for “{words}”:", "{count} photos for “{words}”:", words=words)
