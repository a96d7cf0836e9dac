"""A flood in small (python -m benchmarks.flood is the large one)."""

from __future__ import annotations

from benchmarks import flood
from benchmarks.torture_child import Colours, QuickReader
from tests.pictures import photo


async def test_a_flood_keeps_nobody_waiting() -> None:
    seen: list[int] = []
    jpegs = [photo(n) for n in range(3)]
    async with QuickReader() as decoder:
        result = await flood.run(Colours(), decoder, jpegs, 200, 4.0, 3, seen.append, known=10)
    assert seen[-1] == result.posts == 200
    assert len(result.flooded.questions) >= 6
    assert len(result.flooded.findable) >= 3
    assert result.quiet.failed == result.flooded.failed == []
    assert [what for reached, what in flood.verdicts(result) if not reached] == []
    text = flood.report(result, "flood", "small")
    assert text.count("- reached: ") == 3


def test_what_is_missed_is_said() -> None:
    result = flood.Result(before_mb=100, most_mb=1000)
    result.flooded.failed.append("StoreError: full")
    result.flooded.questions, result.flooded.findable = [9.0], [60.0]
    result.quiet.findable = [1.0]
    assert [reached for reached, _ in flood.verdicts(result)] == [False, False, False]
    text = flood.report(result, "flood", "small")
    assert text.count("**missed**") == 3
    assert "StoreError: full" in text
