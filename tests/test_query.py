"""How a question is taken apart: filters, exact words, dates; and what is left alone."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import dates
from bot.periods import Period
from bot.query import Asked, parse

NOW = datetime(2026, 6, 17, 14).astimezone()
"""A Wednesday, wherever this runs."""


def day(moment: datetime | None) -> str:
    """A moment at which a day of this machine's zone begins."""
    if moment is None:
        return ""
    assert moment.utcoffset() is not None
    assert (moment.hour, moment.minute, moment.second) == (0, 0, 0)
    return f"{moment:%Y-%m-%d}"


def times(asked: Asked) -> tuple[str, str]:
    return day(asked.after), day(asked.before)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("birthday cake", Asked("birthday cake")),
        ("cake -people", Asked("cake", without=("people",))),
        ('-"two words" cake', Asked("cake", without=("two words",))),
        ("-“two words”, cake", Asked(", cake", without=("two words",))),
        ("－猫 狗", Asked("狗", without=("猫",))),
        ('big "happy birthday" cake', Asked("big cake", ("happy birthday",))),
        ("„alles Gute“ «bonne fête» ”grattis”", Asked("", ("alles Gute", "bonne fête", "grattis"))),
        ("「生日快乐」『妈妈』蛋糕", Asked("蛋糕", ("生日快乐", "妈妈"))),
        ("from:ann cake", Asked("cake", authors=("ann",))),
        ('cake from:"Ann Lee"', Asked("cake", authors=("Ann Lee",))),
        ("From:Ann from:bob", Asked("", authors=("Ann", "bob"))),
        ("来自:小明 蛋糕", Asked("蛋糕", authors=("小明",))),
        ("蛋糕 来自：「王 小明」", Asked("蛋糕", authors=("王 小明",))),
        ("in:#kitchen cake", Asked("cake", channels=("#kitchen",))),
        ("cake in:kitchen, please", Asked("cake please", channels=("kitchen",))),
        ("在：厨房 猫", Asked("猫", channels=("厨房",))),
        ("in:<#12> from:<@!34>", Asked("", authors=("<@!34>",), channels=("<#12>",))),
    ],
)
def test_filters(text: str, asked: Asked) -> None:
    assert parse(text, NOW) == asked


@pytest.mark.parametrize(
    "text",
    """may
sun
may the dog jump
march of the penguins
second
the second dog
now
on
1 2 3
iphone 12
iphone 12 may break
birthday cake
2023
blade runner 2049
in 2049
in 2001: a space odyssey
class of 2019
made in 2019
best before 2024-05-17
exp 2024-05-17
version 2023-12-24-3
05/06/2023
sat on a chair
sunday roast
24 hours
5 years old
room 101
day and night
summer
christmas
spring onions
fall leaves
well-known t-shirt
5" display 10" screen
he said "hi
-20 degrees
from: ann
https://example.org/in:x
note: from the beach
10:30
31 february 2023
31.02.2023
五月天
5月
一只猫
春天的花
圣诞节
如今年轻人
去年糕店
马上周末
本周刊
生产日期 2023年5月
2023年13月
""".splitlines(),
)
def test_ordinary_words_stay(text: str) -> None:
    assert parse(text, NOW) == Asked(text)


