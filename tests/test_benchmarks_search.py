"""The benchmarks of searches in small: they run, and what they found is right."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks import growth, search


async def test_searches_are_measured_against_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "WRITES", 2)
    report = await search.run([5_000], tmp_path, 7, rounds=2, judged=20)
    [size] = report.sizes
    assert len(size.asked) == 7
    assert min(figure.least for figure in size.asked.values()) > 0
    assert size.recall[search.SHOEBOX] == 1
    for name, recall in size.recall.items():
        assert recall == 1 or "int8" in name, name
    assert "5,000 photos" in search.document(report)


async def test_growth_is_measured_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_a_thread(
        path: Path, groups: Sequence[str], seed: int, megabytes: int = 64
    ) -> growth.Point:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, growth.ask(path, groups, seed, megabytes)).result()

    monkeypatch.setattr(growth, "_in_a_process", in_a_thread)  # which takes a second each
    report = await growth.measure([200], [1, 3], tmp_path, 7, small=50)
    assert set(report.in_group) == set(report.bounded) == set(report.in_others) == {200}
    assert set(report.of_groups) == set(report.in_turn) == {1, 3}
    assert all(point.later > 0 for point in report.in_group.values())
    growth.plot(report, tmp_path / "growth.svg")
    assert (tmp_path / "growth.svg").stat().st_size > 1000
    assert "| 200 |" in growth.document(report)
