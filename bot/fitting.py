"""Whether a photo fits what was asked, judged for each question anew.

The nearest photo is always there, and says nothing of whether it shows what was asked for. Several
views of its cosine are weighed, all in standard deviations or in the model's own logits, so that
the weights hold for models whose cosines lie elsewhere:

- *height*: over the best that texts without a meaning reach in these very photos. The best of
  many photos is high for any text; this asks for more.
- *lead*: over the bulk of these photos for this question (median and median absolute deviation;
  the background pictures are counted in, so that a group of one photo has a bulk too), so far as
  it falls short of what the best of so many has by chance. More of it says no more.
- *clearness*: over the best that words of another meaning reach on this very photo. What shows a
  duck is nearer to "duck" than to "goose".
- *glow*: what texts without a meaning reach on this very photo; some are near to everything.
- *company*: how far the next ones fall behind, the more the larger the group. Of most things there
  are several photos in a large one.
- *familiarity*: of the question itself. One that is an everyday word, or nearly so, comes nearer to
  what it means than one for two things or for a thing at a place; it must.
- *own*: the model's own logit, where it learned a bias and with it a probability for a single
  pair (SigLIP, Zhai et al. 2023). Half a chance or more speaks for the photo by itself.

Words that were found speak beside that: see `ranking`.

The weights are a logistic regression on drawn groups of all sizes, the threshold is where few of
their questions without an answer get one (python -m benchmarks.tuning).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bot.candidates import Candidate, Candidates
from bot.photos import Calibration

HEIGHT, LEAD, CLEARNESS, GLOW, COMPANY, FAMILIARITY = 2.06, 20.47, 0.99, -0.11, 1.51, -0.98
THRESHOLD = 0.9
"""About what meaning alone needs (0.98), chosen where of drawn groups, captions and all, as many
questions are missed as are answered falsely."""
ALONE = 10
"""In so few photos nothing has company; in a hundred times as many, whatever is there at all."""
OWN, OWN_FROM, OWN_MOST = 0.5, -4.0, 6.0
"""SigLIP learned among tens of thousands of wrong pairs to each right one, so that a right pair
may have a few per cent only: from there (-4) on its logit speaks for a photo."""
WORDS = 8.0
"""What words that hold all of the question, and that nobody else has, weigh."""
RARE = 0.85
"""From here on one word is enough by itself, whatever else was asked: of 2,000 photos at most 3
have it, of 10 at most one. A word that is half of the question is as much."""
APART, APART_WORDS = 0.4, 4.0
"""What speaks for a photo whose words hold some of what is asked for, when the rest is looked for
among such photos alone."""
UNSEEN = -3.5
"""What meaning takes away at most from a photo of which words speak: of a brand or of somebody's
name the model knows nothing."""
SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Views:
    """A photo's meaning seen from several sides."""

    height: float
    lead: float
    clearness: float
    glow: float
    company: float
    familiarity: float
    own: float | None = None

    @property
    def evidence(self) -> float:
        """Log odds that the photo shows what was asked for; 0 is the threshold."""
        seen = (
            HEIGHT * self.height
            + LEAD * self.lead
            + CLEARNESS * self.clearness
            + GLOW * self.glow
            + COMPANY * self.company
            + FAMILIARITY * self.familiarity
            - THRESHOLD
        )
        if self.own is not None:
            seen += OWN * max(-OWN_MOST, min(OWN_MOST, self.own - OWN_FROM))
        return seen


def views(
    item: Candidate, candidates: Candidates, calibration: Calibration | None = None
) -> Views | None:
    """None: there is nothing to judge by."""
    level = candidates.level
    if item.cosine is None or level is None:
        return None
    own = None
    if calibration is not None and calibration.bias is not None:
        own = calibration.scale * item.cosine + calibration.bias
    spread = max(level.neutral_spread, SAME)
    large = min(max(math.log10(max(candidates.total, 1) / ALONE) / 2, 0.0), 1.0)
    return Views(
        height=(item.cosine - level.neutral) / spread,
        lead=min((item.cosine - level.median) / max(level.spread, SAME) - level.chance, 0.0),
        clearness=0.0 if item.rival is None else (item.cosine - item.rival) / spread,
        glow=(item.neutral - level.neutral) / spread,
        company=large * min((level.company - item.cosine) / spread, 0.0),
        familiarity=level.familiarity,
        own=own,
    )


def about_nothing(candidates: Candidates) -> bool:
    """Whether the question is about blank frames: it prefers a plain picture to all photos."""
    level = candidates.level
    seen = [item.cosine for item in candidates.items if item.cosine is not None and not item.plain]
    return level is not None and level.plain >= max(seen, default=-math.inf)


def fits(
    item: Candidate,
    candidates: Candidates,
    evidence: float | None,
    words: float,
    held: Mapping[str, float],
    asked: int,
    named: float,
    apart: float | None = None,
) -> bool:
    """`evidence` of meaning, `words`: the weighted share of the question that words hold (0..1),
    `held`: rarity (0..1) of the terms that they hold, of so many that are `asked` for, `named`: how
    much it looks like what the group calls so, `apart`: evidence that it shows the rest of
    what is asked for, where words hold some of it."""
    if len(held) == asked > 0 or named >= 0.5:
        return True
    if candidates.level is None:  # nothing to judge by: words alone, or a photo and its like
        return item.cosine is not None or words > 0 or named > 0
    if evidence is None:  # it waits for its vector
        evidence = UNSEEN
    if max(held.values(), default=0.0) >= RARE:
        words = max(words, RARE / 2)
    if apart is not None:
        return apart + APART + APART_WORDS * words >= 0 or evidence + WORDS * words >= 0
    return max(evidence, UNSEEN if held else -math.inf) + WORDS * words >= 0
