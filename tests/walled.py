"""A small world of groups, channels and people for the tests of walls: what happened in it, who may
see what of it, and the real memory in which it happened, or in which only a part of it did."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from bot.decoder import Decoder
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.names import key_of
from bot.perceptual import SIZE
from bot.photos import (
    Audience,
    Calibration,
    Group,
    ImageSpec,
    Model,
    PhotoRef,
    Pixels,
    Post,
    Vector,
)
from tests.stores import AnyStore, store_on

GROUPS = ("t:a", "t:b", "t:c")
CHANNELS = ("one", "two", "safe")
"""What is posted in `safe` may not leave it."""
PEOPLE = ("ann", "bob", "cleo")
WORDS = ("cake", "goose", "lake", "生日蛋糕")
START = datetime(2024, 1, 1, tzinfo=UTC)
DIMENSION = 12
MODEL = Model("exact", "e4ac7", DIMENSION)


def vector(seed: int) -> Vector:
    """A unit vector whose products with others are exact in float32, in whatever order they are
    added up: so two memories say the same to the last bit."""
    drawn = np.random.default_rng(seed)
    made = np.zeros(DIMENSION, np.float32)
    made[drawn.choice(DIMENSION, 4, replace=False)] = drawn.choice([-0.5, 0.5], 4)
    return made


class ExactEncoder:
    """An Encoder of our own port: words and pictures have exact vectors."""

    model = MODEL
    image_spec = ImageSpec((16, 16))
    calibration = Calibration(10.0)
    lanes = 1

    async def encode_images(self, images: Pixels) -> Vector:
        return np.stack([vector(int(image.astype(np.int64).sum())) for image in images])

    async def encode_text(self, text: str) -> Vector:
        return vector(sum(map(ord, text)))


@dataclass(frozen=True)
class Posted:
    """A post with a photo. All that it brings has a word of its own, by which it is known wherever
    it turns up."""

    number: int
    group: str
    channel: str
    author: str
    word: str
    looks: int
    """Photos of one number are copies of each other."""
    album: str = ""

    @property
    def protected(self) -> bool:
        return self.channel == "safe"

    @property
    def message(self) -> str:
        return f"msg{self.number}x"

    @property
    def canaries(self) -> tuple[str, ...]:
        """Of the post; what was said and named later on has others."""
        return tuple(f"{part}{self.number}x" for part in ("msg", "cap", "per", "key", "txt"))

    def as_post(self) -> Post:
        ref = PhotoRef("file", f"key{self.number}x", f"/p/key{self.number}x", "a.jpg")
        return Post(
            group=self.group,
            group_name=f"name of {self.group}",
            channel=self.channel,
            message=self.message,
            author=self.author,
            author_name=f"{self.author} per{self.number}x",
            posted_at=START + timedelta(days=self.number),
            photos=(ref,),
            caption=f"{self.word} cap{self.number}x" if self.word else "",
            album=self.album,
            protected=self.protected,
        )


@dataclass(frozen=True)
class Said:
    """Something that was said about a post, or a name that was given to its photo, or an edit."""

    what: str
    """`reply`, `name`, `edit`, `forget` or `drop`."""
    about: Posted
    who: str
    words: str


@dataclass(frozen=True)
class ForgotMe:
    """`/forget me`, somewhere."""

    who: str
    group: str


Event = Posted | Said | ForgotMe


@dataclass
class World:
    """What happened."""

    events: list[Event] = field(default_factory=list)

    @property
    def posts(self) -> list[Posted]:
        return [event for event in self.events if isinstance(event, Posted)]

    def seen_by(self, groups: Sequence[str], audience: Audience) -> World:
        """What there would be if nothing had ever been posted that these may not see."""

        def seen(post: Posted) -> bool:
            return may_see(post, groups, audience)

        return World(
            [
                event
                for event in self.events
                if isinstance(event, ForgotMe)
                or seen(event.about if isinstance(event, Said) else event)
            ]
        )


def may_see(post: Posted, groups: Sequence[str], audience: Audience) -> bool:
    """The rule, said once more in other words than storage's."""
    return (
        post.group in groups
        and (audience.channels is None or post.channel in audience.channels)
        and (audience.protected or not post.protected)
    )


@dataclass
class Box:
    """A memory, and the photos of its posts by number."""

    memory: PhotoMemory
    store: AnyStore
    photos: dict[int, int] = field(default_factory=dict)

    async def happen(self, event: Event) -> None:
        if isinstance(event, Posted):
            await self._post(event)
        elif isinstance(event, ForgotMe):
            await self.memory.forget_person(event.group, event.who)
        else:
            await self._say(event)

    async def _post(self, post: Posted) -> None:
        added = (await self.memory.remember(post.as_post())).added
        if not added:
            return
        self.photos[post.number] = photo = added[0]
        await self.store.save_vectors(MODEL, [photo], vector(post.looks)[None])
        drawn = np.random.default_rng(post.looks).integers(0, 256, SIZE, np.uint8)
        await self.store.save_fingerprints({photo: drawn.tobytes()})
        await self.store.save_text(photo, f"txt{post.number}x {WORDS[post.looks % 4]}")

    async def _say(self, said: Said) -> None:
        post = said.about
        where = (post.group, post.channel, post.message)
        if said.what == "reply":
            await self.memory.replies.hear(*where, f"re-{said.words}", said.words, said.who)
        elif said.what == "edit":
            await self.memory.revise(*where, said.words)
        elif said.what == "forget":
            await self.memory.forget(*where)
        elif photo := await self.memory.photo(self.photos.get(post.number, 0)):
            if said.what == "drop":
                await self.memory.drop(photo.id)
            else:
                assert said.what == "name"
                await self.store.names.give(photo.id, key_of(said.words), said.words, said.who)


@asynccontextmanager
async def box(url: str, world: World) -> AsyncIterator[Box]:
    """A memory in which all that happened."""
    async with store_on(url) as store, Decoder() as decoder:
        state = ModelState(MODEL.name, ExactEncoder())
        made = Box(PhotoMemory(store, state, {}, decoder), store)
        for group in GROUPS:
            await store.groups.meet(Group(group, f"name of {group}"))
        for event in world.events:
            await made.happen(event)
        yield made
