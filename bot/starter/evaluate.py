"""`python -m bot.starter.evaluate`: the model card's table, measured on the way a photo takes.

Galleries of 500 scenes, drawn from seeds that training never used, become JPEG files, are decoded
and fitted by `bot.images`, like any photo, and encoded by `bot.eager`, whose vectors are those of
the graphs (bot.starter.graphs). A query is a caption that names every thing of one scene, and only
that very scene is right: another one with the same things counts as a miss. Beside it stands how
often a query for one thing alone finds a scene that shows it.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import numpy as np

from bot import images, modelfolder
from bot.eager import EagerNetwork
from bot.errors import ShoeboxError
from bot.modelfolder import ModelFolder
from bot.photos import ImageSpec, Pixels, Vector
from bot.starter import families, files, network
from bot.starter.captions import caption, chinese, english
from bot.starter.scenes import Painter, Scene, compose

GALLERY = 500
SIDE = 400
"""Width and height of a scene's JPEG, in pixels."""
SEED = 20_000_003
"""Not a seed of any training batch: those are texts."""
TOP = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement."""

    name: str
    language: str
    families: tuple[str, ...]
    things: int = 0
    """In every scene; 0: one to three, as in training."""


ROWS = (
    Row("(a) fonts seen in training", "en", families.TRAINED),
    Row("(b) a font family never seen", "en", (families.UNSEEN,)),
    Row("(c) Chinese queries", "zh", families.TRAINED),
    Row("(d) two-thing queries", "en", families.TRAINED, 2),
)


@dataclass(frozen=True, slots=True)
class Score:
    """What came out of a row."""

    row: str
    recall_at_1: float
    recall_at_3: float
    shows_at_3: float
    """Share of queries with a scene among the first three that shows all that is named."""
    one_thing_at_3: float
    """Share of queries that name one thing of a scene, the way people type, with a scene among the
    first three that shows it."""
    untrained_at_3: float
    chance_at_3: float = TOP / GALLERY


@dataclass(frozen=True, slots=True)
class Report:
    """The whole table."""

    scores: tuple[Score, ...]
    image_ms: float
    """Median of encoding one image on one thread."""
    query_ms: float
    machine: str
    seed: int


def gallery(
    row: Row, painters: Mapping[str, Painter], seed: int = SEED, count: int = GALLERY
) -> tuple[list[Scene], list[bytes]]:
    """Scenes of a row and their JPEG files."""
    rng = Random(seed)
    scenes, jpegs = [], []
    for _ in range(count):
        painter = painters[rng.choice(row.families)]
        scene = compose(rng, painter.has, row.things)
        file = io.BytesIO()
        painter.draw(scene, SIDE).save(file, "JPEG", quality=85)
        scenes.append(scene)
        jpegs.append(file.getvalue())
    return scenes, jpegs


def decoded(jpegs: Sequence[bytes], spec: ImageSpec) -> Pixels:
    """(n, height, width, 3) as the bot's own decoder makes them."""
    return np.stack([images.for_encoder(jpeg, spec) for jpeg in jpegs])


def ranks(texts: Vector, photos: Vector) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """(queries, photos) indices of photos, best first."""
    return np.argsort(-(texts @ photos.T), axis=1, kind="stable")


def recall(order: np.ndarray[tuple[int, ...], np.dtype[np.intp]], top: int) -> float:
    """Share of queries whose own photo, the one of the same number, is among the first `top`."""
    own = np.arange(len(order))[:, None]
    return float((order[:, :top] == own).any(axis=1).mean())


