"""When memories are due, which photos they are, and that each day has them once at most."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import zones
from bot.answers import Answer
from bot.memories import (
    FROM,
    LOOKED_AT,
    SET,
    UNTIL,
    Memories,
    Mornings,
    days_in_utc,
    due,
    is_memory,
    pick,
    sentence,
)
from bot.model_state import ModelState
from bot.perceptual import SIZE
from bot.photos import EVERYONE, Audience, Group
from bot.ports import Recall
from storage.sqlite import SqliteStore
from tests.test_store import a_post

FAM = "local:fam"
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [
        *("Europe/Berlin", "America/New_York", "Asia/Shanghai", "Pacific/Kiritimati", "UTC"),
        *("Pacific/Pago_Pago", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"),
        *("Pacific/Apia", "Africa/Casablanca", "America/St_Johns"),
    ]
).map(ZoneInfo)
MOMENTS = st.integers(0, 45 * 366 * 24 * 60).map(
    lambda minutes: datetime(1995, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
MORNING = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
"""9:30 in Berlin."""


# --- the rule


@given(start=MOMENTS, zone=ZONES, step=st.integers(1, 90))
def test_each_morning_is_due_once_wherever_clocks_are_put(
    start: datetime, zone: ZoneInfo, step: int
) -> None:
    """Whoever looks every so many minutes, for three days, posts once on each morning."""
    done: date | None = None
    posted: list[datetime] = []
    for n in range(3 * 24 * 60 // step):
        now = start + timedelta(minutes=n * step)
        if (day := due(now, zone, done)) is not None:
            local = now.astimezone(zone)
            assert FROM <= local.time() < UNTIL
            assert day == local.date()
            assert due(now, zone, day) is None, "what is done is not due"
            posted.append(local)
            done = day
    days = [each.date() for each in posted]
    assert days == sorted(set(days))
    assert len(days) >= 2
    assert all(each.hour * 60 + each.minute < 9 * 60 + step for each in posted[1:]), (
        "it comes as soon as it is nine"
    )


@given(now=MOMENTS, one=ZONES, other=ZONES)
def test_another_time_zone_repeats_no_day(now: datetime, one: ZoneInfo, other: ZoneInfo) -> None:
    done = due(now, one, None)
    if done is not None:
        again = due(now, other, done)
        assert again is None or again > done


@given(posted=MOMENTS, now=MOMENTS, zone=ZONES)
def test_memories_are_of_the_same_day_in_the_groups_own_zone(
    posted: datetime, now: datetime, zone: ZoneInfo
) -> None:
    day, then = now.astimezone(zone).date(), posted.astimezone(zone).date()
    if is_memory(posted, day, zone):
        assert then.year < day.year
        assert abs((then.replace(year=2024) - day.replace(year=2024)).days) <= 1
        assert (posted.month, posted.day) in days_in_utc(day), "the store is asked for it"
    elif then.year < day.year:
        assert (then.month, then.day) != (day.month, day.day)


@given(zone=ZONES, year=st.integers(2001, 2039), hour=st.integers(0, 23))
def test_every_day_of_the_year_is_remembered_once_a_year(
    zone: ZoneInfo, year: int, hour: int
) -> None:
    """Also 29 February: in years without one on the 28th."""
    for month, number in ((2, 28), (2, 29), (3, 1), (12, 31), (1, 1)):
        posted = datetime(2000, month, number, hour, 30, tzinfo=zone)
        first = date(year, 1, 1)
        days = [first + timedelta(n) for n in range(366) if (first + timedelta(n)).year == year]
        shown = [day for day in days if is_memory(posted, day, zone)]
        assert len(shown) == 1
        assert (posted.astimezone(UTC).month, posted.astimezone(UTC).day) in days_in_utc(shown[0])


def test_years_take_turns_the_latest_first() -> None:
    day = date(2026, 11, 24)
    posted = [
        (n, datetime(year, 11, 24, hour, tzinfo=BERLIN))
        for n, (year, hour) in enumerate(
            [(2019, 9), (2025, 18), (2025, 9), (2025, 12), (2026, 9), (2022, 9)]
        )
    ]
    posted.append((9, datetime(2022, 11, 25, 0, 30, tzinfo=BERLIN)))
    assert pick(posted, day, BERLIN) == [2, 5, 0, 3, 1], "nothing of today, nothing of the 25th"
    many = [(n, datetime(2020, 11, 24, tzinfo=BERLIN)) for n in range(1000)]
    assert len(pick([*many, *posted], day, BERLIN)) == LOOKED_AT


# --- time zones


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("Europe/\u2060Berlin", "Europe/Berlin"),
        (" new  york ", "America/New_York"),
        ("UTC", "UTC"),
        ("Berln", None),
        ("Louisville", None),  # two zones end with it
        ("../../etc/passwd", None),
        ("", None),
    ],
)
def test_time_zones_have_names(words: str, name: str | None) -> None:
    assert zones.named(words) == name


def test_time_zones_are_offered_to_who_types() -> None:
    assert zones.offers("berl")[0] == "Europe/Berlin"
    assert zones.offers("Berln") == ["Europe/Berlin"]
    assert zones.offers("Shang")[0] == "Asia/Shanghai"
    assert len(zones.offers("")) == zones.MOST
    assert zones.offers("xyzzy") == []


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A machine that is somewhere; the library asks only once."""

    def is_in(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setattr("tzlocal.unix._cache_tz_name", None)

    return is_in


def test_the_machines_own_zone_is_a_zone(machine: Callable[[str], None]) -> None:
    machine("Asia/Shanghai")
    assert zones.usual() == "Asia/Shanghai"
    machine("Nowhere/Land")
    assert zones.usual() in zones.names()


# --- posting


@dataclass
class Chat:
    """A Reminder of our own port; it shows what it is given."""

    platform: str = "local"
    audience: Audience = EVERYONE
    can: bool = True
    crash: BaseException | None = None
    shown: list[tuple[str, str, Answer]] = field(default_factory=list)

    async def remind(self, group: str, place: str, recall: Recall) -> None:
        if not self.can:
            return
        answer = await recall(self.audience)
        if self.crash is not None:
            raise self.crash
        if answer is not None:
            self.shown.append((group, place, answer))


@dataclass
class Clock:
    now: datetime = MORNING

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "box.db") as store:
        yield store


