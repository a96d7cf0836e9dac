"""The types that cross every boundary, and the project's own errors.

ShoeboxError                 anything a person should read as one line
├── SettingsError            .env or the command line is wrong
├── StoreError               the database can't be opened, read or written
├── UnknownGroup             no group of that name
├── ModelUnavailable         there is no encoder to find by meaning with
├── AnswerGone               buttons under an answer lead nowhere any more
├── NameRefused              that can't be a name, or there are too many
├── NotAPhoto                these bytes can't become a photo, now or later
└── FetchFailed              the original could not be had this time
    └── PhotoGone            ... and never will be again
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bot.language import count, say, spoken, to_say

Vector = NDArray[np.float32]
"""A unit-length embedding, shape (d,), or a stack of them, shape (n, d)."""

Pixels = NDArray[np.uint8]
"""RGB pixels ready for an encoder, shape (height, width, 3) or (n, height, width, 3)."""


MOST_NAMES = 3
"""People who are named as having posted the same photo."""


class ShoeboxError(Exception):
    """Base of everything that is told to a person in one line, without a traceback."""


class SettingsError(ShoeboxError):
    """A key in .env or an argument has a value that can't be used."""


class StoreError(ShoeboxError):
    """The database can't be opened, read or written."""


class UnknownGroup(ShoeboxError):
    """A group was named that the store has never seen."""


class ModelUnavailable(ShoeboxError):
    """No encoder can be loaded; photos wait and are found by their words alone."""


class HubUnreachable(ModelUnavailable):
    """No model, and only because the hub did not answer: another time it may."""


class AnswerGone(ShoeboxError):
    """The answer under which somebody pressed a button is not kept, or was not theirs."""


class NameRefused(ShoeboxError):
    """What somebody wants to call a photo can't be a name; the message says why."""


class TokenRefused(ShoeboxError):
    """The platform does not know this token."""


class PlatformUnreachable(ShoeboxError):
    """The platform could not be asked; the token may well be right."""


class NotAPhoto(ShoeboxError):
    """These bytes can't become a photo; the message is the reason that `status` shows."""


class FetchFailed(ShoeboxError):
    """The original could not be fetched this time; it will be tried again."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds the platform asked us to wait, if it did."""


class PhotoGone(FetchFailed):
    """The original no longer exists where it was posted."""


class Signal(StrEnum):
    """What made a photo an answer."""

    MEANING = to_say("meaning")
    TEXT = to_say("text in the photo")
    CAPTION = to_say("caption")
    NEWEST = to_say("newest first")
    """It has all that was asked for, and no words were given to look for."""
    REPLY = to_say("said about it")
    NAME = to_say("name")
    """A name that the group gave, or photos that look like those it was given to."""


class Task(StrEnum):
    """What is still to be done for a photo."""

    EMBED = "embed"
    READ = "read"
    FINGERPRINT = "fingerprint"
    """Usually done along with EMBED."""


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
class Meant:
    """Names of the group's own that are meant in a question."""

    keys: tuple[str, ...] = ()
    """See bot.names."""
    audience: Audience = EVERYONE
    """Which of their examples may count: all that this audience may see, however much the question
    is narrowed."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A photo that may be an answer, as the store hands it to the ranking."""

    photo: int
    cosine: float | None
    """Cosine of photo and query embedding; None while the photo waits for its vector. For
    several query vectors, the mean of their cosines, each in standard deviations."""
    caption: str
    """Folded (see bot.words)."""
    text: str
    """Text read in the photo, folded."""
    said: str = ""
    """What was said in direct replies to it, folded."""
    name: str = ""
    """Of the group's names among the query's words the one that fits it best, as written."""
    alike: float = 0.0
    """How much it looks like what was named so: 0 like the median photo of the group, 1 the same.
    Exactly 1 for photos that were named so themselves."""
    pull: float = 0.0
    """Standard deviations by which `cosine` is above what texts without a meaning reach on it."""
    plain: bool = False
    """It is as near to a blank picture as those are to each other."""


@dataclass(frozen=True, slots=True)
class Background:
    """Texts and pictures that fit nothing, as a model sees them (bot.background)."""

    texts: Vector
    """(k, d)"""
    pictures: Vector
    """(n, d), the plain ones among them."""
    plain: Vector
    """(m, d)"""
    plain_from: float
    """How near the plain ones usually are to each other."""


