"""`python -m bot.starter.train`: rebuilds the starter model from nothing.

CLIP's method (Radford et al. 2021, section 2.3): two towers, unit vectors, a learned temperature,
symmetric cross-entropy over the pairs of a batch. Every batch is drawn afresh from a seed and its
number, so a run that was stopped goes on exactly where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from bot import torchvision_nms
from bot.eager import faster_precision
from bot.errors import ShoeboxError
from bot.starter import families, files, graphs, network
from bot.starter.captions import caption
from bot.starter.concepts import LANGUAGES, concepts
from bot.starter.scenes import Painter, compose

HERE = Path(__file__).parent
HELD_OUT = 1_000_003
"""Scenes for the curve come from seeds that no batch uses."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes one run the same as another."""

    seed: int = 7
    steps: int = 3300
    batch: int = 480
    early_side: int = 64
    early_share: float = 0.75
    """The first part of the run sees smaller pictures, which cost less than half."""
    rate: float = 2e-3
    decay: float = 0.05
    families: tuple[str, ...] = families.TRAINED
    warm_up: int = 200

    def side(self, step: int) -> int:
        """The pictures' side in pixels at a step."""
        return self.early_side if step < self.early_share * self.steps else network.SIDE

    def learning_rate(self, step: int) -> float:
        """A linear warm-up, then half a cosine down to nothing."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


@dataclass(slots=True)
class Batch:
    """Pairs: pictures (n, side, side, 3) uint8, and a caption each in every language."""

    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    texts: dict[str, list[str]]


class Batches:
    """Draws batch after batch; a torch dataset, so that other processes do the drawing."""

    def __init__(self, plan: Plan, work: Path) -> None:
        self._plan = plan
        self._work = work
        self._painters: list[Painter] = []

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step. Its scenes show different main things: fewer false negatives."""
        plan = self._plan
        rng = Random(f"{plan.seed}/{step}")
        done = step / plan.steps
        mains = [rng.choice(concepts()) for _ in range(max(0, plan.batch - len(concepts())))]
        mains += rng.sample(concepts(), min(plan.batch, len(concepts())))
        return self._drawn(rng, mains, plan.side(step), min(1.0, 0.3 + done * 2))

    def held_out(self, count: int, side: int) -> Batch:
        """Scenes for the curve that is drawn while training."""
        rng = Random(HELD_OUT + self._plan.seed)
        return self._drawn(rng, [None] * count, side, 1.0)

    def _drawn(self, rng: Random, mains: list[Any], side: int, crowd: float) -> Batch:
        """`crowd`: how many of the scenes may show more than one thing; it grows in time."""
        if not self._painters:
            self._painters = [
                Painter(families.sprites(family, self._work)) for family in self._plan.families
            ]
        pixels = np.empty((len(mains), side, side, 3), np.uint8)
        texts: dict[str, list[str]] = {language: [] for language in LANGUAGES}
        for i, main in enumerate(mains):
            painter = rng.choice(self._painters)
            while main is not None and not any(map(painter.has, main.emoji)):
                painter = rng.choice(self._painters)
            things = 0 if rng.random() < crowd else 1
            scene = compose(rng, painter.has, things, main)
            pixels[i] = np.asarray(painter.draw(scene, side))
            for language in LANGUAGES:
                texts[language].append(caption(scene, language, rng))
        return Batch(pixels, texts)


