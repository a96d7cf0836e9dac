"""The crash torture, small; `python -m benchmarks.torture` is the whole of it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from benchmarks import reliability, torture
from benchmarks.torture import Run


def test_killed_at_random_moments_it_loses_nothing_and_losses_are_noticed(tmp_path: Path) -> None:
    run = torture.torture(tmp_path, kills=3, seed=3, pace=0.1, say=lambda line: None)
    assert run.faults == []
    assert run.kills == 3
    assert len(run.kept) > 3
    assert run.photos > 3
    for harm, fault in (
        ("DELETE FROM posts WHERE message = '0'", "lost: [0]"),
        ("DELETE FROM vectors WHERE photo_id = 2", "0 vectors"),
        ("UPDATE vectors SET vector = (SELECT vector FROM vectors WHERE photo_id = 4)", "another"),
        ("INSERT INTO jobs (photo_id, task) VALUES (4, 'read')", "1 jobs wait"),
        ("DELETE FROM texts_index_data WHERE id > 10", "texts_index"),
    ):
        with contextlib.closing(sqlite3.connect(tmp_path / "box.db")) as db, db:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute(harm)
        again = Run(kept=run.kept, forgotten=run.forgotten, maybe=run.maybe)
        torture._look(again, tmp_path / "box.db", starter=False)
        assert any(fault in each for each in again.faults), (harm, again.faults)


def test_each_command_writes_its_own_part_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "reliability.md"
    reliability.write("one", "first", page)
    reliability.write("two", "second", page)
    reliability.write("one", "changed \\1", page)
    text = page.read_text("utf-8")
    assert text.startswith("# Reliability")
    assert "first" not in text
    assert text.index("changed \\1") < text.index("second")
