"""`python -m benchmarks.relevance`: does an answer hold the right photos, and none when there are
none?

A group of drawn scenes goes the way of any photo: SqliteStore, Indexer, Decoder, the starter model,
PhotoMemory. What is known of its photos is added step by step, and 600 questions are asked after
each step. The weights come from other groups (`benchmarks.tuning`). What is weighed, and the
threshold, were chosen with both halves of seed 6's group in sight, so that its figures flatter: ask
a group that nobody chose by with another --seed.

- recall@1: share of questions whose first photo is right. recall@3: of the right scenes, at most
  three, the share that is shown among the first three; a second copy of one scene is no find.
- nDCG@3 (Järvelin and Kekäläinen 2002) likewise, right or wrong.
- missed: a question with an answer gets none. false: a question without one gets a photo.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from unittest.mock import patch

from benchmarks.group import GROUP, Drawn, Shelf, absent, draw
from benchmarks.questions import BY_WORDS, WITHOUT_ANSWER, Question, ask
from benchmarks.rounds import machine
from bot import clip, duplicates
from bot.answers import Answer
from bot.decoder import Decoder
from bot.errors import ShoeboxError
from bot.indexing import Indexer
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import EVERYONE, Query
from bot.starter import families, files
from bot.starter.scenes import Painter
from storage.sqlite import SqliteStore

SCENES, LEFT_OUT, SEED = 2000, 60, 6
TOP = 3
STEPS = ("meaning only", "+ text", "+ captions", "+ replies", "+ duplicates collapsed")
DOCS = Path(__file__).parent.parent / "docs" / "benchmarks"
BAR_FALSE, BAR_MISSED, BAR_GAIN = 0.05, 0.05, 0.15
FLATTERS = """\
**These figures flatter**: what is weighed was chosen with both halves of this group in sight. Two
groups that nothing was chosen by (seeds 501 and 502; 800 questions with an answer, 400 without)
had 5.4 % missed (5.0, 4.0, 6.0, 6.5 by half) at 5.8 % false (11.0, 5.0, 5.0, 2.0): both bars are
missed there by less than a point, **false answers on one half by far**."""


@dataclass(frozen=True, slots=True)
class Score:
    """How the questions of one kind were answered."""

    questions: int
    recall_at_1: float
    recall_at_3: float
    ndcg_at_3: float
    missed: float


@dataclass(frozen=True, slots=True)
class Row:
    """One step of the table."""

    step: str
    all: Score
    by_words: Score
    others: Score
    false_answers: float
    false_by_kind: dict[str, float]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole table, and how it came about."""

    rows: tuple[Row, ...]
    tuning: Row
    """The last step on the half that was tuned on."""
    scenes: int
    photos: int
    blank_first: int
    """Answers of all steps and both halves that show a blank frame first."""
    question_ms: float
    seconds: float
    machine: str
    seed: int
    ocr: bool


class World:
    """A drawn group in a memory of its own."""

    def __init__(
        self, store: SqliteStore, memory: PhotoMemory, photos: Sequence[Drawn], ids: Sequence[int]
    ) -> None:
        self.store = store
        self.memory = memory
        self.photos = dict(zip(ids, photos, strict=True))
        self.took: list[float] = []
        self.blank_first = 0

    async def ask(self, question: Question) -> Answer:
        began = time.perf_counter()
        answer = await self.memory.find(Query((GROUP,), question.words, EVERYONE, TOP))
        self.took.append(time.perf_counter() - began)
        if answer.hits and self.photos[answer.hits[0].photo.id].scene is None:
            self.blank_first += 1
        return answer

    async def row(self, step: str, questions: Sequence[Question]) -> Row:
        """Ask everything once."""
        answers = [(q, await self.ask(q)) for q in questions]
        answerable = [each for each in answers if each[0].kind not in WITHOUT_ANSWER]
        by_words = [each for each in answerable if each[0].kind in BY_WORDS]
        others = [each for each in answerable if each[0].kind not in BY_WORDS]
        wrong = {
            kind: [bool(a.hits) for q, a in answers if q.kind is kind] for kind in WITHOUT_ANSWER
        }
        every = [each for kind in wrong.values() for each in kind]
        return Row(
            step,
            self._score(answerable),
            self._score(by_words),
            self._score(others),
            sum(every) / len(every),
            {str(kind): sum(each) / len(each) for kind, each in sorted(wrong.items())},
        )

    def _score(self, answers: Sequence[tuple[Question, Answer]]) -> Score:
        found = [self._gains(question, answer) for question, answer in answers]
        best = [min(TOP, len(question.right)) for question, _ in answers]
        ideal = [sum(_discount(n) for n in range(most)) for most in best]
        gained = [sum(g * _discount(n) for n, g in enumerate(each)) for each in found]
        return Score(
            len(answers),
            statistics.mean(each[0] if each else 0 for each in found),
            statistics.mean(sum(each) / most for each, most in zip(found, best, strict=True)),
            statistics.mean(g / most for g, most in zip(gained, ideal, strict=True)),
            statistics.mean(not answer.hits for _, answer in answers),
        )

    def _gains(self, question: Question, answer: Answer) -> list[int]:
        """1 for each shown photo that is right and no copy of one shown before."""
        shown: set[int] = set()
        gains: list[int] = []
        for hit in answer.hits[:TOP]:
            original = self.photos[hit.photo.id].original
            gains.append(int(original in question.right and original not in shown))
            shown.add(original)
        return gains


