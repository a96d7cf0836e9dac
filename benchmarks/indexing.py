"""`python -m benchmarks.indexing`: photos a second, from a JPEG's bytes to a stored vector.

Ours goes the way of any photo: SqliteStore, Indexer, Decoder's child process, ONNX Runtime; once
without reading text in photos, as no rival does that, and once with it. Rivals: benchmarks.rivals.
All have the same weights, take turns, and see the same photos.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np

from benchmarks import models, phone
from benchmarks.remembering import Remembering
from benchmarks.rivals import PyTorch, Rclip
from benchmarks.rounds import Figure, machine, patient, save, table, verdict
from bot import clip, export_child, images, modelfolder
from bot.decoder import Decoder
from bot.eager import EagerNetwork
from bot.errors import PhotoGone
from bot.exported import ExportedNetwork
from bot.indexing import Indexer
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import PhotoRef, Pixels, Post, Vector
from bot.starter import evaluate, families, files
from bot.starter.captions import caption
from bot.starter.scenes import Painter
from bot.towers import Towers

OURS, READING = "Shoebox", "Shoebox, reading text beside"
LOOP, VESTA, RCLIP = "a plain loop (float32, one by one)", "Vesta's way", "rclip 3.3's way"
ALONE = "Shoebox's encoder alone, fed from memory"
RENDERED = "12 MP, Discord's rendition"
COUNTS = {"12 MP": 32, "2 MP": 64, RENDERED: 64}
"""Photos a round. What was posted with 12 megapixels in a chat comes as a rendition; rivals load
the file."""
RIVALS = 16
"""So many of them are the rivals'; what fills and drains slowly is only ours."""
DISTINCT = 6
BARS = {"12 MP": (4.0, 2.0), "2 MP": (2.5, 1.5)}
"""Times the plain loop, times the best rival."""
HIDDEN, NEAR, RECALL = 0.85, 0.995, 0.005
GALLERY = 500


class Phones:
    """The platform that the photos are posted on."""

    platform = "phones"

    def __init__(self, jpegs: Sequence[bytes]) -> None:
        self._jpegs = jpegs

    async def fetch(self, ref: PhotoRef) -> bytes:
        try:
            return self._jpegs[int(ref.locator)]
        except IndexError:
            raise PhotoGone("it was never taken") from None

    def post(self, number: int) -> Post:
        ref = PhotoRef(self.platform, str(number), str(number))
        return Post("phones:1", "main", str(number), "ann", "Ann", datetime.now(UTC), (ref,))


class Unread(Decoder):
    """Finds no text in any photo, at no cost."""

    async def read(self, data: bytes) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured."""

    rates: dict[str, dict[str, Figure]]
    """Photos a second, by size and way."""
    cosine: dict[str, float]
    """The lowest of ours to the plain loop, by size."""
    bytes: dict[str, float]
    machine: str
    rounds: int
    recall: tuple[float, float] | None = None
    """At 3: open_clip in float32 and our way."""


async def ours(
    encoder: clip.ClipEncoder, jpegs: Sequence[bytes], work: Path, decoder: Decoder
) -> tuple[float, Vector]:
    """Seconds until the last vector was stored, and the vectors in the photos' order."""
    phones = Phones(jpegs)
    work = Path(tempfile.mkdtemp(dir=work))
    async with Remembering(work / "group.db") as store:
        memory = PhotoMemory(store, ModelState("", encoder), {phones.platform: phones}, decoder)
        posts = [phones.post(number) for number in range(len(jpegs))]
        ids = [(await memory.remember(post)).added[0] for post in posts]
        began = time.perf_counter()
        async with Indexer(store, memory, {phones.platform: phones}, decoder).running():
            await store.all_stored(ids)
            took = time.perf_counter() - began
    return took, np.stack([store.stored[each] for each in ids])


async def measure(work: Path, architecture: str, sizes: dict[str, int], rounds: int) -> Report:
    """Make a model and photos, and let everybody take turns."""
    folder = models.make(architecture, work)
    encoder = models.load(folder, work)
    network = EagerNetwork(modelfolder.read(folder), precision=lambda device: None)
    torch = PyTorch(network)
    graph = work / "float32.onnx"
    rates: dict[str, dict[str, Figure]] = {}
    cosine, weights = {}, {}
    with tempfile.TemporaryDirectory(dir=work) as temporary:
        scratch = Path(temporary)
        reference: dict[str, Vector] = {}
        photos = {size: _photos(size, count) for size, count in sizes.items()}
        for size, jpegs in photos.items():
            reference[size] = torch.plain_loop(jpegs[:DISTINCT], scratch)
            weights[size] = float(np.mean([len(jpeg) for jpeg in jpegs]) / 1e6)
        towers = Towers(EagerNetwork(modelfolder.read(folder), precision=lambda device: None))
        towers.write_image(graph)
        del towers
        rclip = Rclip(graph, network.image_spec.size[0])
        async with Unread() as unread, Decoder() as reading:
            for size, jpegs in photos.items():
                pixels = np.stack([images.for_encoder(each, encoder.image_spec) for each in jpegs])
                rivals: dict[str, Callable[[Sequence[bytes], Path], Vector]] = {
                    LOOP: torch.plain_loop,
                    VESTA: torch.vesta,
                    RCLIP: rclip.index,
                }
                rivals = rivals if size in BARS else {}
                took: dict[str, list[float]] = {}
                for number in range(rounds + 1):
                    found = {
                        OURS: (await ours(encoder, jpegs, scratch, unread)),
                        READING: (await ours(encoder, jpegs, scratch, reading)),
                        ALONE: await _alone(encoder, pixels),
                    }
                    for name, way in rivals.items():
                        began = time.perf_counter()
                        vectors = way(jpegs[:RIVALS], scratch)
                        found[name] = (time.perf_counter() - began, vectors)
                    for name, (seconds, vectors) in found.items():
                        if number:  # the first warms up
                            took.setdefault(name, []).append(len(vectors) / seconds)
                near = (found[OURS][1][:DISTINCT] * reference[size]).sum(axis=1)
                cosine[size] = float(near.min())
                rates[size] = {name: Figure(tuple(values)) for name, values in took.items()}
        encoder.close()
    packages = ("torch", "open_clip_torch", "onnxruntime", "pillow")
    return Report(rates, cosine, weights, machine(*packages), rounds)


