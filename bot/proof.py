"""Pictures and texts that show whether an export computes what PyTorch computes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bot.eager import EagerNetwork
from bot.errors import ShoeboxError
from bot.exported import IMAGE, TEXT, ExportedNetwork
from bot.photos import Pixels, Vector
from bot.tokens import Tokens

SAME = 0.99999
"""Cosine to PyTorch of an export in float32, where only the order of additions differs."""
PICTURES = 8
TEXTS = (
    "",
    "cake",
    "a photo of a cat",
    "Grandma's 80th birthday!!",
    "IMG_2041.jpg",
    "two dogs running on a beach at sunset, one of them with a red ball in its mouth",
    "the receipt from the hardware store",
    "生日蛋糕",
    "海边的两只狗和一个红色的球",
    "gâteau d'anniversaire",
    "с днём рождения 🎂🎉",
    "&lt;start_of_text&gt; & <end_of_text>",
    "we're sure it'll've been there's Ω ﬁ İstanbul 12:45",
    "x" * 300,
    "a very long story " * 40,
    "\ud800\x00",
)
"""Queries of every kind, to be read and embedded as PyTorch does."""
SHORT = TEXTS[1:3]
TRIES = 5


class Unfit(ShoeboxError):
    """This model can't be exported, or what came out is not the same model."""


class Proof:
    """What PyTorch makes of them, kept for when the network is gone."""

    def __init__(self, network: EagerNetwork) -> None:
        self._pictures = pictures(network.image_spec.size)
        self._expected = self._seen_by(network)
        self._ids = [network.tokens(text)[0].tolist() for text in TEXTS]

    def check_tokens(self, read: Tokens) -> None:
        """Raises Unfit where a text is read in another way."""
        for text, ids in zip(TEXTS, self._ids, strict=True):
            if read(text) != ids:
                raise Unfit(
                    f"its tokenizer can't be rebuilt: it reads {text[:40]!r} in another way"
                )

    def cosines(self, export: Path) -> dict[str, float]:
        """The lowest to PyTorch, tower by tower."""
        found = self._seen_by(ExportedNetwork(export))
        return {
            tower: float((found[tower] * vectors).sum(axis=1).min())
            for tower, vectors in self._expected.items()
        }

    def seconds(self, export: Path) -> float:
        """What some short texts take, the least of some tries."""
        network, tries = ExportedNetwork(export), []
        for _ in range(TRIES):
            began = time.perf_counter()
            for text in SHORT:
                network.text(text)
            tries.append(time.perf_counter() - began)
        return min(tries)

    def check_same(self, export: Path) -> dict[str, float]:
        """The cosines of an export in float32. Raises Unfit where it is another model."""
        cosines = self.cosines(export)
        if not min(cosines.values()) >= SAME:
            raise Unfit(f"its export computes something else (cosines {cosines})")
        return cosines

    def _seen_by(self, network: EagerNetwork | ExportedNetwork) -> dict[str, Vector]:
        return {
            IMAGE: np.concatenate([network.images(picture[None]) for picture in self._pictures]),
            TEXT: np.stack([network.text(text) for text in TEXTS]),
        }


def pictures(size: tuple[int, int]) -> Pixels:
    """(n, height, width, 3): seeded clouds with as much of every scale as photos have (1/f), half
    of them cut by an edge, from dark to bright."""
    rng = np.random.default_rng(0)
    height, width = size
    far = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    far[0, 0] = 1
    made = []
    for number in range(PICTURES):
        noise = np.fft.fft2(rng.normal(size=(3, height, width))) / far**1.2
        clouds = np.fft.ifft2(noise).real
        clouds += 1.5 * clouds.mean(axis=0)  # mostly grey
        clouds /= clouds.std()
        if number % 2:
            clouds[:, :, rng.integers(width // 4, width) :] += rng.normal(size=(3, 1, 1))
        level = 60 + 135 * number / PICTURES
        made.append(np.clip(level + 50 * clouds, 0, 255).astype(np.uint8).transpose(1, 2, 0))
    return np.stack(made)
