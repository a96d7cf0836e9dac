"""Mornings on which a group sees what it posted on the same day of earlier years.

A day's memories are due at nine in the group's own time zone, and no longer from noon on: a bot
that was down in the morning doesn't wake anybody at night. They come at most once a day. That a day
is done is written down before anything of it is posted, so that a crash in between costs that day's
memories, and never repeats them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from calendar import isleap
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from bot import duplicates, zones
from bot.answers import Answer, Hit
from bot.errors import ShoeboxError, StoreError
from bot.language import count, say, to_say
from bot.model_state import ModelState
from bot.photos import Audience
from bot.ports import PhotoStore, Reminder

log = logging.getLogger(__name__)

SET, DONE = "memories", "memories posted"
"""Notes on a group: where and in which time zone (Mornings); the last day that is done."""
FROM, UNTIL = time(9), time(12)
SHOWN = 3
KEPT = 30
"""Photos of one day that buttons lead on to, and that take the place of what has vanished."""
LOOKED_AT = 200
"""Photos of one day that are compared with each other, the latest years first."""
ROUND_SECONDS = 60.0
MOST_SECONDS = 120.0
"""One group's turn: a platform that asks to wait keeps the others waiting no longer than that."""

ON = to_say(
    "Every morning at 9:00 ({zone}) I look for photos that were posted on the same day of earlier "
    "years, and show up to three of them."
)
OFF = to_say("I show no memories in the morning. To see some: /memories on Europe/Berlin")
WENT_OFF = to_say("From now on I show no memories in the morning.")
HOW = to_say("Write /memories on Europe/Berlin, or /memories off")
NO_ZONE = to_say("I don't know the time zone “{words}”: write one like Europe/Berlin.")
WHICH_ZONE = to_say("I don't know the time zone “{words}”. Did you mean one of these? {zones}")
TITLE = to_say("on this day")


@dataclass(frozen=True, slots=True)
class Mornings:
    """What was chosen for a group."""

    place: str
    """Where in the group; opaque to everyone but its adapter."""
    zone: str
    """IANA name."""

    def text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def of(text: str | None) -> Mornings | None:
        return None if text is None else Mornings(**json.loads(text))


def due(now: datetime, zone: ZoneInfo, done: date | None) -> date | None:
    """The day whose memories are to be posted now, if it is its morning and they were not."""
    local = now.astimezone(zone)
    if not FROM <= local.time() < UNTIL or (done is not None and done >= local.date()):
        return None
    return local.date()


def is_memory(posted_at: datetime, day: date, zone: ZoneInfo) -> bool:
    """Whether something was posted on that day of an earlier year. Where a year has no 29 February,
    the 28th stands for it."""
    then = posted_at.astimezone(zone).date()
    if then.year >= day.year:
        return False
    days = [(day.month, day.day)]
    if days == [(2, 28)] and not isleap(day.year):
        days.append((2, 29))
    return (then.month, then.day) in days


def days_in_utc(day: date) -> frozenset[tuple[int, int]]:
    """(month, day) on which, in UTC, all of that day's memories were posted, and more."""
    found: set[tuple[int, int]] = set()
    for year in (2023, 2024):  # one without and one with a 29 February
        if (day.month, day.day) == (2, 29) and not isleap(year):
            continue
        there = date(year, day.month, day.day)
        latest = 2 if (day.month, day.day) == (2, 28) else 1  # it stands for the 29th too
        near = (there + timedelta(n) for n in range(-1, latest + 1))
        found.update((each.month, each.day) for each in near)
    return frozenset(found)


def pick(posted: Collection[tuple[int, datetime]], day: date, zone: ZoneInfo) -> list[int]:
    """Of (photo, when it was posted) the memories of a day: one of each year, the latest year
    first, then the next one of each; LOOKED_AT at most."""
    years: dict[int, list[tuple[datetime, int]]] = {}
    for photo, at in posted:
        if is_memory(at, day, zone):
            years.setdefault(-at.astimezone(zone).year, []).append((at, photo))
    turns = [
        (n, year, photo) for year, own in years.items() for n, (_, photo) in enumerate(sorted(own))
    ]
    return [photo for _, _, photo in sorted(turns)[:LOOKED_AT]]


def sentence(hits: Sequence[Hit], day: date, zone: ZoneInfo) -> str:
    """How the memories of a day begin."""
    moments = (each.photo.post.posted_at for hit in hits for each in (hit, *hit.copies))
    years = {day.year - at.astimezone(zone).year for at in moments}
    if len(years) > 1:
        return say("On this day in earlier years:")
    return count(years.pop(), "One year ago today:", "{count} years ago today:")


