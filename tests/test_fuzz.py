"""Damaged files cost themselves at most (python -m benchmarks.fuzz does it at length)."""

from __future__ import annotations

from benchmarks import fuzz
from bot.decoder import Decoder


async def test_damaged_files_harm_nobody() -> None:
    seen: list[int] = []
    result = await fuzz.run(300, 5, seen.append)
    assert seen[-1] == 300
    assert result.faults == []
    assert result.opened > 20, "some damage doesn't show"
    assert sum(result.refused.values()) == 300 - result.opened > 100
    assert "| damaged files | 300 |" in fuzz.report(result, 5)


async def test_whole_pictures_of_every_format_are_opened() -> None:
    async with Decoder() as decoder:
        for name, pictures in fuzz.corpus().items():
            for data in pictures:
                assert await fuzz._opened(decoder, data) is None, name
