"""Words must be comparable however they were typed, printed or read off a photo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.words import fold, terms


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("  Birthday\n CAKE ", "birthday cake"),
        ("ＡＫＡＩ　ＭＰＣ", "akai mpc"),
        ("Café Zoë", "cafe zoe"),
        ("Straße", "strasse"),
        ("ЁЛКА", "елка"),
        ("が", "が"),
        ("हिन्दी", "हिन्दी"),
        ("開往", "開往"),
        ("", ""),
        ("\x00\n", "\x00"),
    ],
)
def test_fold(typed: str, folded: str) -> None:
    assert fold(typed) == folded


@pytest.mark.parametrize(
    ("folded", "expected"),
    [
        ("birthday cake", ["birthday", "cake"]),
        ("cake, cake & tea!", ["cake", "tea"]),
        ("ann's b-52 v1.5", ["ann's", "b-52", "v1.5"]),
        ("开往汽车总站 12路", ["开往汽车总站", "12", "路"]),
        ("tom的生日", ["tom", "的生日"]),
        ("?!… _", []),
        ("🎂", []),
    ],
)
def test_terms(folded: str, expected: list[str]) -> None:
    assert terms(folded) == expected


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(text: str) -> None:
    once = fold(text)
    assert fold(once) == once


@given(st.text(max_size=60))
def test_terms_are_parts_of_the_text(text: str) -> None:
    folded = fold(text)
    found = terms(folded)
    assert all(term and term in folded for term in found)
    assert len(set(found)) == len(found)