def memories_of(store: SqliteStore, clock: Clock) -> Memories:
    return Memories(store, ModelState("none"), clock)


async def on(store: SqliteStore, group: str = FAM, zone: str = "Europe/Berlin") -> None:
    await store.groups.meet(Group(group, ""))
    await store.groups.take_note(group, SET, Mornings("main", zone).text())


async def remembered(store: SqliteStore, years: int, message: str, **more: object) -> int:
    posted = MORNING.replace(year=MORNING.year - years)
    post = a_post(message, posted_at=posted, **more)  # type: ignore[arg-type]
    (photo,) = (await store.remember(post)).added
    return photo


def photos_in(answer: Answer) -> list[int]:
    return [hit.photo.id for hit in answer.hits]


async def test_a_morning_has_its_memories_once_also_after_a_restart(tmp_path: Path) -> None:
    clock, chat = Clock(MORNING.replace(hour=7)), Chat()  # 8:00 in Berlin
    async with SqliteStore(tmp_path / "box.db") as store:
        await on(store)
        photo = await remembered(store, 3, "1")
        await remembered(store, 0, "2")
        memories = memories_of(store, clock)
        await memories.round([chat])
        assert chat.shown == [], "not before nine"
        clock.now = MORNING.replace(hour=8, minute=0)
        await memories.round([chat])
        ((group, place, answer),) = chat.shown
        assert (group, place) == (FAM, "main")
        assert answer.sentence == "3 years ago today:"
        assert photos_in(answer) == [photo]
        assert answer.token is not None
        words, hits = await store.answers.page(answer.token, FAM, "x", [FAM], EVERYONE, 0)
        assert words == "on this day"
        assert [hit.photo.id for hit in hits] == [photo], "buttons lead on"
        await memories.round([chat])
    async with SqliteStore(tmp_path / "box.db") as store:
        await memories_of(store, clock).round([chat])
        assert len(chat.shown) == 1
        clock.now += timedelta(days=365)
        await memories_of(store, clock).round([chat])
        (_, (_, _, answer)) = chat.shown
        assert answer.sentence == "On this day in earlier years:"
        assert len(answer.hits) == 2


async def test_a_crash_while_posting_repeats_nothing(tmp_path: Path) -> None:
    clock, chat = Clock(), Chat(crash=KeyboardInterrupt())
    async with SqliteStore(tmp_path / "box.db") as store:
        await on(store)
        await remembered(store, 1, "1")
        with pytest.raises(KeyboardInterrupt):
            await memories_of(store, clock).round([chat])
    chat.crash = None
    async with SqliteStore(tmp_path / "box.db") as store:
        await memories_of(store, clock).round([chat])
        assert chat.shown == []


async def test_down_all_morning_means_no_memories_that_day(store: SqliteStore) -> None:
    clock, chat = Clock(MORNING.replace(hour=11)), Chat()  # noon in Berlin
    await on(store)
    await remembered(store, 1, "1")
    await memories_of(store, clock).round([chat])
    assert chat.shown == []
    clock.now = MORNING.replace(hour=10, minute=59)
    chat.can = False
    await memories_of(store, clock).round([chat])
    chat.can = True
    await memories_of(store, clock).round([chat])
    assert len(chat.shown) == 1, "until then it is tried again where nothing could be shown"


