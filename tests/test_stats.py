"""A group in numbers: counts, words, and the picture of them."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot import barchart
from bot.language import language, speaking
from bot.photos import EVERYONE, Audience, Group, GroupStatus
from bot.stats import MOST_POSTERS, Poster, Stats, gather
from tests.stores import AnyStore
from tests.test_store import a_post

FAM = "local:fam"
TODAY = date(2026, 11, 24)
MONTHS = st.dictionaries(
    st.tuples(st.integers(1, 9999), st.integers(1, 12)).map(lambda each: date(*each, 1)),
    st.integers(1, 10**6),
    min_size=1,
    max_size=30,
).map(lambda found: sorted(found.items()))


@given(months=MONTHS)
def test_bars_hold_every_photo_and_leave_no_month_out(months: list[tuple[date, int]]) -> None:
    bars = barchart.bars(months, TODAY)
    assert len(bars) <= barchart.MOST_BARS
    assert sum(photos for _, photos in bars) == sum(photos for _, photos in months)
    firsts = [first for first, _ in bars]
    assert firsts == sorted(set(firsts))
    assert firsts[0] <= months[0][0]
    assert len(bars) == 1 or firsts[1] > months[0][0]


def test_a_quiet_time_is_seen() -> None:
    bars = barchart.bars([(date(2026, 8, 1), 3)], TODAY)
    assert bars == [(date(2026, 8, 1), 3)] + [(date(2026, n, 1), 0) for n in (9, 10, 11)]
    twelve_years = [(date(2014 + n // 12, n % 12 + 1, 1), n) for n in range(1, 144)]
    assert len(barchart.bars(twelve_years, TODAY)) == 154
    tomorrow = barchart.bars([(date(2027, 1, 1), 1)], TODAY)
    assert tomorrow[-1] == (date(2027, 1, 1), 1), "clocks of cameras run ahead"


@settings(max_examples=12, deadline=None)
@given(
    months=MONTHS,
    posted=st.lists(st.integers(1, 10**7), max_size=MOST_POSTERS),
    waiting=st.integers(0, 5),
)
def test_any_numbers_can_be_drawn(
    months: list[tuple[date, int]], posted: list[int], waiting: int
) -> None:
    png = barchart.draw(months, posted, waiting, max(waiting, 5), TODAY)
    with Image.open(io.BytesIO(png)) as image:
        assert image.width == barchart.WIDTH
        assert image.height < 1000
    assert len(png) < 200_000


def colours(png: bytes | None) -> set[str]:
    assert png is not None
    with Image.open(io.BytesIO(png)) as image:
        found = image.getcolors(1 << 20)
    assert found is not None
    return {"#{:02x}{:02x}{:02x}".format(*colour) for count, colour in found if count > 100}  # type: ignore[misc]


async def test_what_is_drawn_is_what_the_audience_may_see(store: AnyStore) -> None:
    assert await gather(store, FAM, EVERYONE, None, TODAY) is None
    await store.groups.meet(Group(FAM, "fam"))
    empty = await gather(store, FAM, EVERYONE, "no model", TODAY)
    assert empty == Stats(GroupStatus(FAM, "fam", 0, 0, 0, ()), "no model")
    for n in range(7):
        at = datetime(2020 + n, 2, 1, tzinfo=UTC)
        await store.remember(a_post(str(n), author=f"a{n}", author_name="王", posted_at=at))
    secret = a_post("9", channel="secret", author="x", author_name="Eve", keys="abcd")
    await store.remember(secret)
    everything = await gather(store, FAM, EVERYONE, None, TODAY)
    assert everything is not None
    assert everything.posters[0] == Poster("Eve", 4)
    assert len(everything.posters) == MOST_POSTERS
    assert everything.status.waiting == 11
    assert colours(everything.picture) >= {barchart.MONTHS, barchart.PEOPLE, barchart.GROUND}
    part = await gather(store, FAM, Audience(frozenset({"main"})), None, TODAY)
    assert part is not None
    assert Poster("Eve", 4) not in part.posters
    assert sum(photos for _, photos in part.months) == part.status.photos == 7
    in_haste = await gather(store, FAM, EVERYONE, None, TODAY, drawn=False)
    assert in_haste == Stats(everything.status)


def test_the_words_beside_it_stand_for_it() -> None:
    stats = Stats(
        GroupStatus(FAM, "", 12, 0, 0, ()),
        posters=(Poster("王 <b>", 9), Poster("", 1)),
        months=((date(2024, 5, 1), 9), (date(2026, 11, 1), 3)),
    )
    assert stats.ranked(str.upper) == ["1. 王 <B>: 9 photos", "2. somebody: 1 photo"]
    assert stats.pictured == (
        "Bars: photos by month, May 2024 to Nov 2026. Most in May 2024: 9 photos."
    )
    with speaking(language("zh")):
        assert (
            stats.pictured
            == "柱状图：2024年5月到2026年11月每个月的照片。最多的是2024年5月：9 张照片。"
        )
    assert Stats(stats.status).pictured == ""
