"""What is worked out once a test run, since it takes seconds."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from bot.clip import ClipEncoder
from bot.decoder import Decoder
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.ports import PhotoStore
from bot.starter import families


@cache
def models() -> Path:
    """A folder for what is worked out once a model (bot.background)."""
    return _folder()


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    return folder


@cache
def pictures() -> Path:
    """A folder in which the starter's sprites are drawn already."""
    folder = _folder()
    families.sprites("noto", folder)
    return folder


def memory(store: PhotoStore, encoder: ClipEncoder, decoder: Decoder) -> PhotoMemory:
    """A memory that the starter model looks at."""
    state = ModelState(encoder.model.name, encoder)
    return PhotoMemory(store, state, {}, decoder, models_folder=models())