def _photos(size: str, count: int) -> list[bytes]:
    of_phone = phone.SIZES["12 MP" if size == RENDERED else size]
    some = [phone.photo(of_phone, seed) for seed in range(DISTINCT)]
    if size == RENDERED:
        some = [phone.rendition(each) for each in some]
    # A byte behind the end keeps equal photos apart for the memory and costs a decoder nothing.
    return [some[n % DISTINCT] + n.to_bytes(2, "big") for n in range(count)]


async def _alone(encoder: clip.ClipEncoder, pixels: Pixels) -> tuple[float, Vector]:
    began = time.perf_counter()
    vectors = await encoder.encode_images(pixels)
    return time.perf_counter() - began, vectors


def recalls(work: Path, count: int) -> tuple[float, float]:
    """Recall@3 in the starter's labelled gallery: float32 and open_clip's own preprocessing of a
    whole decoded photo, and the same model exported like any large one, fed as the indexer does."""
    painters = {"noto": Painter(families.sprites("noto", work))}
    row = evaluate.Row("", "en", ("noto",))
    scenes, jpegs = evaluate.gallery(row, painters, count=count)
    rng = Random(evaluate.SEED + 1)
    texts = [caption(scene, "en", rng, whole=True) for scene in scenes]
    exact = EagerNetwork(files.read(), precision=lambda device: None)
    plain = PyTorch(exact)
    theirs = np.concatenate([plain.encoded([plain.prepared(jpeg)]) for jpeg in jpegs])
    with tempfile.TemporaryDirectory() as target:
        for _ in export_child.export(files.FOLDER, Path(target)):
            pass
        fast = ExportedNetwork(Path(target))
    pixels = evaluate.decoded(jpegs, fast.image_spec)
    our = np.concatenate([fast.images(pixels[n : n + 1]) for n in range(len(pixels))])
    found = [
        evaluate.recall(evaluate.ranks(np.stack([each.text(t) for t in texts]), photos), 3)
        for each, photos in ((exact, theirs), (fast, our))
    ]
    return found[0], found[1]


def verdicts(report: Report) -> list[str]:
    """Every bar with what was measured."""
    lines = []
    for size, rates in report.rates.items():
        if size in BARS:
            loop, best = BARS[size]
            rival = max((RCLIP, VESTA), key=lambda name: rates[name].median)
            to_loop = rates[OURS].median / rates[LOOP].median
            to_best = rates[OURS].median / rates[rival].median
            lines += [
                verdict(
                    to_loop >= loop, f"{size}: {to_loop:.1f} times a plain loop (at least {loop})"
                ),
                verdict(to_best >= best, f"{size}: {to_best:.1f} times {rival} (at least {best})"),
            ]
        hidden = rates[OURS].median / rates[ALONE].median
        lines += [
            verdict(
                hidden >= HIDDEN,
                f"{size}: {hidden:.0%} of what the encoder does alone (at least {HIDDEN:.0%})",
            ),
            verdict(
                report.cosine[size] >= NEAR,
                f"{size}: cosine to open_clip {report.cosine[size]:.4f} (at least {NEAR})",
            ),
        ]
    if report.recall is not None:
        exact, fast = report.recall
        lines.append(
            verdict(
                abs(exact - fast) < RECALL,
                f"recall@3 in the starter's gallery {fast:.3f}, open_clip in float32 {exact:.3f}",
            )
        )
    return lines


def document(report: Report) -> str:
    """docs/benchmarks/indexing.md"""
    sizes = list(report.rates)
    rows = [
        [name, *(report.rates[size].get(name, "") for size in sizes)]
        for name in (OURS, READING, ALONE, RCLIP, VESTA, LOOP)
    ]
    heads = [f"{size} ({report.bytes[size]:.1f} MB)" for size in sizes]
    return f"""# Photos a second

`python -m benchmarks.indexing` wrote this: from a JPEG's bytes to a stored vector, ViT-B-32 with
the same weights for all; median (lowest–highest) of {report.rounds} rounds in turns. Rivals are
described in `benchmarks/rivals.py`.

{table(["photos a second", *heads], rows)}

{chr(10).join(verdicts(report))}

What the encoder does alone takes every core. A photo that is decoded at the same time takes its
share of them, however well it is hidden: both can run at 85 % only where decoding a photo costs
less than 18 % of encoding one, or where there are more cores than the encoder can use. A phone's
original costs more than encoding it, even at an eighth of its size, since all of its entropy-coded
bytes have to be read. Such files come with imports only: of what was posted in a chat the bot
fetches a rendition.

{report.machine}
"""


def main() -> int:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.indexing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few photos, to see that it runs")
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks as it is")
    parser.add_argument("--work", type=Path, default=Path("data/benchmarks"), help="kept models")
    options = parser.parse_args()
    patient()
    sizes = {size: 6 if options.quick else count for size, count in COUNTS.items()}
    rounds, quality = (1, 100) if options.quick else (options.rounds, GALLERY)
    report = asyncio.run(measure(options.work, models.SMALL, sizes, rounds))
    report = replace(report, recall=recalls(options.work, quality))
    print(document(report))
    if not options.dry:
        save("indexing", document(report), asdict(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