def _discount(place: int) -> float:
    return 1 / math.log2(place + 2)


async def measure(
    painter: Painter,
    work: Path,
    scenes: int = SCENES,
    share: float = 1.0,
    seed: int = SEED,
    ocr: bool = False,
) -> Report:
    """Draw, remember, ask. `share`: of the questions; `ocr`: read texts instead of knowing them."""
    began = time.perf_counter()
    rng = Random(seed)
    left_out = absent(rng, LEFT_OUT)
    photos = draw(painter, rng, scenes, left_out)
    tuning, reporting = ask(photos, left_out, rng, share)
    encoder = clip.load(files.NAME, work, "", lambda done, total: None)
    shelf = Shelf(photos)
    adapters = {shelf.platform: shelf}
    try:
        async with SqliteStore(work / "group.db") as store, Decoder() as decoder:
            state = ModelState(files.NAME, encoder)
            remembering = PhotoMemory(store, state, adapters, decoder)
            ids = [(await remembering.remember(p.post(captioned=False))).added[0] for p in photos]
            world = World(store, remembering, photos, ids)
            for id_ in ids:
                await store.save_text(id_, "")  # nothing is read before its step
            async with Indexer(store, remembering, adapters, decoder).running():
                while any((await store.unfinished(ids)).values()):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            rows = await _steps(world, reporting, decoder if ocr else None)
            tuned = await world.row(STEPS[-1], tuning)
    finally:
        encoder.close()
    return Report(
        tuple(rows),
        tuned,
        scenes,
        len(photos),
        world.blank_first,
        1000 * statistics.median(world.took),
        time.perf_counter() - began,
        machine("torch", "numpy"),
        seed,
        ocr,
    )


async def _steps(world: World, questions: Sequence[Question], reader: Decoder | None) -> list[Row]:
    rows = []
    with patch.object(duplicates, "collapse", _apart):
        rows.append(await world.row(STEPS[0], questions))
        for id_, photo in world.photos.items():
            text = photo.text if reader is None else await reader.read(photo.jpeg)
            if text:
                await world.store.save_text(id_, text)
        rows.append(await world.row(STEPS[1], questions))
        for photo in world.photos.values():
            if photo.caption:
                await world.memory.revise(GROUP, "main", str(photo.number), photo.caption)
        rows.append(await world.row(STEPS[2], questions))
        for photo in world.photos.values():
            if photo.reply:
                number = str(photo.number)
                await world.memory.replies.hear(
                    GROUP, "main", number, f"r{number}", "bob", photo.reply
                )
        rows.append(await world.row(STEPS[3], questions))
    rows.append(await world.row(STEPS[4], questions))
    return rows


def _apart(hits: Sequence[object], looks: Mapping[int, object]) -> tuple[object, ...]:
    """Instead of `duplicates.collapse`: copies stay hits of their own."""
    return tuple(hits)


