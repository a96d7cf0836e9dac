"""The benchmark of right answers in small: its bars hold, so that no change makes answers worse
unseen. `python -m benchmarks.relevance` measures the whole."""

from __future__ import annotations

from pathlib import Path
from random import Random

from benchmarks import relevance
from benchmarks.group import absent, draw, scenes
from benchmarks.questions import WITHOUT_ANSWER, ask
from bot.starter.scenes import Painter

SCENES, SHARE, SEED = 150, 0.12, 5


def test_questions_without_an_answer_have_none(painter: Painter) -> None:
    rng = Random(1)
    left_out = absent(rng, 60)
    photos = draw(painter, rng, 120, left_out)
    shown = {thing.concept for p in scenes(photos) if p.scene for thing in p.scene.things}
    assert not shown & set(left_out)
    said = " ".join(f"{p.caption} {p.text} {p.reply}" for p in photos).lower()
    halves = ask(photos, left_out, rng, 0.2)
    texts = [question.words for half in halves for question in half]
    assert len(set(texts)) == len(texts) == 2 * 60
    for half in halves:
        for question in half:
            assert bool(question.right) == (question.kind not in WITHOUT_ANSWER)
    assert not any(f" {name} " in f" {said} " for c in left_out for name in c.en)


async def test_the_bars_hold_in_a_small_group(painter: Painter, tmp_path: Path) -> None:
    report = await relevance.measure(painter, tmp_path, SCENES, SHARE, SEED)
    first, last = report.rows[0], report.rows[-1]
    assert [row.step for row in report.rows] == list(relevance.STEPS)
    assert report.blank_first == 0
    assert last.false_answers <= 0.15
    assert last.all.missed <= 0.2, "of 24 questions; the benchmark has 200"
    assert last.by_words.recall_at_3 >= first.by_words.recall_at_3 + 0.5
    assert last.others.recall_at_3 >= first.others.recall_at_3
    assert last.all.recall_at_3 >= 0.65
    written = relevance.document(report)
    assert "| + captions |" in written
    assert "seed 5" in written
