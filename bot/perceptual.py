"""What a photo looks like from afar: a fingerprint that survives copying, and how far two differ.

A fingerprint is the photo shrunk to 32 × 32 grey cells and 8 × 8 cells of colour, a byte each
(tiny images: Torralba, Fergus and Freeman 2008, "80 million tiny images"). Hashes of 64 to 256
bits (pHash, PDQ, the ones of the ImageHash package, which also brings SciPy and PyWavelets) keep
only signs: on flat drawings and blank frames many of them are noise, and what a cut or a border
did can't be undone. Levels can be compared as they are, blank frames included, and again as if one
of the two had been cut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

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
COARSE = 8
"""Cells a side that tell already that most pairs are too far apart."""
ROUNDING = 1e-3

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


def distances(prints: Sequence[bytes], most: float = math.inf) -> Floats:
    """How far each two of n are apart: (n, n), 0 on the diagonal.

    The root of the mean squared difference, divided by the contrast of whichever has less, so
    that 1 is about as far as two photos that have nothing to do with each other; the least of
    that as they are and with either of them cut at its edges. Above `most` it may be more than
    that: pairs that no cut can bring nearer are not looked at cut by cut.
    """
    if not prints:
        return np.zeros((0, 0), np.float32)
    levels = np.frombuffer(b"".join(prints), np.uint8).reshape(len(prints), SIZE)
    grey = levels[:, : CELLS**2].reshape(-1, CELLS, CELLS).astype(np.float32)
    cells = levels[:, CELLS**2 :].reshape(-1, COLOUR_CELLS, COLOUR_CELLS, 2)
    colour = cells.transpose(0, 3, 1, 2).astype(np.float32)
    plain, contrast = _features(grey, colour)
    found = _between(plain, contrast, plain, contrast)
    np.fill_diagonal(found, np.inf)
    near = np.flatnonzero(found.min(axis=1) <= WORTH_CUTTING)
    if near.size:
        grey, colour, plain, contrast = grey[near], colour[near], plain[near], contrast[near]
        among = found[np.ix_(near, near)]
        for cut, may in zip(CUTS, _may_come(grey, colour, contrast, most), strict=True):
            if may.any():
                features = _features(_cut(grey[may], cut), _cut(colour[may], cut))
                among[may] = np.minimum(among[may], _between(*features, plain, contrast))
        among = np.minimum(among, among.T)
        found[np.ix_(near, near)] = among
    np.fill_diagonal(found, 0)
    return found


def _may_come(grey: Floats, colour: Floats, contrast: Floats, most: float) -> NDArray[np.bool_]:
    """(cuts, n): which of n photos a cut may bring as near as `most` to another one.

    The mean squared difference of means is never more than that of what they are the means of, so
    that COARSE cells of grey tell it, a sixteenth of all.
    """
    n = len(grey)
    if most == math.inf:
        return np.ones((len(CUTS), n), np.bool_)
    part = CELLS // COARSE
    means = np.kron(np.eye(COARSE), np.full((1, part), 1 / part)).astype(np.float32)
    plain = (means @ grey @ means.T).reshape(n, -1) - 128
    reach = COARSE**2 * ((most + ROUNDING) * contrast) ** 2 - (plain * plain).sum(axis=1)
    rows = [means @ _shares(CELLS, top, 1 - bottom) for _, top, _, bottom in CUTS]
    down = np.tensordot(np.concatenate(rows), grey, (1, 1)).reshape(len(CUTS), COARSE, n, CELLS)
    may = np.zeros((len(CUTS), n), np.bool_)
    for found, cut_down, (left, _, right, _) in zip(may, down, CUTS, strict=True):
        columns = means @ _shares(CELLS, left, 1 - right)
        cells = (cut_down @ columns.T).transpose(1, 0, 2).reshape(n, -1) - 128
        in_reach = (cells * cells).sum(axis=1)[:, None] - 2 * (cells @ plain.T) <= reach
        np.fill_diagonal(in_reach, False)
        in_reach.any(axis=1, out=found)
    return may


def _features(grey: Floats, colour: Floats) -> tuple[Floats, Floats]:
    """(n, 32, 32) and (n, 2, 8, 8) levels -> (n, SIZE), scaled so that squared differences add up
    to a mean; (n,) contrasts."""
    n = len(grey)
    flat = np.empty((n, SIZE), np.float32)
    parts = flat[:, : CELLS**2], *np.split(flat[:, CELLS**2 :], 2, axis=1)
    channels = grey.reshape(n, -1), *(colour[:, each].reshape(n, -1) for each in (0, 1))
    scales = 1 / CELLS, COLOUR_WEIGHT / COLOUR_CELLS, COLOUR_WEIGHT / COLOUR_CELLS
    variance = np.zeros(n, np.float32)
    for part, channel, scale in zip(parts, channels, scales, strict=True):
        # From the middle of the range, so that float32 is exact enough for squares.
        np.multiply(channel - np.float32(128), np.float32(scale), out=part)
        variance += np.einsum("ij,ij->i", part, part) - part.mean(axis=1) ** 2 * part.shape[1]
    contrast: Floats = np.sqrt(np.maximum(variance, FLAT**2)).astype(np.float32)
    return flat, contrast


def _between(a: Floats, contrast_a: Floats, b: Floats, contrast_b: Floats) -> Floats:
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * (a @ b.T)
    scale = np.minimum(contrast_a[:, None], contrast_b[None, :])
    far: Floats = (np.sqrt(np.maximum(squares, 0)) / scale).astype(np.float32)
    return far


def _cut(cells: Floats, cut: tuple[float, float, float, float]) -> Floats:
    """(…, side, side) cells -> as many cells of what is left of them."""
    left, top, right, bottom = cut
    side = cells.shape[-1]
    rows, columns = _shares(side, top, 1 - bottom), _shares(side, left, 1 - right)
    left_over: Floats = np.matmul(np.matmul(rows, cells), columns.T)
    return left_over


@cache
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
