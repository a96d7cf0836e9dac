"""What the parts of a PhotoStore are asked, one for each noun."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from bot.answers import Hit
from bot.backlog import Failures, Kind
from bot.photos import (
    EVERYONE,
    Audience,
    Group,
    GroupStatus,
    Model,
    Name,
    Only,
    Post,
    StoredPhoto,
    Task,
    Vector,
    Waiting,
)


class GroupStore(Protocol):
    """Groups as such. Ids are the adapters'; every verb is one transaction."""

    async def meet(self, group: Group) -> bool:
        """The bot is in this group, under this name; whether that is news."""
        ...

    async def leave(self, group: str, at: datetime) -> bool:
        """The bot was sent away; whether that is news. All is kept until `erase_left`."""
        ...

    async def move(self, old: str, new: str) -> bool:
        """The group has another id now; everything goes along. Whether there was such a group."""
        ...

    async def erase(self, group: str) -> int:
        """Forget a group with everything in it; returns how many photos that were."""
        ...

    async def erase_left(self, before: datetime) -> list[Group]:
        """Erase the groups that were left before then; returns which."""
        ...

    async def see(self, group: str, person: str) -> None:
        """Somebody was seen in a group, and may later ask for its photos in private."""
        ...

    async def of(self, person: str) -> list[Group]:
        """The groups that somebody was seen in and the bot has not left."""
        ...

    async def present(self, prefix: str) -> list[Group]:
        """The groups whose id starts like this and that the bot has not left."""
        ...

    async def note(self, group: str, name: str) -> str | None:
        """What an adapter wrote down about a group."""
        ...

    async def take_note(self, group: str, name: str, text: str | None) -> None:
        """Write something down about a group; None crosses it out."""
        ...

    async def noted(self, name: str) -> dict[str, str]:
        """What was written down under that name, by group, of those that the bot has not left."""
        ...

    async def resolve(self, name: str) -> str:
        """A group's id from its id or its name. Raises `UnknownGroup`."""
        ...

    async def status(
        self, group: str | None = None, audience: Audience = EVERYONE
    ) -> list[GroupStatus]:
        """Every group, or one, in numbers: of the photos that this audience may see."""
        ...


class ScopeStore(Protocol):
    """What lies within groups, of which an audience sees a part."""

    async def people(self, groups: Collection[str], audience: Audience) -> list[tuple[str, str]]:
        """(id, name) of everybody who has posted photos that this audience may see; somebody who
        posted under several names is there with each."""
        ...

    async def cosines(
        self, groups: Collection[str], audience: Audience, vector: Vector, model: Model
    ) -> dict[int, float]:
        """How near each photo that `model` has embedded is to a (d,) query vector."""
        ...

    async def newest(
        self, groups: Collection[str], audience: Audience, only: Only, most: int
    ) -> tuple[int, list[int]]:
        """How many photos there are, and the ones that were posted last, newest first."""
        ...

    async def anniversaries(
        self, groups: Collection[str], audience: Audience, days: Collection[tuple[int, int]]
    ) -> list[tuple[int, datetime]]:
        """(photo, when it was posted) of all that were posted on one of these days (month, day; in
        UTC) of any year, but for spoilers. Reads every photo in scope."""
        ...


class TallyStore(Protocol):
    """What lies within groups, counted: of the photos that an audience may see, refused ones left
    out. Each verb reads every photo in scope once."""

    async def months(self, groups: Collection[str], audience: Audience) -> list[tuple[date, int]]:
        """(first of the month, photos posted in it), of the months (in UTC) that have any, oldest
        first."""
        ...

    async def posters(
        self, groups: Collection[str], audience: Audience, most: int
    ) -> list[tuple[str, str, int]]:
        """(author's id, name, photos) of the `most` who posted most, in that order; the name is the
        one that they last posted under, and may be empty."""
        ...


class BacklogStore(Protocol):
    """What waits and what did not work, of all groups: for the owner of the server alone."""

    async def waiting(self) -> dict[Task, Waiting]:
        """What is still to be done, task by task."""
        ...

    async def failures(self, kinds: int, each: int) -> list[Failures]:
        """What did not work, most frequent first and what can't be helped last: so many kinds,
        with so many photos of each, the newest first."""
        ...

    async def retry(self, photos: Collection[int]) -> int:
        """Make what did not work of these photos due now; of how many there was something. What
        was given up for what it is stays so."""
        ...

    async def retry_all(self, kind: Kind) -> int:
        """The same for all failures of a kind; how many photos that were."""
        ...


