"""The owner's page as its owner uses it: one walk through all of it, in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from playwright.async_api import Page, expect

from bot.photos import PhotoRef, Post, Task
from tests.browser import chromium
from tests.test_web_owner import HOSTILE
from tests.webchat import Running, jpeg, running_chat

AWAY = f"Telegram can't be reached {HOSTILE}"
GONE = "the file is no longer where it was"
LONG = "w" * 150
ALBUM = "小明的家庭相册"
COLOURS = ("red", "green", "blue", "orange")

CONTRAST = """(selector) => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (node) => {
    const [r, g, b, a = 1] = numbers(getComputedStyle(node).backgroundColor);
    return a ? [r, g, b] : ground(node.parentElement);
  };
  return Math.min(...[...document.querySelectorAll(selector)].map((node) => {
    const style = getComputedStyle(node);
    const words = numbers(node.namespaceURI.endsWith("svg") ? style.fill : style.color);
    const [a, b] = [light(words), light(ground(node))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
}"""
"""The worst contrast of what a selector finds with what lies behind it
(https://www.w3.org/TR/WCAG22/#contrast-minimum asks for 4.5)."""


async def post(chat: Running, number: int, group: str, name: str, **more: object) -> int:
    path = chat.folder / f"{number}.jpg"
    path.write_bytes(jpeg(COLOURS[number % 4]))
    values: dict[str, object] = {
        "group": group,
        "group_name": name,
        "channel": "c",
        "message": str(number),
        "author": "u",
        "author_name": HOSTILE[:60],
        "posted_at": datetime(2024 + number // 48, 1 + number % 48 // 4, 3, 12, tzinfo=UTC),
        "photos": (PhotoRef("file", str(number), str(path), f"{LONG}.jpg"),),
        "caption": HOSTILE if number % 7 == 0 else "生日蛋糕",
    }
    return (await chat.store.remember(Post(**(values | more)))).added[0]  # type: ignore[arg-type]


async def sticks_out(page: Page) -> bool:
    width = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return bool(width > 0)


async def test_all_of_the_page(tmp_path: Path) -> None:
    async with running_chat(tmp_path, owner="own") as chat, chromium() as browser:
        page = await browser.new_page(color_scheme="light")
        broken: list[object] = []
        page.on("pageerror", lambda error: broken.append(error))
        page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
        page.set_default_timeout(20_000)
        await page.goto(chat.address + "owner")
        await expect(page.locator("input[type=password]")).to_be_focused()
        await page.keyboard.type("own")
        await page.keyboard.press("Enter")

        # Empty.
        await expect(page.locator(".nothing:visible b")).to_have_text(
            [
                "No group yet",
                "No photos yet",
                "Nothing waits",
                "Nothing failed",
                "No photos to show",
            ]
        )
        assert not await sticks_out(page)

        ids = [
            await post(chat, n, "local:fam", "小明的家庭相册", spoiler=n == 69) for n in range(70)
        ]
        await post(chat, 100, f"local:{LONG[:60]}", HOSTILE + LONG)
        secret = await post(chat, 101, "telegram:-5", "Club", caption="members only")
        await chat.store.refuse(ids[1], GONE, final=False)
        await chat.store.refuse(ids[2], GONE, final=False)
        await chat.store.refuse(ids[3], f"no photo {LONG}", final=True)
        await chat.store.postpone(secret, Task.READ, datetime(2100, 1, 1, tzinfo=UTC), AWAY)
        await page.reload()
        await expect(page.locator(".number b")).to_have_text(["69", "3", "69", "3"])
        await expect(page.locator(".who .name")).to_contain_text([HOSTILE, "Club", ALBUM])
        await expect(page.locator(".progress progress").first).to_have_attribute("value", "0")
        assert await page.locator('.chart path[fill="#000002"]').count() >= 12
        await page.select_option("#chart-of", "telegram:-5")
        await expect(page.locator(".chart [role=img]")).to_have_attribute(
            "aria-label", "1 photo from Feb 2026 to Feb 2026; most of them in Feb 2026."
        )

        # Failures, with the keyboard.
        kinds = page.locator("details.kind")
        await expect(kinds.locator(".reason")).to_have_text([GONE, AWAY, f"no photo {LONG}"])
        await kinds.nth(2).locator("summary").press("Enter")
        await expect(kinds.nth(2).locator(".act")).to_contain_text("can't become photos")
        await expect(kinds.nth(2).locator("button")).to_have_count(0)
        await kinds.first.locator("summary").press("Enter")
        await kinds.first.locator("li button").first.press("Enter")
        await expect(kinds.first.locator(".many")).to_have_text("1 photo")
        await kinds.first.locator("button.all").press("Enter")
        await expect(kinds).to_have_count(2)
        await expect(page.locator("#tried")).to_contain_text("Tried again")

        # The wall.
        tiles = page.locator(".months .tile")
        await page.select_option("#wall-of", "local:fam")
        await expect(tiles).to_have_count(60)
        assert await page.locator("#wall-of option").count() == 2, "the club isn't shown"
        await expect(page.locator(".month").first).to_have_text("Jun 2025")
        await page.locator(".more-photos").press("Enter")
        await expect(tiles).to_have_count(69)
        await expect(page.locator(".more-photos")).to_be_hidden()
        await expect(page.locator(".tile.spoiler")).to_have_count(1)
        await tiles.nth(2).press("Enter")
        large = page.locator("#large")
        await expect(large.locator("img")).to_have_js_property("naturalWidth", 60)
        await expect(large).to_contain_text(HOSTILE[:60])
        await page.keyboard.press("Escape")
        await expect(large).to_be_hidden()

        # Search.
        found = page.locator(".found .tile")
        await page.locator("#search").press_sequentially("生日")
        await expect(found).to_have_count(30)
        await expect(tiles.first).to_be_hidden()
        await page.fill("#search", HOSTILE)
        await expect(found).to_have_count(10)
        await page.fill("#search", "members only")
        await expect(found).to_have_count(0)
        await page.fill("#search", "")
        await expect(tiles.first).to_be_visible()

        # By night, on a phone.
        words = ".hint, .name, .number span, .again, .pick, .reason, .count, .leave, .chart text"
        assert await page.evaluate(CONTRAST, words) >= 4.5
        await page.emulate_media(color_scheme="dark")
        await page.set_viewport_size({"width": 360, "height": 800})
        assert await page.evaluate(CONTRAST, words) >= 4.5
        assert not await sticks_out(page)
        for button in ("#wall-of", "#search", ".leave", ".tile"):
            box = await page.locator(button).locator("visible=true").first.bounding_box()
            assert box is not None
            assert box["height"] >= 40, button

        assert await page.title() == "Shoebox"
        assert await page.locator("img[src=x]").count() == 0
        await page.click("text=Sign out")
        await expect(page.locator("input[type=password]")).to_be_visible()
        assert broken == []