async def test_only_what_may_be_shown_to_those_who_read_it(store: SqliteStore) -> None:
    chat = Chat(audience=Audience(frozenset({"main"})))
    await on(store)
    await on(store, "local:left")
    await on(store, "other:fam")
    shown = await remembered(store, 2, "1")
    await remembered(store, 2, "2", channel="secret")
    await remembered(store, 2, "3", spoiler=True)
    await remembered(store, 2, "4", protected=True)
    await remembered(store, 2, "5", author="quiet")
    await store.people.refuse("quiet", refuses=True)
    refused = await remembered(store, 2, "6")
    await store.refuse(refused, "the file is empty", final=True)
    await remembered(store, 2, "7", group="local:left")
    await store.groups.leave("local:left", MORNING)
    await remembered(store, 2, "8")
    await store.forget(FAM, "main", "8")
    await memories_of(store, Clock()).round([chat])
    assert [(group, photos_in(answer)) for group, _, answer in chat.shown] == [(FAM, [shown])]
    assert chat.shown[0][2].spare == ()


async def test_copies_are_one_and_the_rest_waits(store: SqliteStore) -> None:
    chat, seen = Chat(), np.random.default_rng(1).integers(0, 256, SIZE, np.uint8).tobytes()
    await on(store)
    photos = [await remembered(store, years, str(years)) for years in range(1, 7)]
    await store.save_fingerprints(dict.fromkeys(photos[:2], seen))
    await memories_of(store, Clock()).round([chat])
    answer = chat.shown[0][2]
    assert photos_in(answer) == [photos[0], photos[2], photos[3]]
    assert [copy.photo.id for copy in answer.hits[0].copies] == [photos[1]]
    assert [hit.photo.id for hit in answer.spare] == photos[4:], "for those that have vanished"
    assert [hit.rank for hit in (*answer.hits, *answer.spare)] == [1, 2, 3, 4, 5]
    assert sentence(answer.hits[:1], MORNING.date(), BERLIN) == "On this day in earlier years:"


async def test_one_groups_trouble_is_not_anothers(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    broken, fine = Chat("broken", crash=RuntimeError("no")), Chat()
    await on(store, "broken:a")
    await on(store)
    for group in ("broken:a", FAM):
        await remembered(store, 1, "1", group=group)
    with caplog.at_level(logging.ERROR):
        await memories_of(store, Clock()).round([broken, fine])
        await memories_of(store, Clock()).round([broken, fine])
    assert len(fine.shown) == 1
    assert len(caplog.records) == 1, "that morning is over for it"


async def test_a_day_without_photos_is_done_with(store: SqliteStore) -> None:
    chat = Chat()
    await on(store)
    await memories_of(store, Clock()).round([chat])
    await remembered(store, 1, "1")
    await memories_of(store, Clock()).round([chat])
    assert chat.shown == []


# --- choosing


async def test_an_admin_chooses(store: SqliteStore, machine: Callable[[str], None]) -> None:
    machine("Asia/Shanghai")
    clock = Clock(MORNING.replace(hour=0))
    memories = memories_of(store, clock)
    await store.groups.meet(Group(FAM, "fam"))
    assert (await memories.choose(FAM, "main", "")).startswith("I show no memories")
    assert "9:00 (Asia/Shanghai)" in await memories.choose(FAM, "main", "on")
    assert "9:00 (Europe/Berlin)" in await memories.choose(FAM, "den", "ON berlin")
    assert await memories.choice(FAM) == Mornings("den", "Europe/Berlin")
    assert "9:00 (Europe/Berlin)" in await memories.choose(FAM, "main", "on"), "it stays"
    unknown = await memories.choose(FAM, "main", "on Berln")
    assert unknown.endswith("Did you mean one of these? Europe/Berlin")
    assert (await memories.choose(FAM, "main", "on x" + "y" * 999)).endswith("like Europe/Berlin.")
    assert (await memories.choose(FAM, "main", "sometimes")).startswith("Write /memories on")
    assert await memories.choice(FAM) == Mornings("main", "Europe/Berlin")
    assert (await memories.choose(FAM, "main", "off")).endswith("no memories in the morning.")
    assert await memories.choice(FAM) is None
    await store.groups.erase(FAM)
    assert await memories.choice(FAM) is None, "it goes with the group"


async def test_who_says_on_after_nine_means_tomorrow(store: SqliteStore) -> None:
    clock, chat = Clock(), Chat()
    memories = memories_of(store, clock)
    await remembered(store, 1, "1")
    await memories.choose(FAM, "main", "on Europe/Berlin")
    await memories.round([chat])
    assert chat.shown == []
    clock.now += timedelta(days=1)
    tomorrow = (MORNING + timedelta(days=1)).replace(year=MORNING.year - 1)
    await store.remember(a_post("2", posted_at=tomorrow))
    await memories.round([chat])
    assert len(chat.shown) == 1
    await memories.choose(FAM, "main", "off")
    await memories.choose(FAM, "main", "on America/New_York")  # 3:30 there
    clock.now += timedelta(hours=6)
    await memories.round([chat])
    assert len(chat.shown) == 1, "that day is done"
    assert clock.now.astimezone(ZoneInfo("America/New_York")).time() >= time(9)
