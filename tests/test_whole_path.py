"""`python -m bot run` as a stranger starts it, and two people in a real browser."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import FilePayload, expect

from tests.browser import chromium, enter, say
from tests.pictures import photo, sign

ROOT = Path(__file__).parent.parent
START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running_bot(
    folder: Path,
    port: int,
    model: str = "local-dir:/none",
    command: Sequence[str] = (),
    **settings: str,
) -> AsyncIterator[tuple[str, list[str]]]:
    """The bot in a folder, without a model unless one is named; its address, what it logs."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    bot = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *command,
        cwd=folder,
        env={
            **kept,
            "PYTHONPATH": str(ROOT),
            "METRICS_PORT": "0",
            "WEB_PORT": str(port),
            "MODEL": model,
            **settings,
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert bot.stderr is not None
    said: list[str] = []

    async def listen() -> None:
        assert bot.stderr is not None
        while line := await bot.stderr.readline():
            said.append(line.decode())

    listening = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(START_SECONDS):
            while not any("listens on" in line for line in said):
                assert bot.returncode is None, "".join(said)
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/", said
    finally:
        bot.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            code = await bot.wait()
        await listening
    assert code == 0, "".join(said)
    assert "Traceback" not in "".join(said)


async def test_post_three_photos_and_find_one_by_the_words_on_it(tmp_path: Path) -> None:
    port = free_port()
    async with chromium() as browser, running_bot(tmp_path, port) as (address, _):
        anna = await enter(await browser.new_page(), address, "Anna")
        ben = await enter(await browser.new_page(), address, "Ben")
        await expect(ben.locator("body")).to_contain_text("waits for a model")
        posted = {"keys.jpg": sign("AKAI"), "lake.jpg": photo(1), "dog.jpg": photo(2)}
        await anna.set_input_files(
            "#files",
            [FilePayload(name=n, mimeType="image/jpeg", buffer=b) for n, b in posted.items()],
        )
        await expect(anna.locator(".tile.ready")).to_have_count(3)
        await say(anna, "")
        await expect(ben.locator(".message .photos img")).to_have_count(3)
        for _ in range(40):  # nobody tells the chat when a photo can be found, so Ben asks again
            await say(ben, "/find AKAI")
            await expect(ben.locator(".question").last).to_contain_text("AKAI")
            await ben.wait_for_timeout(750)
            if await ben.locator(".find").count():
                break
        await expect(ben.locator(".find").first.locator(".signal")).to_have_text(
            "text in the photo"
        )
        await ben.locator(".find a.jump").first.click()
        await expect(ben.locator(".message.lit .author")).to_have_text("Anna")

    async with running_bot(tmp_path, free_port()) as (address, said):
        assert re.search(r"listens on http://127\.0\.0\.1:\d+/", "".join(said)), "a second start"


async def test_a_second_bot_on_the_same_memory_is_refused(tmp_path: Path) -> None:
    async with running_bot(tmp_path, free_port()):
        pid = (tmp_path / "data" / "shoebox.db.pid").read_text()
        second = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "WEB_PORT": "1"},
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await second.communicate()
        assert second.returncode == 2
        assert f"process {pid}" in said.decode()


async def test_an_import_beside_a_running_bot_leaves_the_work_to_it(tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    (album / "keys.jpg").write_bytes(sign("AKAI"))
    async with running_bot(tmp_path, free_port(), "starter"):
        said = await shoebox(tmp_path, "starter", "import", str(album), "--group", "fam")
        assert said.startswith("1 added, 0 already known, 0 refused")
        found = json.loads(
            await shoebox(tmp_path, "starter", "find", "AKAI", "--group", "fam", "--json")
        )
        assert found[0]["photo"] == str(album / "keys.jpg")
        assert set(found[0]["why"]) == {"meaning", "text in the photo"}


async def shoebox(folder: Path, model: str, *arguments: str) -> str:
    """What a command prints."""
    command = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MODEL": model},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await command.communicate()
    assert command.returncode == 0, complained.decode()
    return said.decode()
