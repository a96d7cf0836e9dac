"""`python -m tests.screenshot`: takes the README's picture of the demo anew."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import expect

from tests.browser import chromium, enter, say
from tests.test_whole_path import ROOT, free_port, running_bot

PICTURE = ROOT / "docs" / "web-chat.png"


async def shoot(folder: Path) -> None:
    """Start the demo in an empty folder, ask, and photograph the answer."""
    async with (
        chromium() as browser,
        running_bot(folder, free_port(), command=("demo",)) as (address, _),
    ):
        size = {"width": 1000, "height": 760}
        page = await browser.new_page(viewport=size, device_scale_factor=1.5)  # type: ignore[arg-type]
        await enter(page, f"{address}g/demo", "Mia")
        await page.wait_for_timeout(6000)  # until every drawing is embedded
        await say(page, "/find birthday cake")
        finds = page.locator(".message").last.locator(".find img")
        await expect(finds).to_have_count(3)
        await page.wait_for_timeout(1500)
        await page.screenshot(path=PICTURE)


def main() -> None:
    """Take it."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(shoot(Path(folder)))


if __name__ == "__main__":
    main()