class Memories:
    """What groups chose, and who is to be shown what this morning."""

    def __init__(
        self,
        store: PhotoStore,
        model: ModelState,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`clock`: tells the time, with its zone."""
        self._store = store
        self._model = model
        self._clock = clock

    async def choice(self, group: str) -> Mornings | None:
        """What was chosen for a group; None: no memories. Raises StoreError."""
        return Mornings.of(await self._store.groups.note(group, SET))

    async def choose(self, group: str, place: str, words: str) -> str:
        """An admin says `on`, `on Europe/Berlin`, `off`, or nothing; what there is to say. The
        group must have been met. Raises StoreError."""
        switch, _, wanted = words.strip().partition(" ")
        if not switch:
            chosen = await self.choice(group)
            return say(OFF) if chosen is None else say(ON, zone=chosen.zone)
        if switch.lower() == "off":
            await self._store.groups.take_note(group, SET, None)
            return say(WENT_OFF)
        if switch.lower() != "on":
            return say(HOW)
        zone = await asyncio.to_thread(zones.named, wanted) if wanted else None
        if wanted and zone is None:
            alike = await asyncio.to_thread(zones.offers, wanted, 5)
            if alike:
                return say(WHICH_ZONE, words=wanted[:40], zones=", ".join(alike))
            return say(NO_ZONE, words=wanted[:40])
        zone = zone or await self._usual(group)
        await self._begin(group, ZoneInfo(zone))
        await self._store.groups.take_note(group, SET, Mornings(place, zone).text())
        return say(ON, zone=zone)

    async def rounds(self, chats: Collection[Reminder]) -> None:
        """Look every minute whether it is morning somewhere, until cancelled."""
        while True:
            try:
                await self.round(chats)
            except StoreError as error:
                log.error("memories have to wait: %s", error)
            await asyncio.sleep(ROUND_SECONDS)

    async def round(self, chats: Collection[Reminder]) -> None:
        """Post what is due now, group by group; what fails in one keeps no other one waiting.
        Raises StoreError."""
        platforms = {chat.platform: chat for chat in chats}
        done = await self._store.groups.noted(DONE)
        for group, note in (await self._store.groups.noted(SET)).items():
            chosen, chat = Mornings.of(note), platforms.get(group.partition(":")[0])
            if chosen is None or chat is None:
                continue
            try:
                zone = ZoneInfo(chosen.zone)
                day = due(self._clock(), zone, _day(done.get(group)))
                if day is not None:
                    async with asyncio.timeout(MOST_SECONDS):
                        await chat.remind(
                            group, chosen.place, partial(self._recall, group, day, zone)
                        )
            except TimeoutError:
                log.warning("memories of %s took too long", group)
            except ShoeboxError as error:
                log.error("memories of %s could not be posted: %s", group, error)
            except Exception:
                log.exception("memories of %s could not be posted", group)

    async def _recall(
        self, group: str, day: date, zone: ZoneInfo, audience: Audience
    ) -> Answer | None:
        """The day's memories for those who will read them there, once. Raises StoreError."""
        await self._store.groups.take_note(group, DONE, day.isoformat())
        scope = replace(audience, protected=False)
        posted = await self._store.scopes.anniversaries([group], scope, days_in_utc(day))
        photos = await self._store.photos(pick(posted, day, zone))
        authors = {photo.post.author for photo in photos}
        refusing = {each for each in authors if await self._store.people.refuses(each)}
        wanted = [photo for photo in photos if photo.post.author not in refusing]
        hits = [Hit(rank, photo, 1.0, ()) for rank, photo in enumerate(wanted, start=1)]
        if not hits:
            return None
        encoder = self._model.encoder
        model = None if encoder is None else encoder.model
        looks = await self._store.looks([hit.photo.id for hit in hits], model)
        collapsed = await asyncio.to_thread(duplicates.collapse, hits, looks)
        shown = collapsed[:KEPT]
        token = await self._store.answers.keep(group, "", say(TITLE), shown)
        words = sentence(shown, day, zone)
        return Answer(shown[:SHOWN], words, token=token, spare=shown[SHOWN:])

    async def _usual(self, group: str) -> str:
        chosen = await self.choice(group)
        return await asyncio.to_thread(zones.usual) if chosen is None else chosen.zone

    async def _begin(self, group: str, zone: ZoneInfo) -> None:
        """Who says it after nine means tomorrow."""
        local = self._clock().astimezone(zone)
        done = _day(await self._store.groups.note(group, DONE))
        if local.time() >= FROM and (done is None or done < local.date()):
            await self._store.groups.take_note(group, DONE, local.date().isoformat())


def _day(note: str | None) -> date | None:
    return None if note is None else date.fromisoformat(note)
