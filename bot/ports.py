"""What the core asks of the world around it: an encoder, a store, chat adapters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, TypeAlias

from bot.answers import Answer
from bot.candidates import Background, Candidates, Look, Meant
from bot.photos import (
    ALL,
    Audience,
    Calibration,
    ImageSpec,
    Job,
    Model,
    Only,
    PhotoRef,
    Pixels,
    Post,
    Remembered,
    StoredPhoto,
    Task,
    Totals,
    Vector,
)
from bot.stores import (
    AnswerStore,
    BacklogStore,
    GroupStore,
    ModelStore,
    NameStore,
    PeopleStore,
    ReplyStore,
    ScopeStore,
    StandInStore,
    TallyStore,
    ThumbnailStore,
)


class Encoder(Protocol):
    """Turns photos and words into vectors of one space (CLIP: Radford et al. 2021)."""

    @property
    def model(self) -> Model: ...

    @property
    def image_spec(self) -> ImageSpec: ...

    @property
    def calibration(self) -> Calibration: ...

    @property
    def lanes(self) -> int:
        """How many images, or batches of them, it embeds at the same time."""
        ...

    async def encode_images(self, images: Pixels) -> Vector:
        """Embed a small batch: (n, height, width, 3) uint8 RGB -> (n, d) unit vectors."""
        ...

    async def encode_text(self, text: str) -> Vector:
        """Embed a query: -> (d,) unit vector. Goes ahead of waiting image batches."""
        ...


class ChatAdapter(Protocol):
    """One platform. It calls the memory; the core only ever asks it for bytes."""

    @property
    def platform(self) -> str: ...

    async def fetch(self, ref: PhotoRef) -> bytes:
        """The photo's bytes. Raises `PhotoGone` for ever, `FetchFailed` for now."""
        ...


Recall: TypeAlias = Callable[[Audience], Awaitable[Answer | None]]
"""What there is to show to those who would read it, if anything. It is asked for once, by who can
show it now."""


class Reminder(Protocol):
    """A platform on which something can be said that nobody asked for."""

    @property
    def platform(self) -> str:
        """Its groups' ids begin with it and a colon."""
        ...

    async def remind(self, group: str, place: str, recall: Recall) -> None:
        """Show there, in the group's language, what is recalled for those who read it there. Where
        nothing can be shown now, nothing is recalled."""
        ...


class Elections(Protocol):
    """Which of all processes of a memory does what only one may do. See `bot.elections.lead`."""

    def leading(self, name: str) -> AbstractAsyncContextManager[None]:
        """Waits until this process is the one that does what goes by that name; while the block
        runs no other is. When that can't be told any more, what runs in the block is cancelled,
        and the block raises LeadershipLost."""
        ...