def table(report: Report) -> str:
    """The report as Markdown."""
    head = ("recall@1", "recall@3", "nDCG@3", "missed")
    lines = [
        "| | "
        + " | ".join(
            (
                *head,
                "false",
                *(f"words: {h}" for h in head[1:]),
                *(f"others: {h}" for h in head[1:]),
            )
        )
        + " |",
        "|---" * 12 + "|",
    ]
    for row in (*report.rows, replace(report.tuning, step="the last, on the tuning half")):
        values = [
            *_cells(row.all),
            f"{row.false_answers:.3f}",
            *_cells(row.by_words)[1:],
            *_cells(row.others)[1:],
        ]
        lines.append(f"| {row.step} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def _cells(score: Score) -> list[str]:
    values = (score.recall_at_1, score.recall_at_3, score.ndcg_at_3, score.missed)
    return [f"{value:.3f}" for value in values]


def verdicts(report: Report) -> list[str]:
    """The bars, each with what was measured on the reporting half."""
    first, last = report.rows[0], report.rows[-1]
    gain = last.by_words.recall_at_3 - first.by_words.recall_at_3
    kept = last.others.recall_at_3 - first.others.recall_at_3
    return [
        _verdict(
            last.false_answers <= BAR_FALSE,
            f"false answers {last.false_answers:.1%}"
            f" (at most {BAR_FALSE:.0%}): {_listed(last.false_by_kind)}",
        ),
        _verdict(
            last.all.missed <= BAR_MISSED,
            f"missed answers {last.all.missed:.1%} (at most"
            f" {BAR_MISSED:.0%}): words {last.by_words.missed:.1%}, others"
            f" {last.others.missed:.1%}",
        ),
        _verdict(
            gain >= BAR_GAIN,
            f"recall@3 of questions with said words: {gain:+.3f} over"
            f" meaning only (at least {BAR_GAIN:+.2f})",
        ),
        _verdict(kept >= 0, f"recall@3 of the others: {kept:+.3f} (at least 0)"),
        _verdict(report.blank_first == 0, f"{report.blank_first} answers began with a blank frame"),
    ]


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{kind} {share:.1%}" for kind, share in shares.items())


def _verdict(reached: bool, what: str) -> str:
    return f"- {'reached' if reached else '**missed**'}: {what}"


def document(report: Report) -> str:
    """docs/benchmarks/relevance.md"""
    read = "read by OCR" if report.ocr else "given to the store as if OCR had read it; --ocr reads"
    each = report.rows[0]
    return f"""# Are the answers right?

`python -m benchmarks.relevance` wrote this. {report.scenes} drawn scenes ({report.photos} photos
with near-duplicates and blank frames), captions on a third, replies to some, text painted into some
({read}). {2 * each.all.questions} questions with known answers, half of them with words that
somebody said or wrote, and half as many without an answer; this is the half that no weight was
fitted to. Each row adds a signal to the one above.

{FLATTERS if report.seed == SEED else ""}

{table(report)}

{chr(10).join(verdicts(report))}

*missed*: there is an answer and none was given. *false*: there is none and photos were shown.
*words*: questions with words of captions, texts, replies; *others*: what a photo shows. How each is
counted is said in `benchmarks/relevance.py`, how questions are made in `benchmarks/questions.py`.

A question took {report.question_ms:.0f} ms (median), the whole {report.seconds:.0f} s;
{report.machine}; seed {report.seed}.
"""


def main() -> int:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relevance", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--ocr", action="store_true", help="read the painted texts (slow)")
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks as it is")
    parser.add_argument("--work", type=Path, default=Path("data/starter"), help="kept pictures")
    options = parser.parse_args()
    try:
        painter = Painter(families.sprites("noto", options.work))
        with tempfile.TemporaryDirectory() as work:
            found = asyncio.run(
                measure(
                    painter,
                    Path(work),
                    options.scenes,
                    seed=options.seed,
                    ocr=options.ocr,
                )
            )
    except ShoeboxError as error:
        print(f"relevance: {error}", file=sys.stderr)
        return 2
    print(document(found))
    if not options.dry:
        DOCS.mkdir(parents=True, exist_ok=True)
        (DOCS / "relevance.md").write_text(document(found), "utf-8")
        (DOCS / "relevance.json").write_text(json.dumps(asdict(found), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
