"""The group's memory: one verb a method. Adapters call it and know nothing behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bot import ranking, words
from bot.photos import (
    Answer,
    FetchFailed,
    GroupStatus,
    PhotoRef,
    Post,
    Query,
    Remembered,
    StoredPhoto,
    Task,
)
from bot.ports import ChatAdapter, Encoder, PhotoStore

NEAREST = 200
"""How many photos the meaning may bring in; words bring in their own."""


@dataclass(slots=True)
class ModelState:
    """What is known of the encoder now; the loader changes it, everybody else reads it."""

    name: str
    """As written in MODEL."""
    encoder: Encoder | None = None
    problem: str | None = None
    """Why there is no encoder, and the ways out."""
    caution: str | None = None
    """What people should know of the encoder that is used, if anything."""
    progress: str | None = None
    """What the loader is doing, e.g. `downloading 34 %`."""

    @property
    def notice(self) -> str | None:
        """A lasting line for people while finding by meaning has to wait or has limits."""
        if self.encoder is not None:
            return self.caution
        found_by = "Photos are found by captions and by text in them; finding by meaning"
        if self.problem is not None:
            return f"{found_by} waits for a model. {self.problem}"
        return f"{found_by} starts when the model is ready ({self.progress or 'loading'})."


class PhotoMemory:
    """Remembers what groups post and finds it again, for those who may see it."""

    def __init__(
        self, store: PhotoStore, model: ModelState, adapters: Mapping[str, ChatAdapter]
    ) -> None:
        self._store = store
        self._model = model
        self._adapters = adapters
        self._news = asyncio.Event()

    @property
    def model(self) -> ModelState:
        return self._model

    @property
    def news(self) -> asyncio.Event:
        """Set at the next reason to look for work; ask for it before looking."""
        return self._news

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

    async def find(self, query: Query) -> Answer:
        """The best photos for these words among those the audience may see."""
        terms = words.terms(words.fold(query.words))
        if not terms:
            return Answer((), "Say what to look for, e.g. /find birthday cake")
        encoder = self._model.encoder
        candidates = await self._store.search(
            query.group,
            query.audience,
            terms=ranking.lookups(terms),
            vector=None if encoder is None else await encoder.encode_text(query.words),
            model=None if encoder is None else encoder.model,
            nearest=NEAREST,
        )
        ranked = ranking.rank(terms, candidates)[: 2 * query.top]
        photos = {photo.id: photo for photo in await self._store.photos([r.photo for r in ranked])}
        hits = ranking.hits(ranked, photos, query.top)
        return Answer(hits, _sentence(query.words, len(hits), candidates.total), self._model.notice)

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

    async def resolve_group(self, name: str) -> str:
        """A group's id from its id or its name. Raises UnknownGroup."""
        return await self._store.resolve_group(name)

    async def status(self) -> list[GroupStatus]:
        """Every group in numbers."""
        return await self._store.status()


async def fetch(adapters: Mapping[str, ChatAdapter], ref: PhotoRef) -> bytes:
    """Ask the right adapter for a photo's bytes. Raises FetchFailed, PhotoGone."""
    adapter = adapters.get(ref.platform)
    if adapter is None:
        raise FetchFailed(f"{ref.platform} is not switched on")
    return await adapter.fetch(ref)


def _sentence(asked: str, found: int, total: int) -> str:
    if total == 0:
        return "There are no photos in this group yet. Post some, then ask again."
    if found == 0:
        return f"Nothing in this group's {total} photos fits “{asked}”."
    if found == 1:
        return f"One photo for “{asked}”:"
    return f"{found} photos for “{asked}”:"