class Trainer:
    """One run: model, optimiser and how far it is."""

    def __init__(self, plan: Plan, work: Path) -> None:
        torchvision_nms.make_importable()
        import torch

        self._plan, self._work = plan, work
        self._folder = work / "model"
        self._folder.mkdir(parents=True, exist_ok=True)
        network.write_config(self._folder, network.write_tokenizer(self._folder, plan.seed))
        torch.manual_seed(plan.seed)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._lower = faster_precision(self._device)
        model, self._tokenize = network.build(self._folder)
        self._model = model.to(self._device, memory_format=torch.channels_last)
        decayed = [p for p in self._model.parameters() if p.ndim > 1]
        others = [p for p in self._model.parameters() if p.ndim <= 1]
        self._optimiser = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": plan.decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=plan.rate,
            betas=(0.9, 0.98),
        )
        self._batches = Batches(plan, work)
        self._history: list[dict[str, float]] = []
        self._step = 0
        self._seconds = 0.0

    def run(self, workers: int, every: int, measured: int) -> None:
        """Train to the end, with a bar; a checkpoint and a point of the curve each `every`.

        `measured`: how many scenes that were never seen a point is measured in.
        """
        from tqdm import tqdm

        self._resume()
        held = {
            side: self._batches.held_out(measured, side)
            for side in {self._plan.early_side, network.SIDE}
        }
        bar = tqdm(total=self._plan.steps, initial=self._step, unit="batch", file=sys.stderr)
        began, before = time.monotonic(), self._seconds
        loss = math.nan
        with bar:
            for batch in self._drawn(workers):
                loss = self._learn(batch)
                self._step += 1
                self._seconds = before + time.monotonic() - began
                bar.update()
                bar.set_postfix(loss=f"{loss:.2f}", refresh=False)
                if self._step % every == 0 or self._step == self._plan.steps:
                    point = self._measured(loss, held[self._plan.side(self._step - 1)])
                    self._history.append(point)
                    self._save()
                    bar.write(" ".join(f"{key} {value:.3g}" for key, value in point.items()))

    def write(self, target: Path) -> None:
        """Put the finished model's files into `target`."""
        network.write_weights(self._folder, self._model.state_dict())
        plot = self._folder / "training.png"
        _plot(self._history, plot)
        target.mkdir(parents=True, exist_ok=True)
        graphs.write(self._folder)
        for file in self._folder.iterdir():
            shutil.copy(file, target / file.name)
        files.write_sums(target)

    def _drawn(self, workers: int) -> Iterator[Batch]:
        import torch

        loader: Any = torch.utils.data.DataLoader(
            self._batches,  # type: ignore[arg-type]
            batch_size=None,
            sampler=range(self._step, self._plan.steps),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
        )
        yield from loader

    def _learn(self, batch: Batch) -> float:
        import torch

        for group in self._optimiser.param_groups:
            group["lr"] = self._plan.learning_rate(self._step)
        self._model.train()
        with self._autocast():
            halves = self._pixels(batch).chunk(2)  # what fits the caches is twice as fast
            images = torch.cat([self._model.visual(half) for half in halves])
            texts = self._texts([text for language in LANGUAGES for text in batch.texts[language]])
        images = torch.nn.functional.normalize(images.float(), dim=-1)
        texts = torch.nn.functional.normalize(texts.float(), dim=-1)
        scale = self._model.logit_scale.exp()
        target = torch.arange(len(images), device=self._device)
        losses = []
        for part in texts.chunk(len(LANGUAGES)):
            logits = scale * images @ part.T
            losses += [
                torch.nn.functional.cross_entropy(logits, target),
                torch.nn.functional.cross_entropy(logits.T, target),
            ]
        loss = torch.stack(losses).mean()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimiser.step()
        with torch.no_grad():
            self._model.logit_scale.clamp_(0, math.log(100))
        return float(loss.detach())

    def _autocast(self) -> Any:
        import torch

        lower = self._lower or torch.bfloat16
        return torch.autocast(self._device.type, lower, enabled=self._lower is not None)

    def _texts(self, captions: list[str]) -> Any:
        """Their features; by length in four parts, since most are short and padding costs."""
        import torch

        tokens = self._tokenize(captions).to(self._device)
        lengths = (tokens != 0).sum(dim=1)
        order = lengths.argsort()
        tower, mask, parts = self._model.text, self._model.text.attn_mask, []
        try:
            for part in order.chunk(4):
                longest = int(lengths[part].max())
                tower.attn_mask = mask[:longest, :longest]
                parts.append(tower(tokens[part, :longest]))
        finally:
            tower.attn_mask = mask
        return torch.cat(parts)[order.argsort()]

    def _pixels(self, batch: Batch) -> Any:
        import torch

        pixels = torch.from_numpy(batch.pixels).to(self._device).permute(0, 3, 1, 2)
        return (pixels.float() / 255 - 0.5) / 0.25

    def _measured(self, loss: float, held: Batch) -> dict[str, float]:
        import torch

        self._model.eval()
        point = {
            "step": float(self._step),
            "scenes": float(self._step * self._plan.batch),
            "minutes": self._seconds / 60,
            "loss": loss,
        }
        with torch.inference_mode(), self._autocast():
            parts = self._pixels(held).split(100)
            images = torch.cat([self._model.encode_image(p, normalize=True) for p in parts]).float()
            for language in LANGUAGES:
                tokens = self._tokenize(held.texts[language]).to(self._device)
                texts = self._model.encode_text(tokens, normalize=True).float()
                scores = texts @ images.T
                rank = (scores > scores.diagonal()[:, None]).sum(dim=1)
                point[f"recall@3 {language}"] = float((rank < 3).float().mean())
        return point

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must share with a run that goes on from it."""
        words = hashlib.sha256((self._folder / "tokenizer.json").read_bytes()).hexdigest()
        return {**asdict(self._plan), "tokenizer": words}

    def _save(self) -> None:
        import torch

        state = {
            "plan": self._identity(),
            "step": self._step,
            "seconds": self._seconds,
            "history": self._history,
            "model": self._model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }
        partial = self._work / "checkpoint.partial"
        torch.save(state, partial)
        partial.replace(self._work / "checkpoint.pt")

    def _resume(self) -> None:
        import torch

        file = self._work / "checkpoint.pt"
        if not file.exists():
            return
        state = torch.load(file, map_location=self._device, weights_only=True)
        if state["plan"] != self._identity():
            raise ShoeboxError(f"{file} is of another plan: finish that one, or remove the file")
        self._model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._step, self._seconds = state["step"], state["seconds"]
        self._history = state["history"]


def _plot(history: list[dict[str, float]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    left = figure.add_subplot()
    right = left.twinx()
    scenes = [point["scenes"] / 1e6 for point in history]
    (loss,) = left.plot(scenes, [point["loss"] for point in history], "0.6", label="loss")
    lines = [loss]
    for language in LANGUAGES:
        key = f"recall@3 {language}"
        lines += right.plot(scenes, [point[key] for point in history], label=key)
    left.set(xlabel="scenes seen, in millions", ylabel="loss", ylim=(0, None))
    right.set(ylabel="recall@3 in scenes never seen", ylim=(0, 1))
    left.legend(handles=lines, loc="center right")
    figure.savefig(file, dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, train, write the files."""
    plan = Plan()
    spare = max(1, (os.cpu_count() or 2) - 1)
    parser = argparse.ArgumentParser(prog="python -m bot.starter.train", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("data/starter"), help="kept between runs")
    parser.add_argument("--into", type=Path, default=HERE, help="where the model's files go")
    parser.add_argument("--steps", type=int, default=plan.steps)
    parser.add_argument("--batch", type=int, default=plan.batch)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument(
        "--families", default=",".join(plan.families), help="emoji families, with commas between"
    )
    parser.add_argument("--workers", type=int, default=spare, help="processes that draw scenes")
    parser.add_argument("--every", type=int, default=250, help="batches between checkpoints")
    parser.add_argument("--measured", type=int, default=500, help="scenes a point is measured in")
    options = parser.parse_args(arguments)
    plan = Plan(
        seed=options.seed,
        steps=options.steps,
        batch=options.batch,
        families=tuple(options.families.split(",")),
    )
    try:
        for family in plan.families:
            families.sprites(family, options.work)
        trainer = Trainer(plan, options.work)
        trainer.run(options.workers, options.every, options.measured)
        trainer.write(options.into)
    except ShoeboxError as error:
        print(f"starter: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "starter: stopped; the same command goes on from the last checkpoint", file=sys.stderr
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
