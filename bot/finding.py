"""How a question is answered: understood, searched, ranked, said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from bot import duplicates, names, ranking, understanding, words, zeroshot
from bot.answers import Answer, Hit, Signal, Verdict
from bot.background import Backgrounds
from bot.candidates import Candidates, Meant
from bot.decoder import Decoder
from bot.errors import FetchFailed, NotAPhoto
from bot.language import count, say
from bot.model_state import ModelState
from bot.narrowing import narrow
from bot.originals import fetch
from bot.photos import ALL, Only, PhotoRef, Query, Vector
from bot.ports import ChatAdapter, Encoder, PhotoStore

NEAREST = 200
"""How many photos the meaning may bring in; words bring in their own."""
RESTS = 3
"""How many parts of a question are looked for among the photos whose words hold the others."""
AT_ONCE = 4
"""Questions that are searched and compared; each takes some megabytes meanwhile, so that a crowd of
them waits for its turn without."""
KEPT = 30
"""How many photos of an answer its buttons can lead on to."""


class Finder:
    """Answers questions about groups' photos with what the store and the encoder know."""

    def __init__(
        self,
        store: PhotoStore,
        model: ModelState,
        adapters: Mapping[str, ChatAdapter],
        decoder: Decoder,
        models_folder: Path | None = None,
    ) -> None:
        self._store = store
        self._model = model
        self._adapters = adapters
        self._decoder = decoder
        self._backgrounds = Backgrounds(models_folder)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def prepare(self, encoder: Encoder) -> None:
        """Work out beforehand what the first question to a model would have to wait for."""
        await self._backgrounds.of(encoder)

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
        async with self._turns:
            if terms or vectors:
                search = partial(
                    self._store.search,
                    query.groups,
                    query.audience,
                    ranking.lookups(terms),
                    model=None if encoder is None else encoder.model,
                    nearest=NEAREST,
                    meant=Meant(tuple(meant), asked.audience),
                    background=background,
                )
                candidates = await search(vectors=vectors, only=query.only)
                rests: dict[frozenset[str], Candidates] = {}
                if encoder and judged and not meant:
                    rests = await _rests(terms, candidates, query.only, encoder, search)
                rest = words.terms(besides) if meant else ()
                learned = None if encoder is None else encoder.calibration
                ranked = ranking.rank(terms, candidates, rest, learned, rests)
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
        """The first of them that still exist, each for its copies among them, without the photo
        that they are to be like."""
        most, all_ = max(query.top, KEPT), min(len(ranked), NEAREST)
        hits: tuple[Hit, ...] = ()
        for looked_at in (min(2 * most, all_), all_):  # the rest only where many are copies
            hits = await self._collapsed(ranked[:looked_at], query)
            if len(hits) >= most or looked_at == all_:
                break
        return hits[:most]

    async def _collapsed(self, ranked: Sequence[ranking.Ranked], query: Query) -> tuple[Hit, ...]:
        stored = await self._store.photos([each.photo for each in ranked])
        like = query.like
        photos = {
            photo.id: photo
            for photo in stored
            if like is None or (photo.ref.platform, photo.ref.key) != (like.platform, like.key)
        }
        hits = ranking.hits(ranked, photos, NEAREST)
        encoder = self._model.encoder
        looks = await self._store.looks(photos, None if encoder is None else encoder.model)
        return await asyncio.to_thread(duplicates.collapse, hits, looks)


def _now() -> datetime:
    return datetime.now().astimezone()


def _cant_look(reason: NotAPhoto | FetchFailed) -> str:
    return say("I can't look at that photo: {reason}.", reason=say(str(reason)))


def _nothing(query: Query) -> str:
    if len(query.groups) == 1:
        return say("Nothing in this group looks like “{words}”.", words=query.words)
    return say("Nothing in your groups looks like “{words}”.", words=query.words)


def _sentence(query: Query, number: int, total: int) -> str:
    if total == 0 and (query.only != ALL or query.audience.channels is not None):
        return say("There is no such photo that may be shown here.")
    if total == 0 and len(query.groups) == 1:
        return say("There are no photos in this group yet. Post some, then ask again.")
    if total == 0:
        return say("There are no photos in your groups yet. Post some, then ask again.")
    if number == 0 and query.words:
        return count(
            total,
            "None of {count} photos fits for “{words}”.",
            "None of {count} photos fits for “{words}”.",
            words=query.words,
        )
    if number == 0:
        return say("There is no other photo.")
    if query.words and query.like:
        return count(
            number,
            "One photo for “{words}”, like that photo:",
            "{count} photos for “{words}”, like that photo:",
            words=query.words,
        )
    if query.words:
        return found(number, query.words)
    return count(number, "One photo like that photo:", "{count} photos like that photo:")


async def _rests(
    terms: Sequence[str],
    candidates: Candidates,
    only: Only,
    encoder: Encoder,
    search: Callable[..., Awaitable[Candidates]],
) -> dict[frozenset[str], Candidates]:
    """What is found for the rest of a question among the photos whose words hold a part of it, by
    that part."""
    found: dict[frozenset[str], Candidates] = {}
    for held, photos in ranking.partly_said(terms, candidates)[:RESTS]:
        left = " ".join(term for term in terms if term not in held)
        vector = await encoder.encode_text(left)
        found[held] = await search(vectors=[vector], only=replace(only, among=photos))
    return found


def found(photos: int, words: str) -> str:
    """How an answer to words begins."""
    return count(photos, "One photo for “{words}”:", "{count} photos for “{words}”:", words=words)