@pytest.mark.parametrize(
    ("text", "after", "before", "words"),
    [
        ("after:2024", "2024-01-01", "", ""),
        ("after:2024-05 cake", "2024-05-01", "", "cake"),
        ("before:2024-05-17", "", "2024-05-17", ""),
        ("on:2023-12-24", "2023-12-24", "2023-12-25", ""),
        ("on:2023", "2023-01-01", "2024-01-01", ""),
        ("on:24.12.2023", "2023-12-24", "2023-12-25", ""),
        ("on:12/24/2023", "2023-12-24", "2023-12-25", ""),
        ("after:yesterday", "2026-06-16", "", ""),
        ("before:“last christmas”", "", "2025-12-24", ""),
        ("before:last christmas tree", "", "2025-12-24", "tree"),
        ("on:christmas", "2025-12-24", "2025-12-27", ""),
        ("after:may", "2026-05-01", "", ""),
        ("after:gestern", "2026-06-16", "", ""),
        ("after:hier", "2026-06-16", "", ""),
        ('after:"letzte Woche"', "2026-06-08", "", ""),
        ("after:去年夏天 猫", "2025-06-01", "", "猫"),
        ("after:2020 before:2022 after:2021", "2021-01-01", "2022-01-01", ""),
        ("beach in May 2023", "2023-05-01", "2023-06-01", "beach"),
        ("beach may 2023", "2023-05-01", "2023-06-01", "beach"),
        ("cat in may", "2026-05-01", "2026-06-01", "cat"),
        ("cat in december", "2025-12-01", "2026-01-01", "cat"),
        ("dogs in 2023", "2023-01-01", "2024-01-01", "dogs"),
        ("yesterday", "2026-06-16", "2026-06-17", ""),
        ("yesterday's breakfast", "2026-06-16", "2026-06-17", "breakfast"),
        ("today", "2026-06-17", "2026-06-18", ""),
        ("the day before yesterday", "2026-06-15", "2026-06-16", ""),
        ("last night", "2026-06-16", "2026-06-18", ""),
        ("cat last week", "2026-06-08", "2026-06-15", "cat"),
        ("cat this week", "2026-06-15", "2026-06-22", "cat"),
        ("last weekend", "2026-06-13", "2026-06-15", ""),
        ("last monday", "2026-06-15", "2026-06-16", ""),
        ("last month", "2026-05-01", "2026-06-01", ""),
        ("last year", "2025-01-01", "2026-01-01", ""),
        ("two weeks ago", "2026-06-01", "2026-06-08", ""),
        ("cake 3 days ago", "2026-06-14", "2026-06-15", "cake"),
        ("a couple of weeks ago", "2026-06-01", "2026-06-08", ""),
        ("a year ago", "2025-01-01", "2026-01-01", ""),
        ("last summer", "2025-06-01", "2025-09-01", ""),
        ("the summer of 2023", "2023-06-01", "2023-09-01", ""),
        ("snow last winter", "2025-12-01", "2026-03-01", "snow"),
        ("snow this winter", "2025-12-01", "2026-03-01", "snow"),
        ("dog on christmas 2023", "2023-12-24", "2023-12-27", "dog"),
        ("17th of May 2023", "2023-05-17", "2023-05-18", ""),
        ("dinner on May 17, 2023", "2023-05-17", "2023-05-18", "dinner"),
        ("Sept 2023", "2023-09-01", "2023-10-01", ""),
        ("on 5 may", "2026-05-05", "2026-05-06", ""),
        ("the last 3 days", "2026-06-14", "", ""),
        ("dogs since 2020", "2020-01-01", "", "dogs"),
        ("dogs before May 2022", "", "2022-05-01", "dogs"),
        ("since 2020 before 2022", "2020-01-01", "2022-01-01", ""),
        ("from May 2023 to July 2023 beach", "2023-05-01", "2023-08-01", "beach"),
        ("去年夏天的海边", "2025-06-01", "2025-09-01", "海边"),
        ("上个月", "2026-05-01", "2026-06-01", ""),
        ("昨天", "2026-06-16", "2026-06-17", ""),
        ("前天的猫", "2026-06-15", "2026-06-16", "猫"),
        ("2023年5月", "2023-05-01", "2023-06-01", ""),
        ("2023年5月17日的蛋糕", "2023-05-17", "2023-05-18", "蛋糕"),
        ("二〇二三年", "2023-01-01", "2024-01-01", ""),
        ("在2023年5月拍的猫", "2023-05-01", "2023-06-01", "猫"),
        ("三天前", "2026-06-14", "2026-06-15", ""),
        ("两周前的狗", "2026-06-01", "2026-06-08", "狗"),
        ("上周五的蛋糕", "2026-06-12", "2026-06-13", "蛋糕"),
        ("上周末", "2026-06-13", "2026-06-15", ""),
        ("最近三天", "2026-06-14", "", ""),
        ("2023年以前的狗", "", "2023-01-01", "狗"),
        ("去年圣诞节", "2025-12-24", "2025-12-27", ""),
        ("十二月二十四日", "2025-12-24", "2025-12-25", ""),
        ("2019年到2021年的狗", "2019-01-01", "2022-01-01", "狗"),
    ],
)
def test_dates(text: str, after: str, before: str, words: str) -> None:
    asked = parse(text, NOW)
    assert (*times(asked), asked.words) == (after, before, words)
    assert asked.dates


