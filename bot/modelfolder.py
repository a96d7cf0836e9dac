"""A model's folder on disk: is it complete, and which model is it. Needs no torch.

Every model ends up as a folder that open_clip's `local-dir:` takes: `open_clip_config.json`, one
file of weights, and the tokenizer's files where the configuration names a tokenizer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import ModelUnavailable

CONFIG = "open_clip_config.json"

WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
"""The names that open_clip prefers, best first; after them any other, safetensors first."""

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")

VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
)
"""A tokenizer has at least one of these."""

TOKENIZER_FILES = (
    *VOCABULARIES,
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that was found complete."""

    path: Path
    config: dict[str, Any]
    """What `open_clip_config.json` holds."""
    weights: Path

    @property
    def tokenizer(self) -> str:
        """The tokenizer's own name; empty for open_clip's built-in one."""
        return tokenizer_of(self.config)


def read(path: Path) -> ModelFolder:
    """The model in a folder. Raises ModelUnavailable with what is missing or damaged."""
    if not path.is_dir():
        raise ModelUnavailable(f"there is no folder {path}")
    try:
        config = read_config(path / CONFIG)
        name = best_weights([file.name for file in path.iterdir() if file.is_file()])
        if name is None:
            raise ModelUnavailable(f"{path} holds no weights, such as {WEIGHTS[0]}")
        _check_weights(path / name)
        tokenizer = tokenizer_of(config)
        if tokenizer and not any((path / file).is_file() for file in VOCABULARIES):
            raise ModelUnavailable(
                f"{path} lacks the tokenizer's files: put {VOCABULARIES[0]} and "
                f"tokenizer_config.json of {tokenizer} there"
            )
    except OSError as error:
        raise ModelUnavailable(
            f"{error.filename or path} can't be read: {error.strerror}"
        ) from error
    return ModelFolder(path, config, path / name)


def read_config(path: Path) -> dict[str, Any]:
    """A model's configuration, if it is one that can be loaded. Raises ModelUnavailable."""
    if not path.is_file():
        raise ModelUnavailable(f"{path.parent} holds no {path.name}")
    try:
        config: Any = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelUnavailable(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_cfg"), dict):
        raise ModelUnavailable(f"{path} has no model_cfg")
    config["preprocess_cfg"] = config.get("preprocess_cfg") or {}
    check_config(config, path)
    return config


def check_config(config: dict[str, Any], origin: object) -> None:
    """Raise ModelUnavailable unless it describes a model that can be loaded without a network."""
    model_cfg = config["model_cfg"]
    for key, kind in (("embed_dim", int), ("vision_cfg", dict), ("text_cfg", dict)):
        if not isinstance(model_cfg.get(key), kind):
            raise ModelUnavailable(f"{origin} has no {key} in its model_cfg")
    if "hf_model_name" in model_cfg["text_cfg"]:
        raise ModelUnavailable(
            "models whose text part is built from another repository "
            f"({model_cfg['text_cfg']['hf_model_name']}) are not supported; for many languages "
            "take a SigLIP2 model such as ViT-B-32-SigLIP2-256/webli"
        )


def tokenizer_of(config: dict[str, Any]) -> str:
    """The repository whose tokenizer a configuration names; empty for the built-in one."""
    return str(config["model_cfg"]["text_cfg"].get("hf_tokenizer_name") or "")


def best_weights(names: Collection[str]) -> str | None:
    """Which of these files to load: open_clip's order, so that both choose the same."""

    def order(name: str) -> tuple[int, bool, str]:
        known = WEIGHTS.index(name) if name in WEIGHTS else len(WEIGHTS)
        return known, not name.endswith(".safetensors"), name

    return min((name for name in names if name.endswith(WEIGHT_SUFFIXES)), key=order, default=None)


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a safetensors file holds one of its tensors."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


def tensors(weights: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file that was found whole."""
    with weights.open("rb") as source:
        length = int.from_bytes(source.read(8), "little")
        header = json.loads(source.read(length))
    header.pop("__metadata__", None)
    found: dict[str, Tensor] = {}
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        shape = tuple(tensor["shape"])
        found[name] = Tensor(tensor["dtype"], shape, 8 + length + begin, end - begin)
    return found


def fingerprint(folder: ModelFolder, hashes: Hashes) -> str:
    """16 hex digits that name configuration and weights, wherever the folder lies."""
    described = {key: folder.config[key] for key in ("model_cfg", "preprocess_cfg")}
    canonical = json.dumps(described, sort_keys=True, separators=(",", ":"))
    text = f"{canonical}\n{hashes.sha256(folder.weights)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Hashes:
    """Remembers the SHA-256 of big files by path, size and time, so that each is read once.

    It is a cache: a file that can't be read or written costs time, never an error.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def sha256(self, path: Path) -> str:
        """The hash of a file's bytes. Raises ModelUnavailable when it can't be read."""
        try:
            key = _identity(path)
            known = self._read().get(str(path.resolve()))
            if isinstance(known, list) and known[:2] == key and len(known) == 3:
                return str(known[2])
            with path.open("rb") as source:
                sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        except OSError as error:
            raise ModelUnavailable(f"{path} can't be read: {error.strerror}") from error
        self.remember(path, sha256)
        return sha256

    def remember(self, path: Path, sha256: str) -> None:
        """Take over a hash that was computed elsewhere, e.g. while downloading."""
        temporary = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            known = {**self._read(), str(path.resolve()): [*_identity(path), sha256]}
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(known, indent=1), "utf-8")
            temporary.replace(self._file)

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def _identity(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _check_weights(path: Path) -> None:
    with path.open("rb") as source:
        start = source.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise ModelUnavailable(
            f"{path} is only a Git LFS pointer: run `git lfs pull` in its folder"
        )
    if path.suffix == ".safetensors":
        _check_safetensors(path)
    elif not start or (start.startswith(b"PK") and not zipfile.is_zipfile(path)):
        raise ModelUnavailable(f"{path} is cut off: copy or download it again")


def _check_safetensors(path: Path) -> None:
    """Header and file must agree on the size (the format: 8 bytes of length, JSON, tensors)."""
    size = path.stat().st_size
    with path.open("rb") as source:
        length = int.from_bytes(source.read(8), "little")
        if size < 8 or length > size - 8:
            raise ModelUnavailable(f"{path} is cut off: copy or download it again")
        try:
            header = json.loads(source.read(length))
            ends = [
                int(tensor["data_offsets"][1])
                for name, tensor in header.items()
                if name != "__metadata__"
            ]
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise ModelUnavailable(f"{path} is not a safetensors file") from None
    expected = 8 + length + max(ends, default=0)
    if size < expected:
        raise ModelUnavailable(
            f"{path} is cut off ({size} of {expected} bytes): copy or download it again"
        )
    if size > expected or not ends:
        raise ModelUnavailable(f"{path} is not a safetensors file")
