"""How words are made comparable: in captions, in text read off photos, in queries."""

from __future__ import annotations

import re
import unicodedata

_TERM = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_SPACES = re.compile(r"\s+")


def fold(text: str) -> str:
    """Lower case, one width, no accents, single spaces: `ＣＡＦÉ ` becomes `cafe`.

    NFKC joins full- and half-width forms (Unicode Annex 15); marks are dropped from Latin,
    Greek and Cyrillic letters only, because they carry the vowels of other scripts.
    """
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    kept: list[str] = []
    base = ""
    for character in decomposed:
        if unicodedata.combining(character):
            if base and _drops_marks(base):
                continue
        else:
            base = character
        kept.append(character)
    return _SPACES.sub(" ", unicodedata.normalize("NFC", "".join(kept))).strip()


def terms(folded: str) -> list[str]:
    """The words of a folded text in order, without repeats; a run of Chinese is one word."""
    found: list[str] = []
    for word in _TERM.findall(folded):
        found.extend(_split_scripts(word))
    return list(dict.fromkeys(found))


def is_ideographic(character: str) -> bool:
    """Whether a character belongs to a script that is written without spaces."""
    code = ord(character)
    return (
        0x3040 <= code <= 0x30FF  # kana
        or 0x3400 <= code <= 0x9FFF  # Han
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x3FFFF
        or 0x0E00 <= code <= 0x0EFF  # Thai, Lao
    )


def _drops_marks(character: str) -> bool:
    return unicodedata.name(character, "").startswith(("LATIN", "GREEK", "CYRILLIC"))


def _split_scripts(word: str) -> list[str]:
    """`360度` -> `360`, `度`: runs with and without spaces between words are kept apart."""
    runs: list[str] = []
    for character in word:
        if runs and is_ideographic(character) == is_ideographic(runs[-1][-1]):
            runs[-1] += character
        else:
            runs.append(character)
    return [run.strip("'’.-") for run in runs if run.strip("'’.-")]
