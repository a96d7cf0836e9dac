"""How a memory is, told without anything that only its use needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bot import models
from bot.models import ModelPresence
from bot.photos import GroupStatus, Model
from bot.settings import Settings
from storage import overview_of


@dataclass(frozen=True, slots=True)
class Status:
    """How a memory is."""

    groups: list[GroupStatus]
    presence: ModelPresence
    """Where the model is that MODEL names."""
    answering: Model | None
    coming: Model | None


async def status(chosen: Settings) -> Status:
    """Every group in numbers, where the model is, and whose embeddings there are."""
    async with overview_of(chosen.database_url) as memory:
        groups = await memory.groups.status()
        answering, coming = await memory.models.answering(), await memory.models.coming()
    presence = await asyncio.to_thread(models.look, chosen.model, chosen.models_folder)
    return Status(groups, presence, answering, coming)
