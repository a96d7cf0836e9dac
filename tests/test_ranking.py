"""A rare exact word beats a vague resemblance; a common word does not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.answers import Signal
from bot.candidates import Candidate, Candidates, Level
from bot.ranking import Ranked, lookups, partly_said, rank
from bot.words import terms


def ranked(query: str, *items: Candidate, total: int = 100, median: float = 0.1) -> list[Ranked]:
    return rank(terms(query), Candidates(total, median, items))


def order(query: str, *items: Candidate, total: int = 100) -> list[int]:
    return [found.photo for found in ranked(query, *items, total=total)]


def seen(photo: int, cosine: float | None, caption: str = "", text: str = "") -> Candidate:
    return Candidate(photo, cosine, caption, text, neutral=0.1, rival=0.17)


def test_a_rare_word_on_a_thing_beats_the_best_resemblance() -> None:
    assert order("akai", seen(1, 0.35), seen(2, 0.12, text="akai professional")) == [2, 1]


def test_a_common_word_does_not() -> None:
    many = [seen(n, 0.1, caption="trip to the sea") for n in range(10, 90)]
    assert order("sea", seen(1, 0.35), *many)[0] == 1


def test_more_of_the_query_is_better() -> None:
    assert order("birthday cake", seen(1, None, "cake"), seen(2, None, "birthday cake")) == [2, 1]


def test_whole_words_before_beginnings_before_insides() -> None:
    found = order(
        "won",
        seen(1, None, text="bigwon"),
        seen(2, None, text="wonderful"),
        seen(3, None, text="big won"),
    )
    assert found == [3, 2, 1]


def test_chinese_runs_count_whole_and_in_parts() -> None:
    found = order(
        "生日蛋糕",
        seen(1, None, "小明的蛋糕和生日"),
        seen(2, None, "小明的生日蛋糕"),
        seen(3, None, "自行车"),
    )
    assert found == [2, 1]
    assert {"生日蛋糕", "生日", "日蛋", "蛋糕"} <= set(lookups(["生日蛋糕"]))


def test_fillers_count_only_when_nothing_else_is_asked() -> None:
    assert lookups(terms("a photo of the goose")) == ["goose"]
    assert lookups(["the"]) == ["the"]


def test_every_hit_says_why() -> None:
    found = ranked(
        "akai", seen(1, 0.4), seen(2, 0.1, text="akai"), seen(3, None, "akai"), seen(4, 0.4, "akai")
    )
    why = {r.photo: r.why for r in found}
    assert why[1] == (Signal.MEANING,)
    assert why[2] == (Signal.TEXT,)
    assert why[3] == (Signal.CAPTION,)
    assert why[4] == (Signal.MEANING, Signal.CAPTION)


def test_without_a_vector_only_words_find() -> None:
    assert order("cake", seen(1, None, "bread"), seen(2, None, "cake")) == [2]


words = st.text("ab c生日", max_size=12)
candidates = st.builds(
    Candidate,
    photo=st.integers(1, 10**6),
    cosine=st.none() | st.floats(-1, 1),
    caption=words,
    text=words,
)


@given(
    st.lists(candidates, max_size=12, unique_by=lambda c: c.photo),
    st.lists(st.sampled_from(["a", "ab", "abc", "生", "生日", "生日b"]), min_size=1, unique=True),
    st.floats(-1, 1),
    st.integers(0, 50),
)
def test_the_order_is_stable_and_scores_are_shares(
    items: list[Candidate], asked: list[str], median: float, total: int
) -> None:
    found = rank(asked, Candidates(total, median, tuple(items)))
    assert found == rank(asked, Candidates(total, median, tuple(reversed(items))))
    assert all(0 <= r.score <= 1 and r.why for r in found)
    assert [r.score for r in found] == sorted((r.score for r in found), reverse=True)
    assert {r.photo for r in found} <= {c.photo for c in items}


# Whether anything fits

NOTHING = Level(
    median=0.1,
    spread=0.02,
    chance=2.5,
    neutral=0.16,
    neutral_spread=0.01,
    plain=0.1,
    company=0.15,
    familiarity=0.0,
)


def fitting_ones(query: str, *items: Candidate, total: int = 100) -> list[int]:
    candidates = Candidates(total, 0.1, items, NOTHING)
    return [found.photo for found in rank(terms(query), candidates) if found.fits]


def test_only_what_rises_above_nothing_fits() -> None:
    assert fitting_ones("goose", seen(1, 0.25), seen(2, 0.15)) == [1]
    assert fitting_ones("goose", seen(1, 0.16), seen(2, 0.15)) == []


def test_what_is_better_called_something_else_does_not_fit() -> None:
    goose = seen(1, 0.17)
    assert fitting_ones("goose", replace(goose, rival=0.12)) == [1]
    assert fitting_ones("goose", replace(goose, rival=0.18)) == [], "a duck"


def test_what_words_hold_in_part_is_told_with_the_photos_that_hold_it() -> None:
    often = [seen(n, 0.1, caption="a cup in the kitchen") for n in range(10, 70)]
    items = (seen(1, 0.1, "henrik in the kitchen"), seen(2, 0.1, text="henrik"), *often)
    found = partly_said(terms("henrik cup"), Candidates(100, 0.1, items, NOTHING))
    assert found == [(frozenset({"henrik"}), frozenset({1, 2}))], "a cup is in most of them"


def test_what_words_hold_in_part_is_judged_by_the_rest() -> None:
    mine, other = seen(1, 0.1, "henrik"), seen(2, 0.1, "henrik")
    asked = terms("henrik cup")
    whole = Candidates(100, 0.1, (mine, other, seen(3, 0.12)), NOTHING)
    rest = Candidates(2, 0.1, (replace(mine, cosine=0.24), other), replace(NOTHING, chance=1.0))
    found = rank(asked, whole, rests={frozenset({"henrik"}): rest})
    assert {r.photo: r.fits for r in found} == {1: True, 2: False, 3: False}


def test_what_leads_no_more_than_the_best_of_so_many_by_chance_does_not_fit() -> None:
    photo = replace(seen(1, 0.17), rival=0.12)
    among_millions = Candidates(10**6, 0.1, (photo,), replace(NOTHING, chance=4.8))
    assert [found.fits for found in rank(["goose"], among_millions)] == [False]


def test_a_rare_word_fits_by_itself_and_a_part_of_common_ones_does_not() -> None:
    assert fitting_ones("akai keys", seen(1, 0.1, text="akai"), seen(2, 0.14)) == [1]
    chatter = [seen(n, 0.1, caption="good night") for n in range(10, 40)]
    assert fitting_ones("wizard at night", *chatter) == []
    assert len(fitting_ones("night", *chatter)) == len(chatter), "it is all that was asked"


def test_blank_frames_fit_only_what_is_about_them() -> None:
    blank = replace(seen(1, 0.4), plain=True)
    assert fitting_ones("goose", blank, seen(2, 0.3)) == [2]
    assert [
        r.photo for r in rank(["goose"], Candidates(9, 0.1, (blank, seen(2, 0.2)), NOTHING))
    ] == [
        2,
        1,
    ]
    about = replace(NOTHING, plain=0.4)
    found = rank(["black"], Candidates(9, 0.1, (blank, seen(2, 0.3)), about))
    assert found[0].photo == 1
    assert found[0].fits


def test_what_waits_for_its_vector_fits_by_its_words() -> None:
    assert fitting_ones("goose", seen(1, None, "the goose"), seen(2, 0.1)) == [1]


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=10),
    st.floats(-1, 0.1),
    st.booleans(),
)
def test_an_irrelevant_photo_never_changes_who_fits(
    cosines: list[float], other: float, plain: bool
) -> None:
    items = [seen(n, cosine) for n, cosine in enumerate(cosines, start=1)]
    more = replace(seen(99, other), plain=plain)
    assert fitting_ones("goose", *items) == fitting_ones("goose", *items, more)