class AnswerStore(Protocol):
    """Answers that were given, for the buttons under them."""

    async def keep(self, place: str | None, asker: str, words: str, hits: Sequence[Hit]) -> int:
        """Keep an answer given in a group, or (None) to the asker alone; returns its token."""
        ...

    async def page(
        self,
        token: int,
        place: str | None,
        asker: str,
        groups: Collection[str],
        audience: Audience,
        after: int,
    ) -> tuple[str, list[Hit]]:
        """The words that were asked, and the hits ranked behind `after` that still exist in these
        groups and for this audience.

        Raises `AnswerGone` when there is no such answer, or it was given elsewhere.
        """
        ...

    async def asked(self, asker: str, beginning: str, most: int) -> list[str]:
        """What somebody has asked before that begins so, latest first."""
        ...


class ReplyStore(Protocol):
    """What was said in direct replies to photos. It goes with the photo."""

    async def hear(
        self, group: str, channel: str, about: str, message: str, author: str, text: str
    ) -> int:
        """A message of this channel says something in reply to the post `about`, or says other
        words now (none: nothing any more). Nothing is kept of who refuses, or of what was to be
        forgotten. Returns how many photos it is about."""
        ...

    async def heard(self, group: str, channel: str, messages: Collection[str]) -> frozenset[str]:
        """Those of these messages whose words are kept."""
        ...

    async def unsay(self, group: str, channel: str, messages: Collection[str]) -> int:
        """These messages are gone for ever, with what they said; about how many photos."""
        ...


class NameStore(Protocol):
    """What groups call what is in their photos, by examples. `key` is what makes it one name."""

    async def give(self, photo: int, key: str, written: str, giver: str) -> None:
        """This photo shows what is called so. Raises NameRefused where there are too many."""
        ...

    async def take_back(
        self, group: str, audience: Audience, key: str, giver: str | None
    ) -> tuple[int, int]:
        """Take a name off the photos that `giver` gave it to, or (None) off all of the audience's;
        returns how many of the audience's that were, and how many of them still have it."""
        ...

    async def of(self, groups: Collection[str], audience: Audience) -> dict[str, Name]:
        """The names of which the audience may see examples, by key in order; those are counted."""
        ...

    async def vector(self, photo: int, model: Model) -> Vector | None:
        """The (d,) vector of a photo, if it has one."""
        ...


class PeopleStore(Protocol):
    """What single people can have forgotten, and refuse to have kept."""

    async def photos_of(self, group: str, person: str) -> int:
        """How many photos of this group somebody posted."""
        ...

    async def forget(self, group: str, person: str, most: int) -> int:
        """Forget `most` of somebody's posts in a group, never to remember them again, and what they
        said there about others' photos, the names that they gave, what they asked, and that they
        were seen; returns how many photos that were."""
        ...

    async def refuse(self, person: str, refuses: bool) -> None:
        """Never keep what this person posts, in any group; or do so again."""
        ...

    async def refuses(self, person: str) -> bool:
        """Whether what this person posts is not to be kept."""
        ...


class StandInStore(Protocol):
    """Imported photos whose messages can't be told by their ids alone."""

    async def posted_at(self, group: str, author: str, at: datetime) -> list[StoredPhoto]:
        """What somebody posted in a group at that moment."""
        ...

    async def settle(self, post: Post, elsewhere: str) -> bool:
        """If a stand-in of this author and moment waits in the channel `elsewhere`, it is this
        post from now on; whether there was one."""
        ...


class ModelStore(Protocol):
    """Whose embeddings there are. One model answers; another may be on its way."""

    async def answering(self) -> Model | None:
        """Whose embeddings questions are compared with; None: nothing was ever embedded."""
        ...

    async def coming(self) -> Model | None:
        """The one that is to answer once it has seen all photos."""
        ...

    async def answer(self, model: Model) -> None:
        """Let it answer from now on; what others have made goes, bit by bit (`clear`)."""
        ...

    async def expect(self, model: Model) -> None:
        """It is to answer; of the others only the one that does is kept."""
        ...

    async def require(self, model: Model) -> int:
        """Make every photo without a vector of `model` wait for one, save those that it will not
        see and those that no model has seen yet; returns how many do."""
        ...

    async def succeed(self, model: Model) -> bool:
        """Let it answer if no photo has to wait for it; whether it does."""
        ...

    async def overlook(self, photo: int, model: Model, reason: str) -> None:
        """This model will not see that photo; its words still find it."""
        ...

    async def clear(self, most: int) -> bool:
        """Delete some of what models made that no longer answer, `most` vectors at once; whether
        there may be more."""
        ...


class ThumbnailStore(Protocol):
    """Small copies that another model can look at, once the originals are gone."""

    async def keep(self, jpegs: Mapping[int, bytes]) -> None:
        """By photo. Of protected posts nothing is kept."""
        ...

    async def of(self, photo: int) -> bytes | None: ...

    async def drop(self, most: int) -> bool:
        """Forget so many of them; whether there were any."""
        ...
