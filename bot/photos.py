"""The types that cross every boundary."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""A unit-length embedding, shape (d,), or a stack of them, shape (n, d)."""

Pixels = NDArray[np.uint8]
"""RGB pixels ready for an encoder, shape (height, width, 3) or (n, height, width, 3)."""


class Task(StrEnum):
    """What is still to be done for a photo."""

    EMBED = "embed"
    READ = "read"
    FINGERPRINT = "fingerprint"
    """Usually done along with EMBED."""
    RENEW = "renew"
    """Embed it for another model than the one that has seen it."""


AT_FIRST = (Task.EMBED, Task.READ, Task.FINGERPRINT)
"""What there is to do for a photo that is new."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is still to be done of one task, over all groups."""

    photos: int = 0
    oldest: float = 0.0
    """Seconds since the one that has waited longest could have been done; those that were put off
    until later don't count before then."""
    later: int = 0
    """How many of them did not work before and were put off."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What there is, over all groups."""

    photos: int
    """Those that wait included, those that were refused not."""
    refused: int
    groups: int
    """That the bot has not left."""


STAND_IN = "stand-in:"


@dataclass(frozen=True, slots=True)
class PhotoRef:
    """What its adapter needs to fetch or show a photo again; never an URL that expires."""

    platform: str
    """Names the adapter that can fetch it: `web`, `file`, `telegram`, `discord`."""
    key: str
    """Stable identity of the photo within its message: an attachment id, a content hash."""
    locator: str
    """Opaque to everyone but the adapter: a path, a `file_id`, channel/message/attachment."""
    name: str = ""
    """The file's own name, for people; may hold any character."""

    @property
    def is_stand_in(self) -> bool:
        """Whether it was read from a copy of the chat that doesn't tell the photo's identity. It is
        its message's only photo, and the platform's own takes its place as soon as it is seen."""
        return self.key.startswith(STAND_IN)


@dataclass(frozen=True, slots=True)
class Post:
    """One chat message with photos. Ids are opaque strings minted by the adapter."""

    group: str
    channel: str
    message: str
    author: str
    author_name: str
    posted_at: datetime
    """Timezone-aware."""
    photos: tuple[PhotoRef, ...]
    caption: str = ""
    album: str = ""
    """Shared by messages that were sent as one; a caption on one of them holds for all."""
    group_name: str = ""
    link: str | None = None
    """Where the original message can be seen, if the platform has such links."""
    spoiler: bool = False
    protected: bool = False
    """It may be shown where it was posted only."""
    is_numbered: bool = True
    """Whether `message` is what the platform calls it; else author and time tell it. Not kept."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What `remember` did: ids of the photos that are new, and of those already known."""

    added: tuple[int, ...]
    known: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The picture an encoder wants, as open_clip's preprocessing describes it."""

    size: tuple[int, int]
    """(height, width) in pixels."""
    resize_mode: str = "shortest"
    """`shortest`: scale the short side, cut the middle; `squash`: ignore the aspect ratio;
    `longest`: scale the long side, pad."""
    interpolation: str = "bicubic"
    fill: int = 0
    """Padding colour of `longest`, 0..255."""


@dataclass(frozen=True, slots=True)
class Model:
    """Which weights made a vector. Vectors of different fingerprints can't be compared."""

    name: str
    """As written in MODEL, for people."""
    fingerprint: str
    """Hash of configuration and weights: the same model under another name stays the same."""
    dimension: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a model learned to make probabilities of cosines with: logit = scale * cosine + bias."""

    scale: float
    bias: float | None = None
    """None: the logits of several texts go through a softmax (CLIP). Else each goes through a
    sigmoid of its own (SigLIP, Zhai et al. 2023)."""


@dataclass(frozen=True, slots=True)
class Job:
    """One photo with one thing to be done."""

    photo: int
    task: Task
    ref: PhotoRef
    attempts: int
    """How often it failed before."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Whose eyes the answer is for: the channels whose photos may appear in it."""

    channels: frozenset[str] | None
    """None: every channel of the group."""
    protected: bool = True
    """Whether photos that may not leave the place they were posted in may appear."""


EVERYONE = Audience(None)
"""The audience of a group whose members all see everything."""


@dataclass(frozen=True, slots=True)
class Only:
    """What the asker narrowed a search to; empty fields leave it wide."""

    authors: frozenset[str] | None = None
    """Posted by one of them; None: by anybody."""
    after: datetime | None = None
    """Posted then or later."""
    before: datetime | None = None
    """Posted earlier than that."""
    holding: tuple[str, ...] = ()
    """Each is in the caption or in the text of the photo, word by word; folded."""
    lacking: tuple[str, ...] = ()
    """None of them is; folded."""
    apart: frozenset[int] = frozenset()
    """Photos that aren't wanted."""
    among: frozenset[int] | None = None
    """One of these photos; None: any."""


ALL = Only()
"""Not narrowed."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the memory of a group, or of several that the asker is in."""

    groups: tuple[str, ...]
    words: str
    audience: Audience
    top: int = 3
    like: PhotoRef | None = None
    """Look for photos like this one; with words, for both at once."""
    place: str | None = None
    """The group that the answer is given to; None: to the asker alone."""
    asker: str = ""
    """Who asks. If it is known, buttons can lead on from the answer."""
    only: Only = ALL
    channels: tuple[tuple[str, str], ...] = ()
    """(name, channel) of the places that `in:` can name: none that the audience may not see."""
    titles: tuple[tuple[str, str], ...] = ()
    """(name, group), where `in:` can name one of several groups."""
    people: tuple[tuple[str, str], ...] = ()
    """(as written, id) of people whom the words mention in the platform's own way."""


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """A remembered photo with the post it came in; the post's `photos` holds only this one."""

    id: int
    post: Post
    refused: str | None = None

    @property
    def ref(self) -> PhotoRef:
        return self.post.photos[0]


@dataclass(frozen=True, slots=True)
class Name:
    """A group's own word for something, and in how many photos it was shown what is meant."""

    name: str
    """As it was written first."""
    examples: int


@dataclass(frozen=True, slots=True)
class Group:
    """A group by its id, with the name that people know it by."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A photo that is not kept, and why."""

    photo: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A group in numbers. Waiting photos are counted among `photos`, refused ones are not."""

    group: str
    name: str
    photos: int
    waiting_embedding: int
    waiting_text: int
    refused: tuple[Refusal, ...]
    waiting_renewal: int = 0
    """For the model that is to answer."""
    unseen: int = 0
    """Photos that this model can't see any more; their words still find them."""

    @property
    def waiting(self) -> int:
        """Photos that are not looked at yet."""
        return max(self.waiting_embedding, self.waiting_text)
