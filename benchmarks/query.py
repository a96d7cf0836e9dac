"""`python -m benchmarks.query`: how long a question's words take to become a vector.

Against open_clip's own call with the same weights (tokenize, encode_text, normalise), in turns.
ViT-B-32's tower is causal, so that only the words are computed; SigLIP2's reads its padding too.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks import models
from benchmarks.rounds import Figure, machine, patient, save, table, verdict
from bot import clip, modelfolder
from bot.eager import EagerNetwork
from bot.photos import Vector

QUESTIONS = {
    "short": ("birthday cake", "snow", "our cat", "red car"),
    "a sentence": (
        "two dogs running on a beach at sunset with a ball",
        "grandma and the children around the table at christmas",
        "a whiteboard full of notes after the planning meeting",
        "the view over the old town from the castle on the hill",
    ),
    "Chinese": ("生日蛋糕", "海边的两只狗", "去年冬天的雪", "爸爸做的红烧肉"),
}
FASTER, SAME = 5.0, 0.9995
REPEATS = 8


@dataclass(frozen=True, slots=True)
class Row:
    """One model and kind of question; milliseconds."""

    model: str
    kind: str
    ours: Figure
    theirs: Figure
    again: Figure
    cosine: float
    """The lowest."""

    @property
    def times(self) -> float:
        return self.theirs.median / self.ours.median


@dataclass(frozen=True, slots=True)
class Report:
    rows: list[Row]
    machine: str


async def measure(work: Path, architecture: str, repeats: int = REPEATS) -> list[Row]:
    """Each question is asked with a number behind it, so that none is remembered."""
    folder = models.make(architecture, work)
    theirs = EagerNetwork(modelfolder.read(folder), precision=lambda device: None)
    rows = []
    async with models.load(folder, work) as our:
        for kind, questions in QUESTIONS.items():
            took: dict[str, list[float]] = {"ours": [], "theirs": [], "again": []}
            cosines = []
            for number in range(repeats + 1):
                for question in questions:
                    text = f"{question} {number}"
                    ours, vector = await _timed(our, text)
                    again, _ = await _timed(our, text)
                    began = time.perf_counter()
                    exact = theirs.text(text)
                    if number:  # the first warms up
                        took["theirs"].append(1000 * (time.perf_counter() - began))
                        took["ours"].append(1000 * ours)
                        took["again"].append(1000 * again)
                    cosines.append(float(vector @ exact))
            figures = {name: Figure(tuple(values)) for name, values in took.items()}
            rows.append(Row(architecture, kind, **figures, cosine=min(cosines)))
    return rows


async def _timed(encoder: clip.ClipEncoder, text: str) -> tuple[float, Vector]:
    began = time.perf_counter()
    vector = await encoder.encode_text(text)
    return time.perf_counter() - began, np.asarray(vector)


def document(report: Report) -> str:
    """docs/benchmarks/query.md"""
    head = (
        "model",
        "question",
        "Shoebox, ms",
        "open_clip, ms",
        "times",
        "asked again, ms",
        "cosine",
    )
    rows = [
        (r.model, r.kind, r.ours, r.theirs, f"{r.times:.1f}", r.again, f"{r.cosine:.5f}")
        for r in report.rows
    ]
    small = [row for row in report.rows if row.model == models.SMALL]
    times, cosine = min(row.times for row in small), min(row.cosine for row in small)
    return f"""# A question's words

`python -m benchmarks.query` wrote this: text to vector, in the process and on the thread that serve
it, against open_clip's call with the same random weights; median (lowest–highest), in turns.

{table(head, rows)}

{verdict(times >= FASTER, f"{models.SMALL}: {times:.1f} times open_clip (at least {FASTER})")}
{verdict(cosine >= SAME, f"{models.SMALL}: cosine to open_clip {cosine:.5f} (at least {SAME})")}

SigLIP2 reads its padding as well, so that all of its 64 tokens have to be computed.

{report.machine}
"""


def main() -> int:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.query", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the small model, few questions")
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks as it is")
    parser.add_argument("--work", type=Path, default=Path("data/benchmarks"), help="kept models")
    options = parser.parse_args()
    patient()
    rows = asyncio.run(measure(options.work, models.SMALL, 2 if options.quick else REPEATS))
    if not options.quick:
        rows += asyncio.run(measure(options.work, models.DEFAULT))
    report = Report(rows, machine("torch", "open_clip_torch", "onnxruntime", "tokenizers"))
    print(document(report))
    if not options.dry:
        save("query", document(report), asdict(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
