"""`python -m bot.starter.train`: rebuilds the starter model from nothing.

CLIP's method (Radford et al. 2021, section 2.3): two towers, unit vectors, a learned temperature,
symmetric cross-entropy over the pairs of a batch; in the last part a sigmoid loss on top (Zhai et
al. 2023), for which all is labelled, since all was drawn. Every batch is drawn afresh from a seed
and its number, so a run that was stopped goes on exactly where it was.
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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot import torchvision_nms
from bot.eager import faster_precision
from bot.errors import ShoeboxError
from bot.modelfolder import WEIGHTS
from bot.starter import families, files, graphs, losses, network
from bot.starter.batches import Batch, Batches
from bot.starter.concepts import LANGUAGES
from bot.starter.plan import Plan

HERE = Path(__file__).parent
CHECKPOINT = "checkpoint.pt"


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
        self._telling = losses.Telling(self._device)
        others += self._telling.parameters()
        self._groups = [
            {"params": decayed, "weight_decay": plan.decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self._optimiser = self._fresh_optimiser()
        self._batches = Batches(plan, work)
        self._history: list[dict[str, float]] = []
        self._step = 0
        self._seconds = 0.0

    def _fresh_optimiser(self) -> Any:
        import torch

        return torch.optim.AdamW(self._groups, lr=self._plan.rate, betas=(0.9, 0.98))

    def begin_with(self, folder: Path) -> None:
        """Go on from the first part's finished weights in that folder, unless a checkpoint of this
        run is there already."""
        from safetensors.torch import load_file

        if (self._work / CHECKPOINT).exists():
            return
        self._model.load_state_dict(load_file(folder / WEIGHTS[0]))
        self._step = self._plan.steps

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
        bar = tqdm(total=self._plan.total, initial=self._step, unit="batch", file=sys.stderr)
        began, before = time.monotonic(), self._seconds
        loss = math.nan
        with bar:
            for batch in self._drawn(workers):
                if self._step == self._plan.steps:
                    self._optimiser = self._fresh_optimiser()
                loss = self._learn(batch)
                self._step += 1
                self._seconds = before + time.monotonic() - began
                bar.update()
                bar.set_postfix(loss=f"{loss:.2f}", refresh=False)
                if self._step % every == 0 or self._step in (self._plan.steps, self._plan.total):
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
            sampler=range(self._step, self._plan.total),
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
            told = [self._texts(batch.texts[language]) for language in LANGUAGES]
        images = torch.nn.functional.normalize(images.float(), dim=-1)
        scale = self._model.logit_scale.exp()
        parts = []
        for language, features in zip(LANGUAGES, told, strict=True):
            texts = torch.nn.functional.normalize(features.float(), dim=-1)
            if batch.true is None:
                parts.append(losses.contrastive(images, texts, scale, None))
                continue
            true = torch.from_numpy(batch.true[language]).to(self._device)
            n = len(images)
            parts.append(losses.contrastive(images, texts[:n], scale, true[:, :n]))
            parts[-1] = parts[-1] + losses.SHARE * self._telling.loss(images, texts, true)
        loss = torch.stack(parts).mean()
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
            "telling": [float(each.detach()) for each in self._telling.parameters()],
        }
        partial = self._work / "checkpoint.partial"
        torch.save(state, partial)
        partial.replace(self._work / CHECKPOINT)

    def _resume(self) -> None:
        import torch

        file = self._work / CHECKPOINT
        if not file.exists():
            return
        state = torch.load(file, map_location=self._device, weights_only=True)
        if state["plan"] != self._identity():
            raise ShoeboxError(f"{file} is of another plan: finish that one, or remove the file")
        self._model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        with torch.no_grad():
            for parameter, kept in zip(self._telling.parameters(), state["telling"], strict=True):
                parameter.fill_(kept)
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
    parser.add_argument("--finish", type=int, default=plan.finish, help="batches of the last part")
    parser.add_argument(
        "--begin-with", type=Path, help="a folder with the first part's weights: only finish them"
    )
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
        finish=options.finish,
        batch=options.batch,
        families=tuple(options.families.split(",")),
    )
    try:
        for family in plan.families:
            families.sprites(family, options.work)
        trainer = Trainer(plan, options.work)
        if options.begin_with is not None:
            trainer.begin_with(options.begin_with)
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