def test_a_date_in_words_is_told_and_quotes_keep_it() -> None:
    (hint,) = parse("beach last summer", NOW).hints
    assert "“last summer”" in hint
    assert "from 2025-06-01 to 2025-08-31" in hint
    assert parse('"last summer" beach', NOW) == Asked("beach", ("last summer",))
    assert parse("after:2024 beach", NOW).hints == (), "what is plain needs no words"


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("after:sometime dogs", "sometime dogs", "after:sometime"),
        ("on:12", "12", "on:12"),
        ("on:05/06/2023", "05/06/2023", "on:05/06/2023"),
        ("before:2024-13", "2024-13", "before:2024-13"),
        ("tom - at the beach", "tom - at the beach", "“-”"),
        ("-from:bob cat", "from:bob cat", "-from:bob"),
        ("yesterday and last summer", "and last summer", "last summer"),
    ],
)
def test_what_is_not_understood_is_searched_as_words(text: str, words: str, hint: str) -> None:
    asked = parse(text, NOW)
    assert asked.words == words
    assert hint in asked.hints[-1]


pieces = st.sampled_from(
    """cake - -cat -"two words" "exact text" “生日” 「猫」 from:ann from: from:"Ann Lee" 来自:小明
    in:#kitchen 在：厨房 after:2024 after:sometime before:“last christmas” on:2023-12-24 on:12 last
    summer yesterday 去年夏天 的 2023年5月 may in 2023 " “ ” -- -- -from:x : , . 12 # @ " « '
    since before two weeks ago to and""".split()
)
texts = (
    st.lists(pieces, max_size=10).map(" ".join)
    | st.text(max_size=40)
    | st.text('ab -:"“”「」from:in 年月日去昨前12', max_size=30)
)


moments = st.integers(10**9, 38 * 10**8).map(lambda at: datetime.fromtimestamp(at, UTC))


@settings(max_examples=300, deadline=None)
@given(texts, moments)
def test_nothing_is_lost_and_nothing_fails(text: str, now: datetime) -> None:
    asked = parse(text, now)
    kept = " ".join(
        (
            asked.words,
            *asked.phrases,
            *asked.without,
            *asked.authors,
            *asked.channels,
            *asked.dates,
            *asked.hints,
        )
    )
    left = re.sub(r"(?:from|in|after|before|on|来自|在)[:：]", "", text, flags=re.I)
    assert Counter(filter(str.isalnum, left)) <= Counter(kept)


@given(st.lists(st.from_regex(r"[^\W\d_]{1,8}", fullmatch=True), max_size=6))
def test_words_without_filters_stay_as_they_are(words: list[str]) -> None:
    text = " ".join(words)
    if not dates.find(text, NOW):
        assert parse(text, NOW) == Asked(text.strip())


@given(st.dates(date(1990, 1, 1), date(2060, 1, 1)), st.sampled_from(["{}", "{:%Y-%m}", "{:%Y}"]))
def test_a_day_lies_in_every_period_that_names_it(moment: date, form: str) -> None:
    period = dates.read(form.format(moment), NOW)
    assert period is not None
    assert period.start is not None
    assert period.end is not None
    assert period.start <= moment < period.end


@settings(deadline=None)
@given(moments)
def test_periods_in_words_are_in_the_past_and_have_a_length(now: datetime) -> None:
    for phrase in ("last summer", "last week", "yesterday", "last christmas", "去年冬天", "上个月"):
        period = dates.read(phrase, now)
        assert isinstance(period, Period)
        assert period.start is not None
        assert period.end is not None
        assert period.start < period.end
        assert period.start < now.astimezone().date()
