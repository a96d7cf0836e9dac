"""Whether the model can understand in which script somebody asks; else a hint which one would.

Models don't tell their languages. Those of many languages can be known by their names; the others
that open_clip has were trained with English. What lies in a folder of the owner's own is taken to
understand whatever it is asked.
"""

from __future__ import annotations

import unicodedata

from bot.language import say
from bot.models import LOCAL
from bot.settings import DEFAULT_MODEL
from bot.starter import files as starter

MANY_LANGUAGES = ("siglip2", "i18n", "xlm", "nllb", "multilingual", "worldwide", "mexma", LOCAL)
"""Found in the names of models that understand many."""
MOSTLY = 0.5
"""Share of a question's letters from which on its script is the question's."""
LATIN, CHINESE = "LATIN", "CJK"


def hint(words: str, model: str) -> str | None:
    """What to say if `model`, as written in MODEL, can't understand these words."""
    script = script_of(words)
    if script in (None, LATIN) or any(part in model.casefold() for part in MANY_LANGUAGES):
        return None
    if model == starter.NAME and script == CHINESE:
        return None
    return say(
        "The model in use doesn't understand this language; photos may still be found by their "
        "words. MODEL={model} understands 100+ languages.",
        model=DEFAULT_MODEL,
    )


def script_of(words: str) -> str | None:
    """The script that most of the letters belong to, as Unicode calls it; None: there is none.

    Signs, digits and emoji have no say.
    """
    scripts: dict[str, int] = {}
    letters = 0
    for character in unicodedata.normalize("NFKC", words):
        if character.isalpha():
            letters += 1
            script = unicodedata.name(character, "?").partition(" ")[0]
            scripts[script] = scripts.get(script, 0) + 1
    most = max(scripts, key=lambda script: scripts[script], default=None)
    return most if most is not None and scripts[most] > MOSTLY * letters else None
