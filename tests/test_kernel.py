"""Products of int8 codes, and middles of values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import kernel
from storage.columns import Queries, coded, cosines
from storage.scan import median


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 700), st.sampled_from((1, 3, 64, 512, 768)), st.integers())
def test_both_ways_give_the_exact_products(
    queries: int, photos: int, dimension: int, seed: int
) -> None:
    rng = np.random.default_rng(abs(seed))
    asked = rng.integers(-127, 128, (queries, dimension), dtype=np.int8)
    codes = rng.integers(-127, 128, (photos, dimension), dtype=np.int8)
    right = asked.astype(np.int32) @ codes.astype(np.int32).T
    for way in (kernel.pairwise, kernel.packed, kernel.dots):
        found = way(asked, codes)
        assert found.dtype == np.float32
        assert found.flags.writeable
        np.testing.assert_array_equal(found, right)


def test_rows_that_lie_apart_are_multiplied_too() -> None:
    codes = np.arange(64 * 512).astype(np.int8).reshape(64, 512)
    asked = codes[:2]
    right = asked.astype(np.int32) @ codes[::3].astype(np.int32).T
    for way in (kernel.pairwise, kernel.packed):
        np.testing.assert_array_equal(way(asked, codes[::3]), right)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_coded_cosines_are_nearly_right(count: int) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(500, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    codes, scales = coded(vectors)
    asked = vectors[:count]
    found = cosines(Queries(asked), codes, scales)
    np.testing.assert_allclose(found, asked @ vectors.T, atol=0.01)


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=200))
def test_the_median_is_numpys(values: list[float]) -> None:
    array = np.array(values, np.float32)
    assert median(array) == pytest.approx(float(np.median(array)), abs=1e-5)


def test_the_median_of_nothing_is_nothing() -> None:
    assert median(np.zeros(0, np.float32)) == 0
