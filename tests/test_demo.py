"""`python -m bot demo` and the trial without a network, as a stranger tries them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import expect

from bot.starter.album import DAYS, album
from storage.sqlite import SqliteStore
from tests.browser import chromium, enter, say
from tests.pictures import photo
from tests.test_whole_path import ROOT, free_port, running_bot

NOWHERE = "http://127.0.0.1:9"
"""A hub, or a platform, that refuses connections."""
NETWORK_MODEL = "ViT-B-32/datacomp_xl_s13b_b90k"
Shoebox = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shoebox(tmp_path: Path) -> Shoebox:
    """Run `python -m bot …` where no model hub can be reached."""

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        hub = {"MODEL": NETWORK_MODEL, "HF_ENDPOINT": NOWHERE}
        platforms = {"DISCORD_API_URL": NOWHERE, "TELEGRAM_API_URL": NOWHERE}
        return subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": str(ROOT), **hub, **platforms, **env},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_the_album_is_two_years_of_three_members() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    pictures = list(album(now))
    assert len(pictures) >= 40
    assert len({picture.author for picture in pictures}) == 3
    captions = [picture.caption for picture in pictures]
    assert 10 < len(list(filter(None, captions))) < len(captions)
    posted = [picture.posted_at for picture in pictures]
    assert posted == sorted(posted)
    assert posted[-1] < now
    assert abs((posted[-1] - posted[0]).days - DAYS) <= 1


async def embedded(folder: Path) -> None:
    """The photos are embedded a moment after they were posted."""
    async with asyncio.timeout(120):
        while True:
            async with SqliteStore(folder / "data" / "demo" / "shoebox.db") as store:
                (status,) = await store.groups.status()
            if status.photos and not status.waiting_embedding:
                return
            await asyncio.sleep(0.2)


async def test_the_demo_finds_the_birthday_cakes(tmp_path: Path) -> None:
    cakes = {p.name for p in album(datetime.now(UTC)) if "birthday cake" in p.shows}
    assert len(cakes) == 3
    async with (
        chromium() as browser,
        running_bot(tmp_path, free_port(), command=("demo",)) as (address, said),
    ):
        assert re.search(r"41/41.*scene", "".join(said)), "a bar was shown"
        page = await enter(await browser.new_page(), f"{address}g/demo", "Ann")
        await expect(page.locator(".notice")).to_contain_text("does not know photos")
        await expect(page.locator(".message .photos img").last).to_be_visible()
        await embedded(tmp_path)
        await say(page, "/find birthday cake")
        await expect(page.locator(".question").last).to_contain_text("birthday cake")
        finds = page.locator(".message").last.locator(".find")
        await expect(finds).to_have_count(3, timeout=30_000)
        await expect(page.locator(".message").last.locator(".find img").last).to_be_visible()
    done = subprocess.run(
        [sys.executable, "-m", "bot", "find", "生日蛋糕", "--group", "demo", "--json"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "METRICS_PORT": "0",
            "MODEL": "starter",
            "DATABASE_URL": "sqlite:///data/demo/shoebox.db",
        },
        capture_output=True,
        text=True,
    )
    days = {f"IMG_{hit['posted_at'][:10].replace('-', '')}" for hit in json.loads(done.stdout)}
    assert days == {name[:12] for name in cakes}
    assert "does not know photos" in done.stderr

    async with running_bot(tmp_path, free_port(), command=("demo",)) as (_, said):
        assert "scene" not in "".join(said), "nothing is posted twice"


def test_a_trial_without_network_goes_on_with_the_starter(shoebox: Shoebox, tmp_path: Path) -> None:
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for picture in list(album(datetime.now(UTC)))[:8]:
        (scenes / f"{picture.shows[0]}.jpg").write_bytes(picture.jpeg)
    done = shoebox("import", str(scenes), "--group", "fam")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("8 added")
    found = shoebox("find", "watermelon", "--group", "fam", "--json")
    first = json.loads(found.stdout)[0]
    assert Path(first["photo"]).name == "watermelon.jpg"
    assert first["why"] == ["meaning"]
    assert NETWORK_MODEL in found.stderr
    assert "could not be fetched" in found.stderr
    assert "The starter model finds drawings" in found.stderr
    assert "stands in until a start can fetch the real model" in found.stderr


@pytest.mark.parametrize("key", ["DISCORD_TOKEN", "TELEGRAM_TOKEN"])
def test_with_a_token_the_starter_never_stands_in(
    shoebox: Shoebox, tmp_path: Path, key: str
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    (album / "a.jpg").write_bytes(photo(1))
    chosen = {key: "123:abc", "MODEL": "hf-hub:org/model"}
    done = shoebox("import", str(album), "--group", "fam", **chosen)
    assert done.returncode == 0, done.stderr
    assert "waits for a model" in done.stderr
    assert "starter" not in done.stderr
    served = shoebox("run", **chosen)
    assert served.returncode == 2
    assert served.stderr.splitlines()[-1].startswith("shoebox: MODEL=")
    assert "Traceback" not in served.stderr


def test_a_wrong_model_name_is_said_and_not_papered_over(shoebox: Shoebox, tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    (album / "a.jpg").write_bytes(photo(1))
    done = shoebox("import", str(album), "--group", "fam", MODEL="ViT-B-32/no-such-tag")
    assert "no tag no-such-tag" in done.stderr
    assert "starter" not in done.stderr


def test_a_demo_without_an_emoji_font_says_what_to_install(
    shoebox: Shoebox, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "from bot.starter import fonts\nfonts.folders = lambda: []\n"
    )
    done = shoebox("demo", PYTHONPATH=f"{tmp_path}:{ROOT}", WEB_PORT=str(free_port()))
    assert done.returncode == 2
    assert "apt install fonts-noto-color-emoji" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
