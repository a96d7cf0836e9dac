"""What MODEL names, whether it is here, and how it comes here. Needs no torch.

Whatever MODEL says, it ends up as one complete folder (see bot.modelfolder):

    starter              the small model in the box (see bot.starter)
    local-dir:/path      that folder, used as it is and never written to
    hf-hub:ORG/REPO      downloaded once from the hub
    NAME/TAG             likewise; open_clip's own list says from where, and the configuration
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from bot import modelfolder
from bot.errors import ModelUnavailable
from bot.hub import Hub, Progress, RemoteFile
from bot.modelfolder import CONFIG, ModelFolder
from bot.starter import files as starter

LOCAL = "local-dir:"
HUB = "hf-hub:"
WAY_OUT = (
    "Or put the model's files into a folder by hand and set MODEL=local-dir:/path/to/that/folder."
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Where the hub has the weights of a model, and the configuration that they need."""

    repository: str
    weights: str = ""
    """Their file, if the repository has several; its safetensors form is taken if there is one.
    Empty: whichever open_clip would prefer."""
    config: dict[str, Any] | None = None
    """What `open_clip_config.json` is to hold; None: the repository brings its own."""


Recipes = Callable[[str], Recipe]
"""Looks NAME/TAG up in open_clip's list; raises ModelUnavailable with near matches."""


class Presence(StrEnum):
    """Where a model is."""

    HERE = "here"
    ON_HUB = "to be downloaded"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class ModelPresence:
    """What can be said of a model without loading it."""

    presence: Presence
    line: str
    """For people: where it is, or what is wrong and the ways out."""
    download: int = 0
    """Bytes that are still to come from the hub."""


def look(model: str, models_folder: Path) -> ModelPresence:
    """Say whether `model` is here, at once: no network is asked, no torch needed."""
    try:
        folder = folder_of(model, models_folder)
        if not _is_local(model) and not folder.exists():
            return ModelPresence(Presence.ON_HUB, f"{model} is not downloaded yet")
        found = _read_local(model) if _is_local(model) else modelfolder.read(folder)
        return ModelPresence(Presence.HERE, f"{model} is in {found.path}")
    except ModelUnavailable as error:
        return ModelPresence(Presence.MISSING, str(explained(model, error)))


def inspect(model: str, models_folder: Path, hub: Hub, recipes: Recipes) -> ModelPresence:
    """Say in bounded time whether `model` is here, can be had, or neither."""
    seen = look(model, models_folder)
    if seen.presence is Presence.HERE or _is_local(model):
        return seen
    damage = f" again ({seen.line})" if seen.presence is Presence.MISSING else ""
    try:
        folder_of(model, models_folder)
        recipe = _recipe(model, recipes)
        size = sum(file.size for file in _wanted(recipe, hub.files(recipe.repository), hub))
    except ModelUnavailable as error:
        return ModelPresence(Presence.MISSING, str(explained(model, error)))
    return ModelPresence(
        Presence.ON_HUB,
        f"{model} will be downloaded{damage} at the first start ({size / 1e6:.0f} MB)",
        size,
    )


def obtain(
    model: str,
    models_folder: Path,
    hub: Hub,
    recipes: Recipes,
    hashes: modelfolder.Hashes,
    progress: Progress,
) -> ModelFolder:
    """The complete folder of `model`, downloaded if need be; without network once it is here.

    Blocks; `progress` is told bytes, and (0, 1) while another process does the download.
    Raises ModelUnavailable with one line: what was tried and the ways out.
    """
    try:
        folder = folder_of(model, models_folder)
        if _is_local(model):
            return _read_local(model)
        found = _complete(folder)
        if found is None:
            recipe = _recipe(model, recipes)
            found = _fetch_alone(recipe, folder, hub, hashes, progress)
        return found
    except ModelUnavailable as error:
        raise explained(model, error) from error


