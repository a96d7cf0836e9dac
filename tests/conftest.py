"""Fixtures that many tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot import clip
from bot.starter import families, files
from bot.starter.scenes import Painter
from tests import kept


@pytest.fixture(scope="session")
def encoder() -> Iterator[clip.ClipEncoder]:
    """The starter model."""
    loaded = clip.load(files.NAME, kept.models(), "", lambda done, total: None)
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def painter() -> Painter:
    """Draws what the starter model knows."""
    return Painter(families.sprites("noto", kept.pictures()))