@dataclass(frozen=True, slots=True)
class Level:
    """What cosines a question's photos have that don't fit it; see bot.fitting."""

    median: float
    spread: float
    """Of all photos and the background's pictures; a standard deviation, robustly."""
    neutral: float
    neutral_spread: float
    """Of the best cosine in these photos that each of the background's texts has."""
    plain: float
    """The best cosine that a plain picture has."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a store found for one query, and what the ranking must know of the rest."""

    total: int
    """Photos that this audience could be shown."""
    median_cosine: float
    """Median of what `Candidate.cosine` would be for all; 0 without a query vector."""
    items: tuple[Candidate, ...]
    level: Level | None = None
    """None: whether anything fits can't be judged by meaning."""


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
class Look:
    """What there is of a photo to know its copies by."""

    fingerprint: bytes | None = None
    """How it looks from afar (bot.perceptual). None while it waits for one."""
    vector: Vector | None = None
    text: str | None = ""
    """Read in it, folded. None while it waits to be read."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One photo of an answer."""

    rank: int
    photo: StoredPhoto
    score: float
    """0..1; comparable within one answer only."""
    why: tuple[Signal, ...]
    name: str = ""
    """The group's own name for it that spoke (Signal.NAME), as written."""
    copies: tuple[Hit, ...] = ()
    """Near-duplicates of it (bot.duplicates) that the reader may see too, best first. They have
    its rank."""

    @property
    def next(self) -> Hit | None:
        """Who takes its place when it turns out to have vanished, and stands for the rest."""
        if not self.copies:
            return None
        return replace(self.copies[0], rank=self.rank, copies=self.copies[1:])

    @property
    def others(self) -> tuple[str, ...]:
        """Names of other people who posted the same. They are to be shown harmlessly."""
        by = {copy.photo.post.author: copy.photo.post.author_name for copy in self.copies}
        by.pop(self.photo.post.author, None)
        return tuple(dict.fromkeys(name for name in by.values() if name))

    def stands_for(self, name: Callable[[str], str] = str) -> str:
        """What to say of its copies; empty if there are none. `name` makes a person's name
        harmless where it is shown."""
        return more_like_it(len(self.copies), [name(each) for each in self.others])

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is there, in words. A name is somebody's words: to be shown harmlessly."""
        return tuple(map(self._reason, self.why))

    @property
    def besides_meaning(self) -> tuple[str, ...]:
        """The same without the meaning, which goes without saying."""
        return tuple(self._reason(signal) for signal in self.why if signal is not Signal.MEANING)

    def _reason(self, signal: Signal) -> str:
        return say("name: {name}", name=self.name) if signal is Signal.NAME else say(signal)

    @property
    def fit(self) -> str:
        """The score in words. What words found fits; what was found by its looks looks like it."""
        if self.why == (Signal.NEWEST,):
            return say("as asked")
        if not set(self.why) <= {Signal.MEANING, Signal.NAME}:
            return say("fits very well") if self.score >= 0.6 else say("fits well")
        if self.score >= 0.6:
            return say("looks very much like it")
        return say("looks like it") if self.score >= 0.35 else say("looks a little like it")


def more_like_it(copies: int, others: Sequence[str]) -> str:
    """How many copies a photo stands for, and who else posted it; empty if it has none."""
    if not copies:
        return ""
    if len(others) > MOST_NAMES:
        more = len(others) - MOST_NAMES + 1
        others = [*others[: MOST_NAMES - 1], count(more, "{count} other", "{count} others")]
    if not others:
        return count(copies, "and {count} more like it", "and {count} more like it")
    return count(
        copies,
        "and {count} more like it, also posted by {names}",
        "and {count} more like it, also posted by {names}",
        names=spoken().listed(others),
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What to show and say."""

    hits: tuple[Hit, ...]
    sentence: str
    notice: str | None = None
    """What the reader should know of this answer, e.g. that meaning wasn't searched."""
    token: int | None = None
    """Leads on from this answer (see PhotoMemory.page); None: nothing to lead on to."""
    spare: tuple[Hit, ...] = ()
    """The next hits: they take the place of those that turn out to have vanished."""
    rest: tuple[Hit, ...] = ()
    """What doesn't fit, the nearest first: it isn't shown unless somebody asks for it."""
    hint: str | None = None
    """How the question was understood, where that isn't plain."""


@dataclass(frozen=True, slots=True)
class Name:
    """A group's own word for something, and in how many photos it was shown what is meant."""

    name: str
    """As it was written first."""
    examples: int


@dataclass(frozen=True, slots=True)
class Share:
    """One of the options that a photo was compared with, and what falls to it."""

    option: str
    share: float
    """0..1; all shares of one verdict are 1 together."""

    @property
    def percent(self) -> str:
        return say("under 1 %") if self.share < 0.005 else f"{100 * self.share:.0f} %"

    def bar(self, width: int = 10) -> str:
        """The share as a bar of Unicode blocks, exact to an eighth of a character."""
        eighths = round(self.share * width * 8)
        whole, rest = divmod(eighths, 8)
        blocks = "█" * whole + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
        return blocks + "░" * (width - len(blocks))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the model thinks a photo shows, of some options; none if it can't tell."""

    sentence: str
    shares: tuple[Share, ...] = ()
    """The largest first."""
    notice: str | None = None


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
