"""A group's years: moved in from exports, asked, another model, a backup, another machine."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bot import app, modelfolder, moving, report
from bot.decoder import Decoder
from bot.exporting import VERSION
from bot.modelfolder import Hashes
from bot.photos import EVERYONE, Query
from bot.settings import Settings
from bot.starter import files
from bot.starter.concepts import concept
from bot.starter.scenes import BACKDROPS, Painter, arrange
from tests.exports import DiscordExport, TelegramExport, zipped
from tests.pictures import encoded
from tests.test_whole_path import free_port

ROOT = Path(__file__).parent.parent
THINGS = ("birthday cake", "dog", "sailboat", "guitar")
TELEGRAM, DISCORD, FOLDER = "telegram:-1001234567890", "discord:3001", "local:album"
QUESTIONS = (*THINGS, "strawberries", "from:Ann", "snowman")


def another(folder: Path, models_folder: Path) -> str:
    """A model that knows as much as the starter, in a space of its own; the MODEL for it.

    Its graphs lie where they would after its first start; the weights are in no graph.
    """
    shutil.copytree(files.FOLDER, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    weights = load_file(folder / "open_clip_model.safetensors")
    order = np.random.default_rng(1).permutation(192)
    for name, axis in (("text.text_projection", 1), ("visual.head.proj.weight", 0)):
        weights[name] = np.ascontiguousarray(np.take(weights[name], order, axis))
    for name in [name for name in weights if name == "visual.head.proj.bias"]:
        weights[name] = weights[name][order]
    save_file(weights, folder / "open_clip_model.safetensors")
    number = modelfolder.fingerprint(modelfolder.read(folder), Hashes(models_folder / "x.json"))
    shutil.copytree(folder, models_folder / "exports" / f"{number}-{VERSION}")
    return f"local-dir:{folder}"


async def answers(chosen: Settings) -> dict[tuple[str, str], list[tuple[str, str, object]]]:
    """What each group is told to each question."""
    told: dict[tuple[str, str], list[tuple[str, str, object]]] = {}
    async with app.opened(chosen) as opened:
        await opened.loader.load_to_answer()
        for group in (TELEGRAM, DISCORD, FOLDER):
            for words in QUESTIONS:
                answer = await opened.memory.find(Query((group,), words, EVERYONE))
                told[group, words] = [
                    (hit.photo.post.message, hit.photo.ref.key, hit.why) for hit in answer.hits
                ]
    return told


def silent(done: int, total: int) -> None:
    pass


@asynccontextmanager
async def running(chosen: Settings, folder: Path) -> AsyncIterator[None]:
    """The bot, started as a person would."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    env = {
        **kept,
        "PYTHONPATH": str(ROOT),
        "MODEL": chosen.model,
        "DATABASE_URL": chosen.database_url,
        "KEEP_THUMBNAILS": "on",
        "WEB_PORT": str(free_port()),
    }
    with (folder / "log").open("w") as log:
        bot = subprocess.Popen(
            [sys.executable, "-m", "bot", "run"], cwd=folder, env=env, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            bot.terminate()
            assert bot.wait(10) == 0, (folder / "log").read_text()


def exports(folder: Path, painter: Painter) -> Sequence[Path]:
    """The same things, photographed in a Telegram group, in a Discord server and by somebody."""

    def drawn(seed: int, name: str) -> bytes:
        scene = arrange(Random(seed), [concept(name)], BACKDROPS[0], painter.has)
        return encoded(painter.draw(scene, 400), quality=90)

    telegram, discord = TelegramExport(), DiscordExport()
    (album := folder / "album").mkdir()
    for n, thing in enumerate(THINGS):
        number = telegram.photo(data=drawn(n, thing))
        discord.photo("", f"{n}.jpg", data=drawn(10 + n, thing))
        (album / f"{n}.jpg").write_bytes(drawn(20 + n, thing))
    telegram.say("with strawberries", who=2, name="Bob", reply_to_message_id=number)
    return zipped(telegram.write(folder / "t")), discord.write(folder / "d"), album


async def reads_nothing(decoder: Decoder, data: bytes) -> str:
    return ""


async def test_the_years_of_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, painter: Painter
) -> None:
    monkeypatch.setattr(Decoder, "read", reads_nothing)
    chosen = Settings(
        database_url=f"sqlite:///{tmp_path}/data/box.db", model=files.NAME, keep_thumbnails=True
    )
    for path in exports(tmp_path, painter):
        order = moving.ImportOrder(path, group="album" if path.name == "album" else "")
        first, _ = await moving.import_from(chosen, order, silent, silent)
        again, _ = await moving.import_from(chosen, order, silent, silent)
        assert (first.added, again.added, again.known) == (4, 0, 4)
    before = await answers(chosen)
    for group in (TELEGRAM, DISCORD, FOLDER):
        found = [before[group, thing] for thing in THINGS]
        assert len({json.dumps(each[:1], default=str) for each in found if each}) >= 3
        assert before[group, "snowman"] == []
    assert len(before[TELEGRAM, "strawberries"]) == 1

    shutil.rmtree(tmp_path / "d")  # what is gone is looked at by its thumbnail
    newer = replace(chosen, model=another(tmp_path / "newer", chosen.models_folder))
    asked = 0
    async with running(newer, tmp_path), asyncio.timeout(60):
        while (now := await report.status(newer)).answering is None or (
            now.answering.name != newer.model
        ):
            answer, _ = await app.find(newer, "birthday cake", TELEGRAM, 3, silent)
            told = [hit.photo.post.message for hit in answer.hits]
            assert told == [hit[0] for hit in before[TELEGRAM, "birthday cake"]]
            asked += 1
    assert asked
    assert [(g.photos, g.unseen, g.waiting_renewal) for g in now.groups] == [(4, 0, 0)] * 3
    assert await answers(newer) == before

    copy = tmp_path / "monday.db"
    app.backup(newer, copy, overwrite=False)
    elsewhere = replace(newer, database_url=f"sqlite:///{tmp_path}/other/machine/box.db")
    app.restore(elsewhere, copy)
    assert await answers(elsewhere) == before