def report(folder: Path, work: Path, seed: int = SEED) -> Report:
    """Measure everything. Raises ShoeboxError where a font family can't be had."""
    from tqdm import tqdm

    wanted = dict.fromkeys(family for row in ROWS for family in row.families)
    painters = {family: Painter(families.sprites(family, work)) for family in wanted}
    trained = EagerNetwork(files.read(folder), _float32)
    with tempfile.TemporaryDirectory() as temporary:
        untrained = EagerNetwork(_untrained(folder, Path(temporary), seed), _float32)
    scores = []
    for row in tqdm(ROWS, unit="row", file=sys.stderr):
        scenes, jpegs = gallery(row, painters, seed)
        rng = Random(seed + 1)
        queries = [caption(scene, row.language, rng, whole=True) for scene in scenes]
        pixels = decoded(jpegs, trained.image_spec)
        order = _order(trained, queries, pixels)
        floor = _order(untrained, queries, pixels)
        picked = [rng.choice(scene.things).concept for scene in scenes]
        say = chinese if row.language == "zh" else english
        short = _order(trained, [say([concept], "", rng) for concept in picked], pixels)
        scores.append(
            Score(
                row.name,
                recall(order, 1),
                recall(order, TOP),
                _shows(scenes, order, [{t.concept.name for t in s.things} for s in scenes]),
                _shows(scenes, short, [{concept.name} for concept in picked]),
                recall(floor, TOP),
            )
        )
    image_ms, query_ms = _speed(trained, pixels, queries)
    return Report(tuple(scores), image_ms, query_ms, _machine(), seed)


def _order(
    model: EagerNetwork, queries: Sequence[str], pixels: Pixels
) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    photos = np.concatenate([model.images(pixels[i : i + 50]) for i in range(0, len(pixels), 50)])
    return ranks(np.stack([model.text(query) for query in queries]), photos)


def _shows(
    scenes: Sequence[Scene],
    order: np.ndarray[tuple[int, ...], np.dtype[np.intp]],
    asked: Sequence[set[str]],
) -> float:
    """Share of queries with a scene among the first three that shows every concept asked for."""
    shown = [{thing.concept.name for thing in scene.things} for scene in scenes]
    right = [any(a <= shown[i] for i in order[n, :TOP]) for n, a in enumerate(asked)]
    return sum(right) / len(right)


def _untrained(folder: Path, target: Path, seed: int) -> ModelFolder:
    """The same configuration and tokenizer, with random weights."""
    import shutil

    import torch

    for name in files.sums(folder):
        if not name.endswith(".safetensors"):
            shutil.copy(folder / name, target / name)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, _ = network.build(target)
    network.write_weights(target, model.state_dict())
    return modelfolder.read(target)


def _float32(device: object) -> None:
    return None


def _speed(model: EagerNetwork, pixels: Pixels, queries: Sequence[str]) -> tuple[float, float]:
    """Median milliseconds of one image and of one query, on one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        photo, query = [], []
        for i in range(60):
            began = time.perf_counter()
            model.images(pixels[i : i + 1])
            photo.append(time.perf_counter() - began)
            began = time.perf_counter()
            model.text(queries[i])
            query.append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
    return 1000 * statistics.median(photo[10:]), 1000 * statistics.median(query[10:])


def _machine() -> str:
    import torch

    return f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}"


def _print(found: Report) -> None:
    head = ("", "recall@1", "recall@3", "shows it@3", "one thing@3", "untrained@3", "chance@3")
    print("{:30} {:>9} {:>9} {:>11} {:>12} {:>12} {:>9}".format(*head))
    for score in found.scores:
        values = list(asdict(score).values())
        print("{:30} {:9.3f} {:9.3f} {:11.3f} {:12.3f} {:12.3f} {:9.3f}".format(*values))
    print(
        f"one thread, float32: {found.image_ms:.1f} ms an image, {found.query_ms:.1f} ms a query; "
        f"{found.machine}; seed {found.seed}; galleries of {GALLERY}"
    )


def main() -> int:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bot.starter.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, default=files.FOLDER, help="the model's folder")
    parser.add_argument("--work", type=Path, default=Path("data/starter"), help="kept pictures")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    try:
        found = report(options.model, options.work, options.seed)
    except ShoeboxError as error:
        print(f"starter: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(asdict(found), indent=1))
    else:
        _print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
