"""Several processes in a flood, in small; `python -m benchmarks.upheaval` is the whole of it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import asyncpg

from benchmarks import upheaval
from benchmarks.upheaval import Run
from tests.postgres import Server


async def test_killed_and_cut_off_they_lose_nothing_and_losses_are_noticed(
    postgres_server: Server, postgres_url: str, tmp_path: Path
) -> None:
    what = ("encoder", "gateway", "cut")
    run = await upheaval.upheaval(
        tmp_path,
        postgres_url,
        postgres_server,
        photos=30,
        what=what,
        chance=Random(1),
        pace=0.1,
        pause=(0.5, 1.5),
        replaced=False,
        say=lambda line: None,
    )
    assert (run.faults, run.gave_up) == ([], [])
    assert run.photos == len(run.posted) >= 30
    assert sorted(run.upheavals) == sorted(what)
    for harm, fault in (
        ("DELETE FROM vectors WHERE photo_id IN (SELECT min(id) FROM photos)", "[1, 1, 0, 1]"),
        ("UPDATE vectors SET vector = (SELECT vector FROM vectors LIMIT 1)", "told apart"),
        ("INSERT INTO jobs SELECT group_id, id, 'read' FROM photos LIMIT 1", "1 jobs wait"),
        ("DELETE FROM posts WHERE id = (SELECT max(id) FROM posts)", "lost: [('telegram:"),
        ("UPDATE posts SET message = '-1' WHERE id = (SELECT max(id) FROM posts)", "never posted"),
    ):
        db = await asyncpg.connect(postgres_url)
        await db.execute(harm)
        await db.close()
        again = Run(posted=run.posted)
        await upheaval._look(postgres_url, again)
        assert any(fault in each for each in again.faults), (harm, again.faults)
