"""The bot speaks a group's own language in Telegram."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.telegram import text
from adapters.telegram.ids import group_id
from bot.language import language
from tests.pictures import photo
from tests.standins.telegram import TelegramWorld
from tests.telegram import at_work, scene, serving, until

ZH = language("zh")


async def test_an_admin_chooses_and_all_is_said_in_it_after_a_restart_too(tmp_path: Path) -> None:
    world = TelegramWorld()
    async with scene(tmp_path, world=world) as at:
        for n in range(5):
            world.post_photo(at.family, at.ann, photo(n), "<蛋糕> & more")
        (refused,) = await at.asks(at.bob, "/language zh")
        assert refused.text == text.ADMINS_ONLY
        (which,) = await at.asks(at.bob, "/language")
        assert which.text.startswith("Say which language to speak here: en (English), zh (中文)")
        (unknown,) = await at.asks(at.ann, "/language tlh <b>")
        assert unknown.text.startswith("Say which language")
        (done,) = await at.asks(at.ann, "/language zh")
        assert done.text == "好的，从现在起我在这里说中文。"
        *album, words = await at.asks(at.bob, "/find 蛋糕", count=4)
        assert words.text.startswith("找到 3 张“蛋糕”的照片：")
        assert "年" in album[0].text
        assert "配文 · 原消息\n“<蛋糕> & more”" in album[0].text
        labels = [button.label for button in words.buttons]
        assert labels == ["和第 1 张相似的", "和第 2 张相似的", "和第 3 张相似的", "更多"]
        (help_,) = await at.asks(at.bob, "/help")
        assert help_.text.startswith("我记得这个群的照片。")
        assert {entity["type"] for entity in help_.entities} >= {"bold", "italic", "code"}
        family, ann, bob = at.family, at.ann, at.bob
    async with serving(world) as api, at_work(tmp_path, api):
        press = world.press(words, "更多", bob)
        *_, more = await world.bot_sends(family, 3)
        assert more.text.startswith("更多“蛋糕”：")
        world.say(family, bob, "/find 月亮")
        assert (await world.bot_sends(family, 1))[0].text.startswith("5 张照片里没有一张符合")
        assert not (await press.answered()).text
        world.say(family, ann, "/language English")
        (done,) = await world.bot_sends(family, 1)
        assert done.text == "From now on I speak English here."


async def test_forgetting_everything_does_not_make_it_forget_how_to_speak(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.world.post_photo(at.family, at.ann, photo(1), "cake")
        await at.asks(at.ann, "/language zh")
        (sure,) = await at.asks(at.ann, "/forget everything")
        assert [button.label for button in sure.buttons] == ["全部忘掉", "留着"]
        await at.world.press(sure, "全部忘掉", at.ann).answered()
        await until(lambda: sure.text == "已经忘掉：1 张照片。")
        async with asyncio.timeout(10):
            while await at.store.groups.note(group_id(at.family.id), "language") != "zh":
                await asyncio.sleep(0.02)


async def test_in_private_it_speaks_what_their_telegram_speaks(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.bob.language = "zh-hans"
        chat = at.world.private(at.bob)
        (help_,) = await at.asks(at.bob, "/help", chat=chat)
        assert help_.text.startswith("我会记住群里的照片。")
        (where,) = await at.asks(at.bob, "/language zh", chat=chat)
        assert where.text == ZH.say(text.LANGUAGE_WHERE)
        (other,) = await at.asks(at.bob, "/help")
        assert other.text.startswith("I remember the photos of this group."), "the group's own"
        at.eve.language = "tlh"
        (help_,) = await at.asks(at.eve, "/help", chat=at.world.private(at.eve))
        assert help_.text.startswith("I remember the photos of groups.")


@pytest.mark.parametrize("where", ["all_group_chats", "all_private_chats"])
async def test_commands_are_offered_in_both(tmp_path: Path, where: str) -> None:
    async with scene(tmp_path) as at:
        english, chinese = (at.world.commands[f"{where}{code}"] for code in ("", ":zh"))
        assert [each["command"] for each in english] == [each["command"] for each in chinese]
        assert english[-1]["description"] == "what I do and what I keep"
        assert chinese[-1]["description"] == "我能做什么、会保存什么"
