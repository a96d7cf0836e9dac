"""The bot's coming and going in Discord: joining, commands, outages, removals, logins."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from simcord.backend import serializers

from adapters.discord import text
from adapters.discord.places import group_id
from adapters.discord.token import HIDDEN
from bot.errors import TokenRefused
from tests.discordbot import Family, Working, bot_process, until, working
from tests.pictures import photo
from tests.standins.discord import Channel, DiscordStandin
from tests.standins.telegram import Api, TelegramWorld

COMMANDS = "/applications/*/guilds/*/commands"


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.fixture
def world() -> DiscordStandin:
    return DiscordStandin()


@pytest.fixture
async def url(world: DiscordStandin) -> AsyncIterator[str]:
    async with world.serving() as url:
        yield url


def by_bot(family: Family, where: Channel | None = None) -> list[str]:
    """What the bot said to everybody."""
    world, place = family.world, where or family.general
    messages = world.backend.messages[place.id].values()
    return [message.content for message in messages if message.author_id == world.bot]


def pushes(world: DiscordStandin) -> int:
    return len(world.asked(COMMANDS, "PUT"))


async def pushed(world: DiscordStandin, at: Working, count: int) -> None:
    """Commands were pushed so often, and it is noted."""
    await world.until(lambda: pushes(world) == count and world.asked(COMMANDS, "PUT")[-1].status)
    await until(lambda: at.note("commands"))


async def test_it_says_hello_and_offers_commands_once(
    tmp_path: Path, world: DiscordStandin, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = Family(world)
    club = world.guild("Club", family.ann)
    lobby = world.channel(club, "lobby")
    world.dismiss(club)
    rules = world.channel(family.guild, "rules")
    family.guild.system_channel_id = rules.id
    world.permit(rules, world.everyone(family.guild), send_messages=False)
    world.permit(rules, world.bot_role(family.guild), send_messages=False)
    async with working(tmp_path, world, url) as at:
        await world.until(lambda: by_bot(family))
        await pushed(world, at, 1)
        (hello,) = by_bot(family)
        assert hello.startswith("**Hello! I remember the photos of this server.**")
        assert "after 7 days" in hello
        assert text.HIDDEN not in hello
        assert by_bot(family, rules) == []
        assert "find" in world.commands(family.bob, family.general)
        world.admit(club)
        await world.until(lambda: by_bot(family, lobby) and pushes(world) == 2)
        await until(lambda: len(at.rows("SELECT * FROM notes WHERE name = 'commands'")) == 2)
    async with working(tmp_path, world, url) as at:
        family.post()
        await at.remembers(lambda: family.keys)
        assert len(by_bot(family)) == 1, "it says hello once"
        assert pushes(world) == 2, "nothing has changed"
    monkeypatch.setattr(text, "FORGET", "Forget that")
    async with working(tmp_path, world, url):
        await world.until(lambda: pushes(world) == 4)
        assert "Forget that" in [each["name"] for each in world.asked(COMMANDS, "PUT")[-1].json]


async def test_it_welcomes_where_discord_does(
    tmp_path: Path, world: DiscordStandin, url: str
) -> None:
    family = Family(world)
    welcome = world.channel(family.guild, "welcome")
    family.guild.system_channel_id = welcome.id
    async with working(tmp_path, world, url):
        await world.until(lambda: by_bot(family, welcome))
        assert by_bot(family) == []


async def test_without_the_intent_it_says_what_is_missing(
    tmp_path: Path, world: DiscordStandin, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    family = Family(world)
    world.switches.approved.message_content = False
    async with working(tmp_path, world, url):
        await world.until(lambda: by_bot(family))
        assert by_bot(family)[0].endswith(text.HIDDEN)
        assert sum(HIDDEN in line for line in caplog.messages) == 1
    world.switches.approved.message_content = True
    async with working(tmp_path, world, url) as at:
        await until(lambda: at.note("heard"))
        family.post()
        await at.remembers(lambda: family.keys)


async def test_a_guild_that_lets_it_have_no_commands_is_told_how_to_invite_it(
    tmp_path: Path, world: DiscordStandin, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    Family(world)
    world.fail(COMMANDS, "PUT", status=403, code=50001)
    async with working(tmp_path, world, url) as at:
        await until(lambda: any("does not let the bot have" in line for line in caplog.messages))
        (line,) = [line for line in caplog.messages if "does not let the bot have" in line]
        assert "https://discord.com/oauth2/authorize?" in line
        assert at.note("commands") is None
    async with working(tmp_path, world, url) as at:
        await pushed(world, at, 2)


async def test_an_outage_is_no_removal_and_a_removal_is(
    tmp_path: Path, world: DiscordStandin, url: str
) -> None:
    family = Family(world)
    async with working(tmp_path, world, url) as at:

        def left() -> list[object]:
            return [at for (at,) in at.rows("SELECT left_at FROM groups") if at is not None]

        await pushed(world, at, 1)
        family.post()
        await at.remembers(lambda: family.keys)
        world.lose(family.guild)
    async with working(tmp_path, world, url) as at:
        await until(lambda: world.online)
        world.find(family.guild)
        family.post()
        await at.remembers(lambda: family.keys)
        assert left() == []
        assert len(by_bot(family)) == 1

        family.guild.name = "Family and friends"
        renamed = serializers.guild_create_payload(world.backend, family.guild)
        world.backend.emit("GUILD_UPDATE", renamed)
        await until(lambda: at.rows("SELECT name FROM groups") == [("Family and friends",)])

        kept = at.keys
        world.dismiss(family.guild)
        await until(left)
        now = datetime.now(UTC)
        groups = at.store.groups
        assert await groups.erase_left(now - timedelta(days=7)) == []
        assert at.keys == kept, "all is kept for the grace period"
        assert await groups.present("discord:") == []
        world.admit(family.guild)
        await world.until(lambda: len(by_bot(family)) == 2)
        await pushed(world, at, 2)
        assert await groups.erase_left(now + timedelta(days=8)) == []
        world.dismiss(family.guild)
        await until(left)
        assert [g.id for g in await groups.erase_left(now + timedelta(days=8))] == [family.group]
        assert at.keys == []


@pytest.mark.parametrize("away", ["while it was off", "between two sessions"])
async def test_a_removal_that_nobody_told_is_noticed(
    tmp_path: Path, world: DiscordStandin, url: str, away: str
) -> None:
    family = Family(world)
    club = world.guild("Club", family.ann)
    lost = world.guild("Lost", family.ann)

    async def noticed(at: Working) -> None:
        def left() -> dict[str, bool]:
            return dict(at.rows("SELECT key, left_at IS NOT NULL FROM groups"))

        await until(lambda: left()[group_id(club.id)])
        assert left() == {family.group: False, group_id(club.id): True, group_id(lost.id): False}

    async with working(tmp_path, world, url) as at:
        await until(lambda: len(at.rows("SELECT * FROM groups")) == 3)
        if away == "between two sessions":
            world.lose(lost)
            world.invalidate()
            world.cut()
            world.dismiss(club)
            await noticed(at)
            return
    world.dismiss(club)
    world.lose(lost)
    async with working(tmp_path, world, url) as at:
        await noticed(at)


async def test_two_shards(
    tmp_path: Path, world: DiscordStandin, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.switches.shards = 2
    ann = world.user("ann")
    guilds = [world.guild(f"Shard {n}", ann, shard=n, shards=2) for n in range(2)]
    places = [world.channel(guild, "photos") for guild in guilds]
    async with working(tmp_path, world, url) as at:
        await world.until(lambda: world.online == 2)
        posted = [world.post(place, ann, "cake", photo(1)) for place in places]
        await at.remembers(lambda: sorted(each.attachments[0]["id"] for each in posted))
        await world.until(lambda: pushes(world) == 2)
        for place in places:
            reply = await world.slash(ann, place, "stats")
            assert "**1 photo** of this server" in (await reply.shown()).text
        world.invalidate()
        world.cut()
        world.dismiss(guilds[1])
        await until(lambda: at.rows("SELECT name FROM groups WHERE left_at") == [("Shard 1",)])
        await until(lambda: world.online == 2)
        assert sum("in 2 servers" in line for line in caplog.messages) == 1


async def test_a_wrong_token_ends_it_with_one_line(
    tmp_path: Path, world: DiscordStandin, url: str
) -> None:
    Family(world)
    token, world.token = world.token, "no.such.token"
    async with working(tmp_path, world, url) as at:
        world.token = token
        with pytest.raises(TokenRefused, match=r"^DISCORD_TOKEN: .*developer portal") as refused:
            await at.serving
        assert "no.such.token" not in str(refused.value)


async def test_a_token_that_is_revoked_while_running_ends_it(
    tmp_path: Path, world: DiscordStandin, url: str
) -> None:
    Family(world)
    async with working(tmp_path, world, url) as at:
        await world.until(lambda: world.online)
        token, world.token = world.token, "MTIz.another.token-of-the-bot"
        world.close(4004)
        with pytest.raises(TokenRefused, match="DISCORD_TOKEN"):
            await at.serving
        world.token = token


async def test_an_intent_that_is_switched_off_while_running(
    tmp_path: Path, world: DiscordStandin, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    family = Family(world)
    async with working(tmp_path, world, url) as at:
        await pushed(world, at, 1)
        seen = family.post("seen")
        await at.remembers(lambda: family.keys)
        world.switches.approved.message_content = False
        world.close(4014)
        await until(lambda: any(HIDDEN in line for line in caplog.messages))
        await world.until(lambda: world.online)
        hidden = world.post(family.general, family.bob, "hidden", photo(99))
        reply = await world.slash(family.bob, family.general, "find", words="seen")
        (picture,) = (await reply.shown()).pictures
        assert seen.attachments[0]["id"] in picture.url
        assert hidden.attachments[0]["id"] not in at.keys
        assert not at.serving.done()


# --- both platforms in one process


@pytest.fixture
def telegram() -> TelegramWorld:
    return TelegramWorld()


@pytest.mark.parametrize("refused", ["TELEGRAM_TOKEN", "DISCORD_TOKEN"])
async def test_one_platform_that_fails_leaves_the_other_running(
    tmp_path: Path, world: DiscordStandin, url: str, telegram: TelegramWorld, refused: str
) -> None:
    family = Family(world)
    ann = telegram.user("Ann")
    group = telegram.group("Family", [ann])
    telegram.add_bot(group, ann)
    api = Api(telegram)
    await api.start()
    settings = {"TELEGRAM_TOKEN": telegram.token, "TELEGRAM_API_URL": api.url}
    settings[refused] = "123456:nobody-knows-this-one"
    platform = refused.partition("_")[0].lower()
    try:
        async with bot_process(tmp_path, world, url, **settings) as bot:
            await bot.says(f"{platform} stops, the others go on: {refused}")
            if platform == "telegram":
                await world.until(lambda: by_bot(family), 30)
                family.post()
                await until(lambda: bot.rows("SELECT key FROM photos") == [(family.keys[0],)])
            else:
                await telegram.bot_sends(group, timeout=30)
                telegram.say(group, ann, "/stats")
                await telegram.bot_sends(group)
            assert sum(refused in line for line in bot.said) == 1
            assert settings[refused] not in "".join(bot.said)
    finally:
        await api.stop()
