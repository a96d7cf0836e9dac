"""`python -m tests.screenshot`: takes the README's pictures of the demo anew."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser, expect

from tests.browser import chromium, enter, say
from tests.test_whole_path import ROOT, free_port, running_bot

CHAT = ROOT / "docs" / "web-chat.png"
OWNER = ROOT / "docs" / "owner-page.png"


async def shoot_chat(browser: Browser, address: str) -> None:
    """Ask, and photograph the answer."""
    size = {"width": 1000, "height": 760}
    page = await browser.new_page(viewport=size, device_scale_factor=1.5)  # type: ignore[arg-type]
    await enter(page, f"{address}g/demo", "Mia")
    await page.wait_for_timeout(6000)  # until every drawing is embedded
    await say(page, "/find birthday cake")
    finds = page.locator(".message").last.locator(".find img")
    await expect(finds).to_have_count(3)
    await page.wait_for_timeout(1500)
    await page.screenshot(path=CHAT)


async def shoot_owner(browser: Browser, address: str) -> None:
    """Come in, and photograph the page from top to bottom."""
    size = {"width": 900, "height": 1650}
    page = await browser.new_page(viewport=size)  # type: ignore[arg-type]
    await page.goto(f"{address}owner")
    await page.fill("input[type=password]", "screenshot")
    await page.keyboard.press("Enter")
    await expect(page.locator(".tile img").first).to_be_visible()
    await page.wait_for_timeout(3000)
    await page.screenshot(path=OWNER)


async def shoot(folder: Path) -> None:
    """Start the demo in an empty folder, and look at it."""
    async with (
        chromium() as browser,
        running_bot(folder, free_port(), command=("demo",), OWNER_PASSWORD="screenshot") as (
            address,
            _,
        ),
    ):
        await shoot_chat(browser, address)
        await shoot_owner(browser, address)


def main() -> None:
    """Take them."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(shoot(Path(folder)))


if __name__ == "__main__":
    main()
