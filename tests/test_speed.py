"""The benchmarks of speed in small: they run, compare like with like, and tell what they measured.
`python -m benchmarks.indexing`, `.query` and `.start` measure the whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import indexing, models, phone, query, rounds, start
from tests.tinyclip import export_here, save_tiny_clip

TINY = "tiny"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(architecture: str, folder: Path) -> Path:
        return save_tiny_clip(folder / architecture, width=32)

    export_here(monkeypatch)
    monkeypatch.setattr(models, "make", make)
    monkeypatch.setattr(models, "SMALL", TINY)
    monkeypatch.setattr(phone, "SIZES", {"12 MP": (400, 300), "2 MP": (320, 240)})


async def test_everybody_indexes_the_same_photos(tmp_path: Path) -> None:
    report = await indexing.measure(tmp_path, TINY, dict.fromkeys(indexing.COUNTS, 9), 1)
    ways = {indexing.OURS, indexing.READING, indexing.ALONE}
    rivals = {indexing.LOOP, indexing.VESTA, indexing.RCLIP}
    for size, rates in report.rates.items():
        assert set(rates) == (ways if size == indexing.RENDERED else ways | rivals)
        assert all(figure.median > 0 for figure in rates.values())
    assert min(report.cosine.values()) > 0.99
    written = indexing.document(report)
    assert written.count("\n- ") == 10
    assert "rclip 3.3's way" in written


async def test_questions_are_read_the_same(tmp_path: Path) -> None:
    rows = await query.measure(tmp_path, TINY, repeats=1)
    assert [row.kind for row in rows] == list(query.QUESTIONS)
    assert min(row.cosine for row in rows) > 0.999
    assert all(row.again.median < row.ours.median for row in rows)
    report = query.Report(rows, rounds.machine("torch"))
    assert "times open_clip" in query.document(report)


def test_commands_are_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "DOCS", tmp_path)
    report = start.measure(tmp_path, (), 1)
    assert all(0 < figure.median < 60 for figure in report.commands.values())
    rounds.save("start", start.document(report), asdict(report))
    assert "`status` in" in (tmp_path / "start.md").read_text()
    assert set(json.loads((tmp_path / "start.json").read_text())["commands"]) == set(start.COMMANDS)


@pytest.mark.parametrize("size", [(400, 300), (192, 108)])
def test_a_phones_photo_has_its_size(size: tuple[int, int]) -> None:
    from io import BytesIO

    from PIL import Image

    jpeg = phone.photo(size, 1)
    assert Image.open(BytesIO(jpeg)).size == size
    assert phone.photo(size, 1) == jpeg
    assert phone.photo(size, 2) != jpeg
