"""The web chat as people use it: in a real browser, two windows of it at a time."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, FilePayload, Page, ViewportSize, expect

from tests.browser import chromium, enter, say
from tests.webchat import Running, running_chat

HOSTILE = "<img src=x onerror=\"document.title='broken'\"> {{ 7*7 }} **bold**"
ESCAPING = "</script><script>document.title='broken'</script> </textarea> javascript:alert(1)"
PHONE = ViewportSize(width=390, height=844)


def picture(colour: str, size: tuple[int, int] = (640, 480)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def upload(name: str, colour: str) -> FilePayload:
    return FilePayload(name=name, mimeType="image/jpeg", buffer=picture(colour))


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_chat(tmp_path) as running:
        yield running


async def hand_over(page: Page, event: str) -> None:
    """Drop or paste a photo, as a hand would."""
    await page.evaluate(
        """([event, photo]) => {
            const bytes = Uint8Array.from(atob(photo), (c) => c.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], event + ".jpg", { type: "image/jpeg" }));
            const made =
                event === "paste"
                    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
                    : new DragEvent("drop", { dataTransfer: data, bubbles: true });
            document.querySelector("#text").dispatchEvent(made);
        }""",
        [event, base64.b64encode(picture("green")).decode()],
    )


async def loaded(page: Page, selector: str) -> bool:
    """Whether every picture of `selector` can be seen."""
    script = "(images) => images.length > 0 && images.every((i) => i.complete && i.naturalWidth)"
    return bool(await page.locator(selector).evaluate_all(script))


async def test_one_posts_three_photos_and_the_other_finds_one(
    browser: Browser, chat: Running
) -> None:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    anna = await enter(await context.new_page(), chat.address, "Anna", "family")
    ben = await enter(await context.new_page(), chat.address, "Ben", "family")
    await expect(anna.locator(".present")).to_have_text("you, Ben are here")

    await anna.set_input_files("#files", [upload("lake.jpg", "blue"), upload("dog.jpg", "brown")])
    await expect(anna.locator(".tile")).to_have_count(2)
    await hand_over(anna, "drop")
    await expect(anna.locator(".tile.ready")).to_have_count(3)
    await say(anna, "our day at the lake")
    for page in (anna, ben):
        await expect(page.locator(".message .photos img")).to_have_count(3)
    await expect(ben.locator(".message .text")).to_have_text("our day at the lake")
    await expect(ben.locator(".message .author")).to_have_text("Anna")
    await ben.wait_for_function("document.querySelector('.photos img').naturalWidth > 0")

    await hand_over(anna, "paste")
    await expect(anna.locator(".tile.ready")).to_have_count(1)
    await say(anna, "a grey roof")
    for number in range(30):
        await chat.log.add("family", "Anna", f"small talk {number}")
    await say(ben, "/find roof")
    for page in (anna, ben):
        await expect(page.locator(".find")).to_have_count(1)
    find = ben.locator(".find")
    await expect(find.locator(".author")).to_have_text("Anna")
    await expect(find.locator(".signal")).to_have_text("caption")
    await expect(find.locator(".caption")).to_have_text("a grey roof")
    await ben.wait_for_function("document.querySelector('.find img').naturalWidth > 0")

    await find.locator("a.jump").click()
    posted = ben.locator(".message.lit")
    await expect(posted.locator(".text")).to_have_text("a grey roof")
    await expect(posted).to_be_in_viewport()
    await expect(anna.locator(".message.lit")).to_have_count(0)
    assert await loaded(ben, ".message.lit img")


async def test_a_link_leads_to_an_old_message_and_back_to_the_newest(
    browser: Browser, chat: Running
) -> None:
    for number in range(130):
        await chat.log.add("family", "Anna", f"line {number}")
    page = await browser.new_page(viewport=PHONE)
    await page.goto(chat.address + "g/family#m8")
    await page.fill("#name", "Ben")
    await page.click("text=Enter")
    await expect(page.locator(".message.lit .text")).to_have_text("line 7")
    await expect(page.locator(".message.lit")).to_be_in_viewport()

    await expect(page.locator(".text", has_text="line 0").first).to_be_attached()
    await say(page, "here I am")
    await expect(page.locator(".message .text").last).to_have_text("here I am")
    await expect(page.locator(".message .text").last).to_be_in_viewport()

    for older in (90, 50):
        await page.click("text=Show older messages")
        await expect(page.locator(".text", has_text=f"line {older}")).to_be_attached()
    texts = await page.locator(".message .text").all_text_contents()
    assert texts == [*(f"line {n}" for n in range(130 - len(texts) + 1, 130)), "here I am"]


async def test_what_people_type_stays_text(browser: Browser, chat: Running) -> None:
    page = await enter(await browser.new_page(), chat.address, HOSTILE[:40], "a <b>/ c?#%")
    files = [
        upload("'\"><b>x.jpg", "red"),
        FilePayload(name="<i>.jpg", mimeType="", buffer=b"words"),
    ]
    await page.set_input_files("#files", files)
    await say(page, HOSTILE)
    await say(page, f"/find {HOSTILE}")
    await say(page, "/find bold")

    # Both files, in both answers: what is no picture goes as soon as the indexer has seen it.
    await expect(page.locator(".find .caption")).to_have_text([HOSTILE] * 4)
    await expect(page.locator(".message .text")).to_have_text(HOSTILE)
    await expect(page.locator(".message .author").first).to_have_text(HOSTILE[:40])
    await expect(page.locator(".file .name")).to_have_text("<i>.jpg")
    await expect(page.locator(".file .hint")).to_contain_text("isn't a picture")
    await expect(page.locator("h1")).to_have_text("a <b>/ c?#%")

    await say(page, ESCAPING)
    await expect(page.locator(".message .text").last).to_have_text(ESCAPING)
    await say(page, f"/name {HOSTILE[:40]}")
    await expect(page.locator(".note")).to_contain_text(HOSTILE[:40])
    await say(page, "/names")
    await expect(page.locator(".note")).to_contain_text(HOSTILE[:40])
    await say(page, f"/{ESCAPING[:30]}")
    await expect(page.locator(".note")).to_contain_text(ESCAPING[:20])
    await page.reload()  # now all of it comes with the page itself
    await expect(page.locator(".message .text").last).to_have_text(ESCAPING)
    await expect(page.locator(".find .caption")).to_have_text([HOSTILE] * 4)
    assert await page.locator("script", has_text="broken").count() == 0
    assert "broken" not in await page.title()
    assert await page.locator("img[src=x]").count() == 0


async def test_deleting_takes_a_message_out_of_every_window(
    browser: Browser, chat: Running
) -> None:
    anna = await enter(await browser.new_page(), chat.address, "Anna", "family")
    ben = await enter(await browser.new_page(), chat.address, "Ben", "family")
    await anna.set_input_files("#files", [upload("tea.jpg", "green")])
    await say(anna, "tea")
    await say(ben, "/find tea")
    await expect(ben.locator(".find")).to_have_count(1)
    await ben.hover(".message")
    await ben.locator(".message").first.locator(".more").click()
    await expect(ben.locator("text=Reply")).to_have_count(1)
    await expect(ben.locator("text=Delete for everybody")).to_have_count(0)

    await anna.hover(".message")
    await anna.locator(".message").first.locator(".more").click()
    await anna.click("text=Delete for everybody")

    for page in (anna, ben):
        await expect(page.locator(".message .photos")).to_have_count(0)
        await expect(page.locator(".find")).to_have_count(0)
    async with asyncio.timeout(10):  # the page doesn't wait for the disk
        while list((chat.folder / "web" / "photos").iterdir()):
            await asyncio.sleep(0.05)


async def test_forget_me_is_asked_once_more_and_then_done(browser: Browser, chat: Running) -> None:
    anna = await enter(await browser.new_page(), chat.address, "Anna", "family")
    ben = await enter(await browser.new_page(), chat.address, "Ben", "family")
    await anna.set_input_files("#files", [upload("tea.jpg", "green")])
    await say(anna, "tea")
    await say(ben, "hello")
    await say(anna, "/forget me")
    await expect(anna.locator(".note")).to_contain_text("1 photo")
    await expect(ben.locator(".note")).to_have_count(0)
    await expect(ben.locator(".message")).to_have_count(2)
    await anna.locator(".note button", has_text="Forget it all").click()
    for page in (anna, ben):
        await expect(page.locator(".message")).to_have_count(1)
        await expect(page.locator(".message .text")).to_have_text("hello")
    await expect(anna.locator(".note")).to_contain_text("Forgotten: 1 photo")
    assert await chat.log.by("family", "Anna") == []


async def test_a_reply_leads_to_the_photo_and_finds_it(browser: Browser, chat: Running) -> None:
    anna = await enter(await browser.new_page(), chat.address, "Anna", "family")
    ben = await enter(await browser.new_page(), chat.address, "Ben", "family")
    await anna.set_input_files("#files", [upload("tea.jpg", "green")])
    await say(anna, "tea")
    await ben.hover(".message")
    await ben.locator(".message").first.locator(".more").click()
    await ben.click("text=Reply")
    await expect(ben.locator("#answering")).to_contain_text("in reply to Anna")
    await say(ben, "from Yunnan")
    await expect(ben.locator("#answering")).to_be_hidden()
    await anna.locator("a.answers").click()
    await expect(anna.locator(".message.lit .author")).to_have_text("Anna")
    await say(anna, "/find yunnan")
    await expect(anna.locator(".find .signal")).to_have_text("said about it")


async def test_on_a_phone_nothing_sticks_out(browser: Browser, chat: Running) -> None:
    context = await browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = await enter(await context.new_page(), chat.address, "Anna", "family")
    names = [upload(f"{'long' * 30}{n}.jpg", "red") for n in range(3)]
    await page.set_input_files("#files", names)
    await say(page, "w" * 300)
    await say(page, "/find " + "w" * 300)
    await expect(page.locator(".find")).to_have_count(3)

    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    scroll = page.locator(".scroll")
    assert await scroll.evaluate("(e) => e.scrollWidth <= e.clientWidth")
    box = await page.locator("#composer").bounding_box()
    assert box is not None
    assert round(box["y"] + box["height"]) == PHONE["height"]
    for button in ("#add", "#send", "a.jump"):
        box = await page.locator(button).first.bounding_box()
        assert box is not None
        assert box["height"] >= 40


async def test_hints_and_notices_come_and_go(browser: Browser, chat: Running) -> None:
    anna = await enter(await browser.new_page(), chat.address, "Anna", "family")
    ben = await enter(await browser.new_page(), chat.address, "Ben", "family")
    await expect(anna.locator(".notice")).to_contain_text("waits for a model")

    await say(anna, "/nonsense")
    await expect(anna.locator(".note")).to_contain_text("no command /nonsense")
    await expect(ben.locator(".note")).to_have_count(0)

    chat.model.problem = "Another reason."
    await expect(ben.locator(".notice")).to_contain_text("Another reason.")


async def test_the_password_opens_the_door(browser: Browser, tmp_path: Path) -> None:
    async with running_chat(tmp_path, "open sesame") as chat:
        page = await browser.new_page()
        await page.goto(chat.address)
        await page.fill("input[type=password]", "wrong")
        await page.click("text=Come in")
        await expect(page.locator(".problem")).to_have_text("That is not the password.")
        await page.fill("input[type=password]", "open sesame")
        await page.click("text=Come in")
        await page.fill("#name", "Anna")
        await page.click("text=Enter")
        await page.wait_for_selector("#composer:visible")
        await page.set_input_files("#files", [upload("tea.jpg", "green")])
        await say(page, "tea")
        await expect(page.locator(".message .photos img")).to_have_count(1)


async def test_windows_come_back_by_themselves_after_a_restart(
    browser: Browser, tmp_path: Path
) -> None:
    page = await browser.new_page()
    async with running_chat(tmp_path) as chat:
        await enter(page, chat.address, "Anna", "family")
        await page.set_input_files("#files", [upload("tea.jpg", "green")])
        await say(page, "tea before the restart")
        await page.fill("#text", "half a sente")
    async with running_chat(tmp_path, port=int(chat.address.rstrip("/").rpartition(":")[2])):
        await expect(page.locator("#composer")).to_be_visible(timeout=30_000)
        await expect(page.locator(".present")).to_have_text("only you are here", timeout=30_000)
        await expect(page.locator(".message .text")).to_have_text("tea before the restart")
        await expect(page.locator("#text")).to_have_value("half a sente")
        await say(page, "and after it")
        await expect(page.locator(".message .text").last).to_have_text("and after it")
