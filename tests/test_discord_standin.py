"""The stand-in for Discord, with the real discord.py over real sockets."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import discord
import pytest
import yarl
from discord import app_commands, ui
from discord.gateway import DiscordWebSocket
from discord.http import Route
from PIL import Image

from tests.pictures import photo
from tests.standins.discord import Channel, ChannelType, DiscordStandin, Guild, User

Event = tuple[Any, ...]


class Client(discord.AutoShardedClient):
    """The real client, writing down what it hears. It needs no pause between shards here."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("intents", discord.Intents.all())
        super().__init__(guild_ready_timeout=0.05, max_messages=None, **options)
        self.heard: list[tuple[str, Event]] = []
        self.tree = app_commands.CommandTree(self)
        self._news = asyncio.Event()

    def dispatch(self, event: str, /, *args: Any, **options: Any) -> None:
        self.heard.append((event, args))
        self._news.set()
        super().dispatch(event, *args, **options)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        pass

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        self.heard.append(("error", (event_method,)))
        raise

    async def next(
        self, event: str, where: Callable[..., bool] = lambda *_: True, count: int = 1
    ) -> Event:
        """The first event of a kind, from the beginning on, or the one after it ..."""
        async with asyncio.timeout(10):
            while True:
                found = [args for name, args in self.heard if name == event and where(*args)]
                if len(found) >= count:
                    return found[count - 1]
                self._news.clear()
                await self._news.wait()

    def names(self) -> list[str]:
        """The kinds of what was heard."""
        return [name for name, _ in self.heard]


class Scene:
    """Ann owns the family's guild; Bob is in it."""

    def __init__(self, world: DiscordStandin) -> None:
        self.world = world
        self.ann, self.bob = world.user("ann"), world.user("bob")
        self.family: Guild = world.guild("Family", self.ann, self.bob)
        self.photos: Channel = world.channel(self.family, "photos")

    @asynccontextmanager
    async def client(self, token: str | None = None, **options: Any) -> AsyncIterator[Client]:
        """A client that is ready."""
        async with Client(**options) as client:
            running = asyncio.create_task(client.start(token or self.world.token))
            ready = asyncio.create_task(client.next("ready"))
            await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                ready.cancel()
                await running
            try:
                yield client
            finally:
                await client.close()
                await running


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    world = DiscordStandin()
    async with world.serving() as url:
        monkeypatch.setattr(Route, "BASE", url)
        gateway = yarl.URL(world.cdn.base.replace("http", "ws", 1)) / "gateway"
        monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
        yield Scene(world)
        assert world.gaps == []


async def downloaded(url: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.read()


async def test_login_tells_who_the_bot_is_and_where(scene: Scene) -> None:
    scene.world.channel(scene.family, "secret", hidden_but_from=(scene.ann,), nsfw=True)
    async with scene.client() as client:
        assert client.user is not None
        assert client.user.id == scene.world.bot
        assert client.application is not None
        assert client.application.id == scene.world.backend.application_id
        assert client.application_flags.gateway_message_content_limited
        (guild,) = client.guilds
        assert guild.name == "Family"
        assert guild.owner_id == scene.ann.id
        assert {member.name for member in guild.members} == {"ann", "bob", "TestBot"}
        secret = discord.utils.get(guild.text_channels, name="secret")
        assert secret is not None
        assert secret.is_nsfw()
        assert not secret.permissions_for(guild.me).view_channel
        assert scene.world.online == 1


async def test_a_wrong_token_and_an_intent_that_is_off(scene: Scene) -> None:
    with pytest.raises(discord.LoginFailure):
        async with scene.client("no.such.token"):
            pass
    scene.world.switches.approved.message_content = False
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with scene.client():
            pass


async def test_a_photo_arrives_and_can_be_downloaded(scene: Scene) -> None:
    picture = photo(1, (320, 240))
    async with scene.client() as client:
        scene.world.post(scene.photos, scene.bob, "at the lake", picture, alt="a lake")
        (message,) = await client.next("message")
        assert (message.content, message.author.name) == ("at the lake", "bob")
        (attachment,) = message.attachments
        assert (attachment.width, attachment.height) == (320, 240)
        assert attachment.content_type == "image/jpeg"
        assert attachment.description == "a lake"
        assert await attachment.read() == picture
        assert await attachment.read(use_cached=True) == picture
        assert [seen.path.split("/")[1] for seen in scene.world.downloads] == ["cdn", "proxy"]


async def test_links_expire_and_are_fresh_in_a_message_asked_for_again(scene: Scene) -> None:
    posted = scene.world.post(scene.photos, scene.bob, "", photo())
    async with scene.client() as client:
        channel = client.get_partial_messageable(scene.photos.id)
        message = await channel.fetch_message(posted.id)
        url = message.attachments[0].url
        assert (await downloaded(url))[0] == 200
        assert (await downloaded(url.partition("?")[0]))[0] == 404
        scene.world.expire_links()
        assert (await downloaded(url))[0] == 404
        with pytest.raises(discord.NotFound):
            await message.attachments[0].read()
        again = await channel.fetch_message(posted.id)
        assert (await downloaded(again.attachments[0].url))[0] == 200
        scene.world.later(25 * 60 * 60)
        assert (await downloaded(again.attachments[0].url))[0] == 404


async def test_the_proxy_gives_small_pictures_until_it_does_not(scene: Scene) -> None:
    scene.world.post(scene.photos, scene.bob, "", photo(1, (320, 240)))
    async with scene.client() as client:
        message = [seen async for seen in client.get_channel(scene.photos.id).history()][0]
        proxy = message.attachments[0].proxy_url
        status, small = await downloaded(proxy + "width=160&height=120")
        assert status == 200
        with Image.open(io.BytesIO(small)) as image:
            assert image.size == (160, 120)
        scene.world.switches.sized_proxy = False
        assert (await downloaded(proxy + "width=160&height=120"))[0] == 415
        assert (await downloaded(proxy))[0] == 200


async def test_a_download_is_cut(scene: Scene) -> None:
    message = scene.world.post(scene.photos, scene.bob, "", photo())
    scene.world.switches.cut_after, scene.world.switches.cuts_left = 100, 1
    url = scene.world.cdn.link(message.attachments[0]["url"])
    with pytest.raises(aiohttp.ClientPayloadError):
        await downloaded(url)
    assert (await downloaded(url))[0] == 200
    assert scene.world.downloads[0].sent == 100