def folder_of(model: str, models_folder: Path) -> Path:
    """Where the files of `model` lie or will lie. Raises ModelUnavailable if it names nothing."""
    if model == starter.NAME:
        return starter.FOLDER
    if _is_local(model):
        path = model.removeprefix(LOCAL).strip()
        if not path:
            raise ModelUnavailable("after local-dir: there is no folder")
        return Path(path).expanduser()
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", model.replace("/", "--").replace(":", "--")).strip(".-")
    if not safe:
        raise ModelUnavailable("no model is named")
    return models_folder / safe


def _is_local(model: str) -> bool:
    return model.startswith(LOCAL) or model == starter.NAME


def _read_local(model: str) -> ModelFolder:
    return starter.read() if model == starter.NAME else modelfolder.read(folder_of(model, Path()))


def _recipe(model: str, recipes: Recipes) -> Recipe:
    if model.startswith(HUB):
        return Recipe(model.removeprefix(HUB).strip("/ "))
    found = recipes(model)
    if found.config is not None:
        modelfolder.check_config(found.config, model)
    return found


def _complete(folder: Path) -> ModelFolder | None:
    try:
        return modelfolder.read(folder)
    except ModelUnavailable:
        return None


def _fetch_alone(
    recipe: Recipe, folder: Path, hub: Hub, hashes: modelfolder.Hashes, progress: Progress
) -> ModelFolder:
    """Download, while other processes that want the same wait and then find it here."""
    from filelock import FileLock, Timeout

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{folder.name}.lock"))
        while not lock.is_locked:
            try:
                lock.acquire(timeout=1)
            except Timeout:
                progress(0, 1)
        try:
            return _complete(folder) or _fetch(recipe, folder, hub, hashes, progress)
        finally:
            lock.release()
    except OSError as error:
        raise ModelUnavailable(f"{error.filename or folder}: {error.strerror}") from error


def _fetch(
    recipe: Recipe, folder: Path, hub: Hub, hashes: modelfolder.Hashes, progress: Progress
) -> ModelFolder:
    """Gather everything in a folder of another name; only a complete one gets the real name."""
    partial = folder.with_name(f".{folder.name}.partial")
    if folder.exists():
        shutil.rmtree(partial, ignore_errors=True)
        folder.rename(partial)
    offered = hub.files(recipe.repository)
    config = recipe.config
    if config is None:
        if CONFIG not in offered:
            raise ModelUnavailable(f"{recipe.repository} is no open_clip model: it has no {CONFIG}")
        hub.download([offered[CONFIG]], partial, lambda done, total: None)
        config = modelfolder.read_config(partial / CONFIG)
    files = _wanted(replace(recipe, config=config), offered, hub)
    sha256 = hub.download(files, partial, progress)
    if recipe.config is not None:
        (partial / CONFIG).write_text(json.dumps(config, indent=1), "utf-8")
    for leftover in partial.iterdir():
        if leftover.name not in (*sha256, CONFIG):
            leftover.unlink()
    modelfolder.read(partial)
    partial.rename(folder)
    found = modelfolder.read(folder)
    hashes.remember(found.weights, sha256[found.weights.name])
    return found


def _wanted(recipe: Recipe, offered: dict[str, RemoteFile], hub: Hub) -> list[RemoteFile]:
    """The files to fetch, the big one last."""
    stem = recipe.weights.rpartition(".")[0]
    named = [name for name in offered if "/" not in name and stem in ("", name.rpartition(".")[0])]
    weights = modelfolder.best_weights(named)
    if weights is None:
        raise ModelUnavailable(f"{recipe.repository} holds no weights that open_clip can load")
    words: list[RemoteFile] = []
    tokenizer = modelfolder.tokenizer_of(recipe.config) if recipe.config else recipe.repository
    if tokenizer:
        library = offered if tokenizer == recipe.repository else hub.files(tokenizer)
        words = [library[name] for name in modelfolder.TOKENIZER_FILES if name in library]
    return [*words, offered[weights]]


def explained(model: str, error: ModelUnavailable) -> ModelUnavailable:
    """The line that a person reads: which MODEL, what is wrong, the ways out."""
    way_out = "Complete that folder, or choose another MODEL." if _is_local(model) else WAY_OUT
    if model == starter.NAME:
        way_out = "Or choose another MODEL."
    return type(error)(f"MODEL={model}: {error}. {way_out}")
