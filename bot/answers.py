"""What the memory answers: photos with reasons, sentences, verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.language import count, say, spoken, to_say
from bot.photos import StoredPhoto

MOST_NAMES = 3
"""People who are named as having posted the same photo."""


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


@dataclass(frozen=True, slots=True)
class Hit:
    """One photo of an answer."""

    rank: int
    photo: StoredPhoto
    score: float
    """0..1; comparable within one answer only."""
    why: tuple[Signal, ...]
    """Empty: nobody asked for it."""
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
        if not self.why:
            return ""
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
