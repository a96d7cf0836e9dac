"""The bot speaks a guild's own language in Discord, and to each alone their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest
import simcord.interactions

from adapters.discord import text
from adapters.discord.chat import DiscordSettings, Session
from adapters.discord.client import Client
from adapters.trouble import Trouble
from tests.discord import CDN, Scene, Shown, scene
from tests.pictures import photo


@pytest.fixture
def chinese_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody's Discord speaks Chinese."""
    base = simcord.interactions.base_payload

    def in_chinese(*args: Any, **more: Any) -> Any:
        record, payload = base(*args, **more)
        return record, payload | {"locale": "zh-CN"}

    monkeypatch.setattr(simcord.interactions, "base_payload", in_chinese)


def speaks(at: Scene, locale: discord.Locale) -> None:
    """What the guild says of itself."""
    guild = at.session._client.get_guild(at.guild.id)
    assert guild is not None
    guild.preferred_locale = locale


def message_of(result: Any) -> Any:
    """What a command brought."""
    return result.followups[-1] if result.followups else result.response


def said(result: Any) -> str:
    return str(message_of(result).content)


async def test_an_admin_chooses_and_all_is_said_in_it_after_a_restart_too(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        for n in range(5):
            await at.post(at.ann, "*蛋糕*", photo(n))
        done = await at.ann.slash(at.general, "language", language="zh")
        assert done.ephemeral
        assert said(done) == "好的，从现在起我在这里说中文。"
        result = await at.bob.slash(at.general, "find", words="蛋糕")
        shown = Shown.of(result.response)
        assert shown.texts[0].startswith("找到 3 张“蛋糕”的照片：")
        assert "很符合 · 配文 · [原消息](" in shown.text
        assert "> \\*蛋糕\\*" in shown.text
        assert list(shown.buttons)[-1] == "更多"
        client = Client(True, Trouble("Discord"))
        async with Session(at.memory, DiscordSettings("token", CDN), client):
            await at.env.restart_bot(client)
            more = await at.eve.click(message_of(result), custom_id=shown.buttons["更多"])
            assert Shown.of(more.followups[-1]).texts[0].startswith("更多“蛋糕”：")
            help_ = await at.eve.slash(at.general, "help")
            assert said(help_).startswith("**我记得这个服务器里的照片。**")
            back = await at.ann.slash(at.general, "language", language="en")
            assert said(back) == "From now on I speak English here\\."


async def test_who_may_not_manage_the_guild_chooses_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        guild = discord.Object(at.guild.id)
        offered = await at.session._client.tree.fetch_commands(guild=guild)
        (command,) = [each for each in offered if each.name == "language"]
        assert command.default_member_permissions == discord.Permissions(manage_guild=True)
        at.guild.set_command_permissions(command, {at.bob: True})
        refused = await at.bob.slash(at.general, "language", language="zh")
        assert said(refused) == text.ADMINS_ONLY
        assert await at.store.groups.note(at.group, "language") is None


async def test_without_a_choice_the_guild_tells(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.post(at.ann, "cake")
        speaks(at, discord.Locale.chinese)
        shown = await at.find(at.bob, "cake")
        assert shown.texts[0].startswith("找到 1 张")
        private = await at.find(at.bob, "cake", private=True)
        assert private.texts[0].startswith("One photo"), "their own Discord speaks English"
        assert list(private.buttons) == ["Similar", "Share"]
        speaks(at, discord.Locale.finnish)
        assert (await at.find(at.bob, "cake")).texts[0].startswith("One photo")


async def test_to_one_alone_their_own(tmp_path: Path, chinese_clients: None) -> None:
    async with scene(tmp_path) as at:
        await at.post(at.ann, "cake")
        private = await at.bob.slash(at.general, "find", words="cake", private=True)
        shown = Shown.of(private.response)
        assert shown.texts[0].startswith("找到 1 张")
        assert (await at.find(at.bob, "cake")).texts[0].startswith("One photo")
        shared = await at.bob.click(message_of(private), custom_id=shown.buttons["分享给大家"])
        assert " shares:\nOne photo" in Shown.of(shared.followups[-1]).text, "all read it"
        stats = await at.bob.slash(at.general, "stats")
        assert "我记得 **1 张照片**" in said(stats)


async def test_commands_are_shown_in_the_readers_language(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        tree, translator = at.session._client.tree, at.session._client.tree.translator
        assert translator is not None
        payload = {
            command.name: await command.get_translated_payload(tree, translator)
            for command in tree.get_commands()
        }
        find, similar = payload["find"], payload[text.SIMILAR]
        assert find["description_localizations"]["zh-CN"].startswith("找这个服务器里的照片")
        assert not find.get("name_localizations"), "what is typed is the same for all"
        assert similar["name_localizations"]["zh-CN"] == "找相似的"
        private = [option for option in find["options"] if option["name"] == "private"]
        assert private[0]["description_localizations"]["zh-CN"].startswith("只回答给我看")
        (unname,) = payload["unname"]["options"]
        assert not unname.get("name_localizations")
