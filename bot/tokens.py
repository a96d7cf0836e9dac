"""Words -> the numbers that a text tower reads, as open_clip does it but without importing torch.

open_clip has two tokenizers: its own for OpenAI's byte-pair vocabulary (Radford et al. 2021), and
any of the hub's. What both do to a text first is said in open_clip/tokenizer.py (MIT).
"""

from __future__ import annotations

import html
import string
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VOCABULARY = "tokenizer.json"
"""What `tokenizers` reads."""

START, END = "<start_of_text>", "<end_of_text>"
WORDS = rf"{START}|{END}|'s|'t|'re|'ve|'m|'ll|'d|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+"
"""How open_clip's own tokenizer takes a text apart."""

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a model reads a text."""

    builtin: bool
    """By open_clip's own tokenizer, else by one of the hub's."""
    clean: str
    """What happens to the text first: `lower`, `whitespace` or `canonicalize`."""
    length: int
    """How many tokens the model takes; what is longer is cut, what is shorter is padded."""
    emptied: int | None = None
    """A token that is read as 0."""


class Tokens:
    """A loaded tokenizer: text -> `length` token ids, the same as open_clip's."""

    def __init__(self, folder: Path, reading: Reading) -> None:
        from tokenizers import Tokenizer

        self._reading = reading
        self._tokenizer = Tokenizer.from_file(str(folder / VOCABULARY))

    def __call__(self, text: str) -> list[int]:
        well_formed = text.encode("utf-8", "replace").decode()
        cleaned = clean(well_formed, self._reading.clean)
        if self._reading.builtin:
            return self._by_bytes(cleaned)
        ids: list[int] = self._tokenizer.encode(cleaned).ids
        return [0 if token == self._reading.emptied else token for token in ids]

    def _by_bytes(self, text: str) -> list[int]:
        import regex

        special = {each: self._tokenizer.token_to_id(each) or 0 for each in (START, END)}
        ids = [special[START]]
        alphabet = _alphabet()
        for word in regex.findall(WORDS, text, regex.IGNORECASE):
            if word in special:
                ids.append(special[word])
            else:
                letters = "".join(alphabet[byte] for byte in word.encode())
                ids += [token.id for token in self._tokenizer.model.tokenize(letters)]
            if len(ids) >= self._reading.length:
                break
        ids = [*ids[: self._reading.length - 1], special[END]]
        return ids + [0] * (self._reading.length - len(ids))


def clean(text: str, how: str) -> str:
    """What open_clip does to a text before it is taken apart. Raises ValueError for an unknown
    way."""
    import ftfy

    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    if how == "canonicalize":
        text = text.replace("_", " ").translate(_NO_PUNCTUATION).lower()
    elif how == "lower":
        return " ".join(text.split()).lower()
    elif how != "whitespace":
        raise ValueError(f"no way to clean a text is called {how}")
    return " ".join(text.split())


@cache
def _alphabet() -> dict[int, str]:
    """A letter for each byte: itself where it can be printed, else one behind Latin-1 (GPT-2)."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + n) for n, byte in enumerate(rest)}
