"""Which of some options a photo shows: zero-shot classification with CLIP.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision",
section 3.1.4: each option is put into several sentences, and the mean of their embeddings stands
for it. Probabilities are the softmax of the cosines times the model's own scale. SigLIP (Zhai et
al. 2023) learned a sigmoid with a bias instead: a probability for each option by itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from bot.answers import Share, Verdict
from bot.language import say, to_say
from bot.photos import Vector
from bot.ports import Encoder
from bot.words import fold, is_ideographic

FEWEST, MOST = 2, 10
LONGEST = 60
"""Characters of an option that are looked at."""
HOW = to_say("Give me 2 to 10 options: /which cat, dog or cake")

# Of the general ones among CLIP's own templates
# (https://github.com/openai/CLIP/blob/main/notebooks/Prompt_Engineering_for_ImageNet.ipynb),
# and of Chinese-CLIP's (https://github.com/OFA-Sys/Chinese-CLIP).
ENGLISH = (
    "a photo of {a}.",
    "a photo of the {}.",
    "a close-up photo of {a}.",
    "a bad photo of {a}.",
    "a photo of the large {}.",
    "a photo of the small {}.",
    "a drawing of {a}.",
    "{}",
)
CHINESE = (
    "一张{}的照片。",
    "{}的照片。",
    "{}的特写照片。",
    "一张质量不好的{}的照片。",
    "大的{}的照片。",
    "小的{}的照片。",
    "{}的图画。",
    "{}",
)

_BETWEEN = re.compile(r"[,;，、；;\n]|\b(?:or)\b|还是|或者|或", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:an?|the)\s+(?=\S)", re.IGNORECASE)
CERTAIN, LIKELY = 0.8, 0.5


def options_in(words: str) -> list[str]:
    """`cat, dog or the cake?` -> cat, dog, the cake: without repeats, as they were written."""
    parts = (" ".join(part.split()).strip(" .?!。？！") for part in _BETWEEN.split(words))
    found = {fold(part): part[:LONGEST].rstrip() for part in reversed(list(parts)) if part}
    return list(found.values())[::-1]


def prompts(option: str) -> list[str]:
    """The sentences that stand for an option."""
    if any(map(is_ideographic, option)):
        return [template.format(option) for template in CHINESE]
    bare = _ARTICLE.sub("", option)
    article = "an" if bare[0].lower() in "aeiou" else "a"
    return [template.format(bare, a=f"{article} {bare}") for template in ENGLISH]


async def judge(encoder: Encoder, photo: Vector, options: Sequence[str]) -> Verdict:
    """Shares of the options in a photo's (d,) vector. Raises ModelUnavailable."""
    cosines = [float(photo @ await _meaning(encoder, option)) for option in options]
    learned = encoder.calibration
    by_itself = learned.bias is not None
    logits = learned.scale * np.array(cosines) + (learned.bias or 0.0)
    shares = separate(logits) if by_itself else softmax(logits)
    ordered = sorted(zip(options, shares.tolist(), strict=True), key=lambda each: -each[1])
    found = tuple(Share(option, share) for option, share in ordered)
    notice = None
    if by_itself:
        alone = Share(found[0].option, 1 / (1 + math.exp(-float(logits.max()))))
        notice = say(
            "This model judges each option by itself: the first gets {percent}. The bars are "
            "shares of what all of them get.",
            percent=alone.percent,
        )
    return Verdict(_sentence(found[0]), found, notice)


def softmax(logits: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Vector:
    """Probabilities of options of which one is true."""
    powers = np.exp(logits - logits.max())
    shares: Vector = (powers / powers.sum()).astype(np.float32)
    return shares


def separate(logits: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Vector:
    """Probabilities of options of which each is true or not, as shares of their sum."""
    logs = -np.logaddexp(0, -logits)
    return softmax(logs)


async def _meaning(encoder: Encoder, option: str) -> Vector:
    vectors = [await encoder.encode_text(prompt) for prompt in prompts(option)]
    mean = np.mean(vectors, axis=0)
    meaning: Vector = (mean / np.linalg.norm(mean)).astype(np.float32)
    return meaning


def _sentence(best: Share) -> str:
    if best.share >= CERTAIN:
        return say("That looks like “{option}”.", option=best.option)
    if best.share >= LIKELY:
        return say("That looks most like “{option}”.", option=best.option)
    return say("Hard to tell; most like “{option}”.", option=best.option)
