"""What a memory holds, as no database in particular has it: for moving it to another one.

Two memories hold the same if their records are equal. Ids are not compared: each database gives
its own; but tokens of answers are, since buttons hold them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from bot.photos import PhotoRef

Ids = NDArray[np.int64]
"""Ascending."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """Something that is still to be done for a photo."""

    task: str
    attempts: int
    due: float
    reason: str | None
    since: float


@dataclass(frozen=True, slots=True)
class ReplyRecord:
    """What somebody said about a photo, folded."""

    message: str
    text: str
    author: bytes | None
    """A salted hash."""


@dataclass(frozen=True, slots=True)
class NameRecord:
    """What a photo is an example of."""

    key: str
    written: str
    giver: str


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """One photo with all that hangs on it."""

    id: int = field(compare=False)
    ref: PhotoRef
    refused: str | None
    final: bool
    words: tuple[str, str] | None
    """Caption and the text in the photo, folded."""
    look: bytes | None
    """What copies are known by."""
    thumbnail: bytes | None
    jobs: tuple[JobRecord, ...]
    vectors: tuple[tuple[str, bytes], ...]
    """By the model's fingerprint: little-endian float16, which is all that PostgreSQL keeps."""
    unseen: tuple[tuple[str, str], ...]
    """By the fingerprint of a model that can't see it: why."""
    replies: tuple[ReplyRecord, ...]
    """In the order in which they were heard."""
    names: tuple[NameRecord, ...]


@dataclass(frozen=True, slots=True)
class PostRecord:
    """One post with its photos, ascending by their ids."""

    id: int = field(compare=False)
    channel: str
    message: str
    author: str
    author_name: str
    posted_at: datetime
    caption: str
    album: str
    link: str | None
    spoiler: bool
    protected: bool
    photos: tuple[PhotoRecord, ...]


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """A group without its posts."""

    key: str
    name: str
    left_at: float | None
    notes: tuple[tuple[str, str], ...]
    people: tuple[str, ...]
    forgotten: tuple[bytes, ...]
    """Salted hashes of what must not come back."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model of which there are embeddings, or are to be."""

    fingerprint: str
    name: str
    dimension: int
    role: str
    since: float


@dataclass(frozen=True, slots=True)
class Highest:
    """The highest ids that were ever given, also to what is forgotten by now: what is new after a
    move must get others, or an old button would lead to it."""

    photo: int
    token: int


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """What belongs to no group."""

    salt: bytes
    refusing: tuple[bytes, ...]
    models: tuple[ModelRecord, ...]
    highest: Highest = field(compare=False)


@dataclass(frozen=True, slots=True)
class AnswerPhoto:
    """A photo of a kept answer; its group, channel, message and key tell which."""

    rank: int
    place: int
    group: str
    channel: str
    message: str
    key: str
    score: float
    why: str
    name: str


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """An answer that buttons lead on from."""

    token: int
    group: str | None
    asker: str
    words: str
    given_at: float
    photos: tuple[AnswerPhoto, ...]


@dataclass(frozen=True, slots=True)
class GroupIds:
    """All ids of a group's posts and photos, as their database has them."""

    posts: Ids
    photos: Ids
