"""Headless Chromium for tests: the one that the system has, never a downloaded one."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "Chromium is missing: apt-get install chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str | None:
    """Where the system's Chromium is, if it has one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser without windows; fails the test in one line where there is none."""
    path = chromium_path()
    if path is None:
        pytest.fail(MISSING, pytrace=False)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


async def enter(page: Page, address: str, name: str, group: str = "") -> Page:
    """Walk in through the door; every script error on the way fails the test."""

    def broken(error: object) -> None:
        raise AssertionError(f"a script failed: {error}")

    page.on("pageerror", broken)
    page.set_default_timeout(20_000)
    await page.goto(address)
    await page.fill("#name", name)
    if group:
        await page.fill("#group", group)
    await page.click("text=Enter")
    await page.wait_for_selector("#composer:visible")
    return page


async def say(page: Page, text: str) -> None:
    """Type a line and send it."""
    await page.fill("#text", text)
    await page.click("#send")
    await expect(page.locator("#text")).to_have_value("")
