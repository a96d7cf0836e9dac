"""What a photo looks like from afar: a fingerprint that survives copying, and how far two differ.

A fingerprint is the photo shrunk to 32 × 32 grey cells and 8 × 8 cells of colour, a byte each
(tiny images: Torralba, Fergus and Freeman 2008, "80 million tiny images"). Hashes of 64 to 256
bits (pHash, PDQ, the ones of the ImageHash package, which also brings SciPy and PyWavelets) keep
only signs: on flat drawings and blank frames many of them are noise, and what a cut or a border
did can't be undone. Levels can be compared as they are, blank frames included, and again as if one
of the two had been cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CELLS, COLOUR_CELLS = 32, 8
SIZE = CELLS**2 + 2 * COLOUR_CELLS**2
"""Bytes of a fingerprint."""
AT_LEAST = 6 * CELLS
"""Pixels a side that the photo should have before it is shrunk."""
COLOUR_WEIGHT = 0.5
"""Of a level of colour beside one of grey: JPEG is coarser with colour."""
FLAT = 8.0
"""Grey levels (standard deviation) under which a photo has no contrast to measure differences by.
JPEG at quality 30 moves a blank frame by up to two levels."""
WORTH_CUTTING = 1.5
"""Pairs that are further apart than this as they are don't become copies by cutting one."""

_ROUND = (0.01, 0.02, 0.03, 0.04)
_ONE_SIDE = (0.025, 0.05, 0.075)
CUTS: tuple[tuple[float, float, float, float], ...] = (
    *((share,) * 4 for share in _ROUND),
    *((share, 0, 0, 0) for share in _ONE_SIDE),
    *((0, share, 0, 0) for share in _ONE_SIDE),
    *((0, 0, share, 0) for share in _ONE_SIDE),
    *((0, 0, 0, share) for share in _ONE_SIDE),
)
"""What may be missing of a copy, or added to it: shares of left, top, right, bottom."""

Floats = NDArray[np.float32]


def fingerprint(image: Image.Image) -> bytes:
    """SIZE bytes of an upright RGB image of any shape and size."""
    small = image.resize((CELLS, CELLS), Image.Resampling.BOX).convert("YCbCr")
    levels: NDArray[np.uint8] = np.asarray(small)
    part = CELLS // COLOUR_CELLS
    colour = levels[..., 1:].reshape(COLOUR_CELLS, part, COLOUR_CELLS, part, 2).mean((1, 3))
    grey, blue_red = levels[..., 0].tobytes(), np.round(colour).astype(np.uint8).tobytes()
    return bytes(grey + blue_red)


def distances(prints: Sequence[bytes]) -> Floats:
    """How far each two of n are apart: (n, n), 0 on the diagonal.

    The root of the mean squared difference, divided by the contrast of whichever has less, so
    that 1 is about as far as two photos that have nothing to do with each other; the least of
    that as they are and with either of them cut at its edges.
    """
    if not prints:
        return np.zeros((0, 0), np.float32)
    levels = np.frombuffer(b"".join(prints), np.uint8).reshape(len(prints), SIZE)
    grey = levels[:, : CELLS**2].reshape(-1, CELLS, CELLS).astype(np.float32)
    colour = levels[:, CELLS**2 :].reshape(-1, COLOUR_CELLS, COLOUR_CELLS, 2).astype(np.float32)
    plain, contrast = _features(grey, colour)
    found = _between(plain, contrast, plain, contrast)
    np.fill_diagonal(found, np.inf)
    near = np.flatnonzero(found.min(axis=1) <= WORTH_CUTTING)
    if near.size:
        grey, colour, plain, contrast = grey[near], colour[near], plain[near], contrast[near]
        among = found[np.ix_(near, near)]
        for cut in CUTS:
            other = _between(*_features(_cut(grey, cut), _cut(colour, cut)), plain, contrast)
            among = np.minimum(among, np.minimum(other, other.T))
        found[np.ix_(near, near)] = among
    np.fill_diagonal(found, 0)
    return found


def _features(grey: Floats, colour: Floats) -> tuple[Floats, Floats]:
    """(n, SIZE) levels, scaled so that squared differences add up to a mean; (n,) contrasts."""
    n = len(grey)
    grey, colour = grey.reshape(n, -1), COLOUR_WEIGHT * colour.reshape(n, -1, 2)
    contrast = np.sqrt(grey.var(axis=1) + colour.var(axis=1).sum(axis=1))
    # From the middle of the range, so that float32 is exact enough for squares.
    middle = np.float32(128)
    grey, colour = grey - middle, colour - np.float32(COLOUR_WEIGHT) * middle
    flat: Floats = np.concatenate([grey / CELLS, colour.reshape(n, -1) / COLOUR_CELLS], axis=1)
    return flat.astype(np.float32), np.maximum(contrast, FLAT).astype(np.float32)


def _between(a: Floats, contrast_a: Floats, b: Floats, contrast_b: Floats) -> Floats:
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * (a @ b.T)
    scale = np.minimum(contrast_a[:, None], contrast_b[None, :])
    far: Floats = (np.sqrt(np.maximum(squares, 0)) / scale).astype(np.float32)
    return far


def _cut(cells: Floats, cut: tuple[float, float, float, float]) -> Floats:
    """(n, side, side, …) cells -> as many cells of what is left of them."""
    left, top, right, bottom = cut
    side = cells.shape[1]
    rows, columns = _shares(side, top, 1 - bottom), _shares(side, left, 1 - right)
    down = np.einsum("ij,nj...->ni...", rows, cells, optimize=True)
    left_over: Floats = np.einsum("kl,nil...->nik...", columns, down, optimize=True)
    return left_over


def _shares(side: int, start: float, end: float) -> Floats:
    """(side, side): how much of each old cell is in each new one, when `start` to `end` of the
    whole is spread over all."""
    edges = np.linspace(start * side, end * side, side + 1)
    old = np.arange(side)
    low = np.maximum(edges[:-1, None], old[None, :])
    high = np.minimum(edges[1:, None], old[None, :] + 1)
    covered = np.maximum(high - low, 0)
    shares: Floats = (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
