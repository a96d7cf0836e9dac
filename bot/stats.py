"""A group in numbers, for those who ask: counts, who posted most, a picture of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from bot import barchart
from bot.language import photos, say, spoken, to_say
from bot.photos import Audience, GroupStatus
from bot.ports import PhotoStore

MOST_POSTERS = 5

PICTURED = to_say("Bars: photos by month, {first} to {last}. Most in {month}: {photos}.")


@dataclass(frozen=True, slots=True)
class Poster:
    """Somebody who posted, and how many photos."""

    name: str
    """As they last called themselves; may hold any character, or none."""
    photos: int


@dataclass(frozen=True, slots=True)
class Stats:
    """What a group is told of itself: of the photos that an audience may see."""

    status: GroupStatus
    notice: str | None = None
    """What should be known of the model that looks at the photos."""
    posters: tuple[Poster, ...] = ()
    """Who posted most, numbered in the picture from 1."""
    months: tuple[tuple[date, int], ...] = ()
    """(first of the month, photos), oldest first."""
    picture: bytes | None = None
    """A PNG without words; None where there is nothing to draw."""

    @property
    def pictured(self) -> str:
        """What the picture shows, for those who don't see it."""
        if not self.months:
            return ""
        month, most = max(self.months, key=lambda each: each[1])
        first, last = self.months[0][0], self.months[-1][0]
        return say(
            PICTURED,
            first=spoken().month(first),
            last=spoken().month(last),
            month=spoken().month(month),
            photos=photos(most),
        )

    def ranked(self, name: Callable[[str], str]) -> list[str]:
        """A line for each of those who posted most; `name` makes a name harmless where it is
        shown."""
        return [
            f"{n}. {name(poster.name) or say('somebody')}: {photos(poster.photos)}"
            for n, poster in enumerate(self.posters, start=1)
        ]


async def gather(
    store: PhotoStore,
    group: str,
    audience: Audience,
    notice: str | None,
    today: date,
    drawn: bool = True,
) -> Stats | None:
    """A group in numbers; None where it isn't known. Not `drawn`: the counts alone, which cost
    less."""
    found = await store.groups.status(group, audience)
    if not found:
        return None
    stats = Stats(found[0], notice)
    if not drawn or not stats.status.photos:
        return stats
    months = tuple(await store.tallies.months([group], audience))
    most = await store.tallies.posters([group], audience, MOST_POSTERS)
    posters = tuple(Poster(name, number) for _, name, number in most)
    if not months:  # they were forgotten meanwhile
        return stats
    total = max(stats.status.photos, stats.status.waiting)
    picture = await asyncio.to_thread(
        barchart.draw, months, [each.photos for each in posters], stats.status.waiting, total, today
    )
    return Stats(stats.status, notice, posters, months, picture)