class PhotoStore(Protocol):
    """The memory on disk. Every verb is one transaction; ids of photos are its own.

    Raises `StoreError` when the database can't do what is asked.
    """

    async def remember(self, post: Post) -> Remembered:
        """Keep a post and its photos as waiting; a post that is known gains only what is new, one
        that was forgotten stays so."""
        ...

    async def knows(self, group: str, channel: str, message: str) -> bool:
        """Whether that post is remembered."""
        ...

    async def revise(
        self, group: str, channel: str, message: str, caption: str, keep: Collection[str] | None
    ) -> tuple[PhotoRef, ...]:
        """Give a post another caption; drop its photos whose key is not in `keep`.

        Returns the refs that were dropped. None keeps all.
        """
        ...

    async def forget(self, group: str, channel: str, message: str) -> tuple[PhotoRef, ...]:
        """Forget a post with everything derived from it, and never remember it again; returns
        what was forgotten."""
        ...

    async def drop(self, photo: int) -> None:
        """Forget one photo; its post stays with the others."""
        ...

    async def channels(self, group: str) -> frozenset[str]:
        """The channels of a group in which photos were posted that are remembered."""
        ...

    async def forget_channel(self, group: str, channel: str) -> int:
        """Forget all posts of a channel that is no more; returns how many."""
        ...

    async def forget_older(self, before: datetime, most: int) -> int:
        """Forget posts, `most` at once, and questions from before then; returns how many posts."""
        ...

    async def scrub(self) -> bool:
        """Make what was deleted unreadable in the files too; whether nothing of it is left."""
        ...

    async def take(
        self, task: Task, limit: int, skip: Collection[int], after: Task | None = None
    ) -> list[Job]:
        """Photos that are due for `task`, leaving out those in `skip` and those that still wait for
        `after`. Groups take turns, so that none waits for another's flood; in each the oldest
        photo goes first."""
        ...

    async def end(self, photo: int, task: Task) -> None:
        """Give one task of a photo up; it stays remembered without what that would have brought."""
        ...

    async def save_fingerprints(self, fingerprints: Mapping[int, bytes]) -> None:
        """Keep fingerprints by photo and end those photos' FINGERPRINT jobs."""
        ...

    async def looks(self, photos: Collection[int], model: Model | None) -> dict[int, Look]:
        """What there is of these photos to know copies by; vectors of `model` only."""
        ...

    async def save_vectors(self, model: Model, photos: Sequence[int], vectors: Vector) -> None:
        """Keep (n, d) vectors and end those photos' EMBED and RENEW jobs."""
        ...

    async def save_text(self, photo: int, text: str) -> None:
        """Keep the text read in a photo and end its READ job."""
        ...

    async def refuse(self, photo: int, reason: str, final: bool, task: Task | None = None) -> None:
        """Give a photo up: end its jobs, drop what was derived. One that isn't `final` (its
        original could not be had) gets another chance when it is remembered again. With the task
        in which that came out, nothing is done where another process has it by now, or did it."""
        ...

    async def postpone(self, photo: int, task: Task, until: datetime, reason: str) -> None:
        """Try this job again later; counts as a failed attempt. Not where another process has it by
        now."""
        ...

    async def search(
        self,
        groups: Collection[str],
        audience: Audience,
        terms: Sequence[str],
        vectors: Sequence[Vector],
        model: Model | None,
        nearest: int,
        only: Only = ALL,
        meant: Meant | None = None,
        background: Background | None = None,
    ) -> Candidates:
        """Photos of these groups and this audience that hold any of the terms (folded), and the
        `nearest` by cosine when (d,) query vectors of `model` are given; of the names that are
        meant those that were named so and the `nearest` to them. With the model's background it is
        known what cosines mean nothing."""
        ...

    async def vector_of(
        self, groups: Collection[str], ref: PhotoRef, model: Model
    ) -> Vector | None:
        """The (d,) vector of a photo of these groups with that platform and key, if it has one."""
        ...

    async def photos(self, ids: Sequence[int]) -> list[StoredPhoto]:
        """The photos of these ids that still exist, in the order asked."""
        ...

    async def posted(self, group: str, channel: str, message: str) -> list[StoredPhoto]:
        """The photos of a message, in their order."""
        ...

    async def copies(self, group: str, ref: PhotoRef) -> list[StoredPhoto]:
        """Every photo of a group with that platform and key, oldest first."""
        ...

    async def prove_sound(self, seconds: float) -> bool:
        """Look for damage in what is stored; whether all was looked at in so many seconds.
        Raises StoreError where there is some."""
        ...

    async def prove_writable(self) -> None:
        """Write and take back. Raises StoreError."""
        ...

    async def unfinished(self, photos: Collection[int]) -> dict[Task, int]:
        """How many of these photos wait for each task and will soon be tried."""
        ...

    async def totals(self) -> Totals:
        """What there is over all groups, for whoever watches over the bot."""
        ...

    async def heed(self, wake: Callable[[], None]) -> None:
        """From now on call `wake` whenever another process has added work, where any can. Once."""
        ...

    @property
    def elections(self) -> Elections: ...

    @property
    def groups(self) -> GroupStore: ...

    @property
    def answers(self) -> AnswerStore: ...

    @property
    def scopes(self) -> ScopeStore: ...

    @property
    def tallies(self) -> TallyStore: ...

    @property
    def backlog(self) -> BacklogStore: ...

    @property
    def replies(self) -> ReplyStore: ...

    @property
    def names(self) -> NameStore: ...

    @property
    def people(self) -> PeopleStore: ...

    @property
    def stand_ins(self) -> StandInStore: ...

    @property
    def models(self) -> ModelStore: ...

    @property
    def thumbnails(self) -> ThumbnailStore: ...
