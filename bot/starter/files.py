"""The committed files of the starter model: where they are, and whether they are whole.

Needs no torch.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from bot import modelfolder
from bot.errors import ModelUnavailable
from bot.language import to_say
from bot.modelfolder import ModelFolder

NAME = "starter"
"""What MODEL says to take it."""
FOLDER = Path(__file__).parent
SUMS = "SHA256SUMS"
LOADED = (".json", ".npy", ".onnx", ".safetensors")

LIMITS = to_say(
    "The starter model finds drawings of some 500 things in English and Chinese; it does not "
    "know photos."
)
WAY_OUT = to_say("For photos, run Shoebox with another MODEL; the README lists some.")


def read(folder: Path = FOLDER) -> ModelFolder:
    """The starter, every file compared with its SHA-256.

    Raises ModelUnavailable: one line with the file, the hash it should have, and how to get it
    back.
    """
    for name, expected in sums(folder).items():
        file = folder / name
        try:
            found = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise _damaged(file, error.strerror or "unreadable", expected) from error
        if found != expected:
            raise _damaged(file, f"damaged (SHA-256 {found})", expected)
    return modelfolder.read(folder)


def sums(folder: Path = FOLDER) -> dict[str, str]:
    """File name -> SHA-256, as SHA256SUMS holds them. Raises ModelUnavailable."""
    file = folder / SUMS
    try:
        lines = file.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelUnavailable(f"{file} can't be read; {_restore(file)}") from error
    found = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
    if not all(len(sha256) == 64 and name for name, sha256 in found.items()) or not found:
        raise ModelUnavailable(f"{file} is damaged; {_restore(file)}")
    return found


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS for every file that the model is loaded from; `sha256sum -c` takes it."""
    names = sorted(f.name for f in folder.iterdir() if f.suffix in LOADED)
    lines = [f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    (folder / SUMS).write_text("".join(lines), "ascii")


def _damaged(file: Path, what: str, expected: str) -> ModelUnavailable:
    return ModelUnavailable(f"{file}: {what}; SHA-256 {expected} is expected; {_restore(file)}")


def _restore(file: Path) -> str:
    return f"restore it with `git checkout -- {file}`, or install Shoebox again"
