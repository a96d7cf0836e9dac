"""The stand-in for Discord, with the real discord.py over real sockets."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
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
from tests.standins.discord import Channel, ChannelType, DiscordStandin, Guild

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


def point_at(monkeypatch: pytest.MonkeyPatch, world: DiscordStandin, url: str) -> None:
    """Let discord.py talk to this Discord; a session that is gone asks at the default gateway."""
    monkeypatch.setattr(Route, "BASE", url)
    gateway = yarl.URL(world.cdn.base.replace("http", "ws", 1)) / "gateway"
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", gateway)


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    world = DiscordStandin()
    async with world.serving() as url:
        point_at(monkeypatch, world, url)
        yield Scene(world)
        assert world.gaps == []


async def history(client: Client, channel: Channel, **limits: Any) -> list[discord.Message]:
    place = client.get_partial_messageable(channel.id)
    return [message async for message in place.history(**limits)]


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
        (message,) = await history(client, scene.photos)
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
    scene.world.fail("/cdn/*", status=503)
    assert (await downloaded(url))[0] == 503
    assert (await downloaded(url))[0] == 200
    assert scene.world.downloads[0].sent == 100


async def test_history_pages_both_ways(scene: Scene) -> None:
    posted = [scene.world.post(scene.photos, scene.bob, f"{n}").id for n in range(7)]
    async with scene.client() as client:
        route = Route("GET", "/channels/{channel_id}/messages", channel_id=scene.photos.id)

        async def page(**params: int) -> list[int]:
            found = await client.http.request(route, params=params)
            return [posted.index(int(message["id"])) for message in found]

        assert await page() == [6, 5, 4, 3, 2, 1, 0]
        assert await page(limit=2) == [6, 5]
        assert await page(limit=2, before=posted[3]) == [2, 1]
        assert await page(limit=2, after=posted[3]) == [5, 4]
        assert await page(limit=3, around=posted[3]) == [4, 3, 2]
        with pytest.raises(discord.HTTPException, match="limit"):
            await page(limit=101)
        messages = await history(
            client, scene.photos, after=discord.Object(posted[1]), oldest_first=True, limit=3
        )
        assert [message.id for message in messages] == posted[2:5]


async def test_what_happens_to_messages_is_heard(scene: Scene) -> None:
    world = scene.world
    async with scene.client() as client:
        first = world.post(scene.photos, scene.bob, "two", photo(1), photo(2), spoiler=True)
        world.drop(first, 0)
        (edit,) = await client.next("raw_message_edit")
        assert [a["id"] for a in edit.data["attachments"]] == [first.attachments[0]["id"]]
        assert edit.message.attachments[0].is_spoiler()
        others = [world.post(scene.photos, scene.ann, f"{n}") for n in range(2)]
        world.delete(first)
        (deleted,) = await client.next("raw_message_delete")
        assert deleted.message_id == first.id
        world.delete(*others)
        (bulk,) = await client.next("raw_bulk_message_delete")
        assert bulk.message_ids == {message.id for message in others}
        hook = world.webhook(scene.photos, "news", scene.ann)
        world.post_by(hook, "read all about it")
        (message,) = await client.next("message", lambda m: m.webhook_id is not None)
        assert message.author.bot
        world.delete_channel(scene.photos)
        (gone,) = await client.next("guild_channel_delete")
        assert gone.id == scene.photos.id


async def test_a_posted_link_gets_its_picture_a_moment_later(scene: Scene) -> None:
    async with scene.client() as client:
        scene.world.post_link(scene.photos, scene.bob, "https://example.org/cat.jpg", photo(3))
        (message,) = await client.next("message")
        assert message.embeds == []
        (edit,) = await client.next("raw_message_edit")
        (embed,) = edit.message.embeds
        assert embed.type == "image"
        assert embed.thumbnail.url == "https://example.org/cat.jpg"
        assert embed.thumbnail.proxy_url is not None
        assert await downloaded(embed.thumbnail.proxy_url) == (200, photo(3))


async def test_a_forward_brings_a_copy(scene: Scene) -> None:
    album = scene.world.channel(scene.family, "album")
    original = scene.world.post(scene.photos, scene.bob, "the lake", photo(1))
    async with scene.client() as client:
        scene.world.forward(original, album, scene.ann)
        (message,) = await client.next("message")
        assert (message.content, message.attachments) == ("", [])
        (copy,) = message.message_snapshots
        assert copy.content == "the lake"
        assert await copy.attachments[0].read() == photo(1)
        scene.world.expire_links()
        (again,) = await history(client, album)
        assert await again.message_snapshots[0].attachments[0].read() == photo(1)


async def test_without_the_intent_messages_are_empty_but_for_those_shown(scene: Scene) -> None:
    intents = discord.Intents.all()
    intents.message_content = False
    scene.world.switches.approved.message_content = False
    async with scene.client(intents=intents) as client:

        @client.tree.context_menu(name="Remember this")
        async def remember(interaction: discord.Interaction, message: discord.Message) -> None:
            await interaction.response.send_message(message.attachments[0].filename)

        await client.tree.sync()
        posted = scene.world.post(scene.photos, scene.bob, "hidden", ("lake.jpg", photo()))
        (message,) = await client.next("message")
        assert (message.content, message.attachments) == ("", [])
        (message,) = await history(client, scene.photos)
        assert (message.content, message.attachments) == ("", [])
        reply = await scene.world.context_menu(scene.bob, posted, "Remember this")
        assert (await reply.shown()).content == "lake.jpg"


async def test_a_command_is_deferred_answered_and_followed_up(scene: Scene) -> None:
    world = scene.world
    posted = world.post(scene.photos, scene.bob, "the lake", photo(1))
    asked = asyncio.Event()
    async with scene.client() as client:

        @client.tree.command(description="Finds photos")
        @app_commands.describe(words="what to look for", who="whose")
        async def find(
            interaction: discord.Interaction, words: str, who: discord.Member | None = None
        ) -> None:
            await interaction.response.defer(ephemeral=True)
            await asked.wait()
            place = client.get_partial_messageable(scene.photos.id)
            message = await place.fetch_message(posted.id)
            embed = discord.Embed(title=f"{words} by {who}")
            embed.set_image(url=message.attachments[0].url)
            await interaction.edit_original_response(embed=embed)
            await interaction.followup.send("that was all", ephemeral=True)

        @find.autocomplete("words")
        async def suggest(_: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
            return [app_commands.Choice(name=typed + "!", value=typed)]

        with pytest.raises(AssertionError, match="find"):
            await world.slash(scene.bob, scene.photos, "find", words="lake")
        await client.tree.sync()
        assert world.commands(scene.bob, scene.photos) == ("find",)
        with pytest.raises(AssertionError, match="words"):
            await world.slash(scene.bob, scene.photos, "find")
        typing = await world.autocomplete(scene.bob, scene.photos, "find", "words", "la")
        assert await typing.choices() == [{"name": "la!", "value": "la"}]
        reply = await world.slash(scene.bob, scene.photos, "find", words="lake", who=scene.ann)
        await reply.acknowledged()
        assert reply.deferred
        assert reply.ephemeral
        asked.set()
        answer = await reply.shown()
        assert answer.ephemeral
        assert answer.text == "lake by ann"
        assert world.cdn.open(answer.pictures[0].url) == photo(1)
        (more,) = await reply.followups()
        assert more.text == "that was all"
        assert len(world.visible(scene.bob, scene.photos)) == 3
        assert len(world.visible(scene.ann, scene.photos)) == 1


async def test_commands_take_files_and_work_in_private(scene: Scene) -> None:
    world = scene.world
    async with scene.client() as client:

        @client.tree.command(description="Looks at a picture")
        async def look(interaction: discord.Interaction, image: discord.Attachment) -> None:
            content = await image.read()
            await interaction.response.send_message(f"{image.filename}: {len(content)}")

        await client.tree.sync()
        for channel in (scene.photos, world.private(scene.bob)):
            reply = await world.slash(scene.bob, channel, "look", image=("a.jpg", photo()))
            assert (await reply.shown()).text == f"a.jpg: {len(photo())}"


async def test_an_answer_of_components_has_buttons_to_press(scene: Scene) -> None:
    world = scene.world
    posted = world.post(scene.photos, scene.bob, "", photo(1))
    async with scene.client() as client:

        class More(ui.Button["Gallery"]):
            async def callback(self, interaction: discord.Interaction) -> None:
                assert self.view is not None
                self.view.text.content = "page two"
                await interaction.response.edit_message(view=self.view)

        class Gallery(ui.LayoutView):
            def __init__(self, url: str) -> None:
                super().__init__(timeout=None)
                self.text = ui.TextDisplay[Gallery]("page one")
                row = ui.ActionRow[Gallery]()
                row.add_item(More(label="More", custom_id="more"))
                shown = ui.MediaGallery[Gallery](
                    discord.MediaGalleryItem(url, description="a lake", spoiler=True)
                )
                self.add_item(ui.Container(self.text, shown, row))

        @client.tree.command(description="Shows")
        async def show(interaction: discord.Interaction) -> None:
            (message,) = await history(client, scene.photos)
            view = Gallery(message.attachments[0].url)
            await interaction.response.send_message(view=view)

        await client.tree.sync()
        reply = await world.slash(scene.bob, scene.photos, "show")
        answer = await reply.shown()
        assert not reply.deferred
        assert answer.v2
        assert answer.text == "page one"
        (picture,) = answer.pictures
        assert (picture.description, picture.spoiler) == ("a lake", True)
        assert world.cdn.open(picture.url) == photo(1)
        assert [button.label for button in answer.buttons] == ["More"]
        with pytest.raises(AssertionError, match="component"):
            await world.press(scene.ann, answer, "less")
        pressed = await world.press(scene.ann, answer, "more")
        assert (await pressed.shown()).text == "page two"
        message = await client.get_partial_messageable(scene.photos.id).fetch_message(answer.id)
        with pytest.raises(discord.HTTPException, match="50035"):
            await message.edit(content="text beside components")
        world.delete(posted)


async def test_an_interaction_is_answered_once_and_in_time(scene: Scene) -> None:
    world = scene.world
    late = asyncio.Event()
    codes: asyncio.Queue[int] = asyncio.Queue()
    async with scene.client() as client:

        @client.tree.command(description="Answers twice")
        async def twice(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("one")
            interaction.response._response_type = None
            try:
                await interaction.response.send_message("two")
            except discord.HTTPException as error:
                codes.put_nowait(error.code)
            await late.wait()
            try:
                await interaction.followup.send("three")
            except discord.HTTPException as error:
                codes.put_nowait(error.code)

        await client.tree.sync()
        reply = await world.slash(scene.bob, scene.photos, "twice")
        assert (await reply.shown()).text == "one"
        assert await codes.get() == 40060
        world.later(16 * 60)
        late.set()
        assert await codes.get() == 10015


async def test_nothing_is_lost_when_the_line_is_cut(scene: Scene) -> None:
    world = scene.world
    async with scene.client() as client:
        world.cut()
        await world.until(lambda: not world.online)
        world.post(scene.photos, scene.bob, "meanwhile")
        await client.next("resumed")
        world.post(scene.photos, scene.bob, "afterwards")
        await client.next("message", lambda m: m.content == "afterwards")
        world.reconnect()
        await client.next("resumed", count=2)
        world.close(4000)
        await client.next("resumed", count=3)
        said = [args[0].content for name, args in client.heard if name == "message"]
        assert said == ["meanwhile", "afterwards"]
        assert client.names().count("ready") == 1


async def test_a_session_that_is_gone_starts_anew(scene: Scene) -> None:
    world = scene.world
    async with scene.client() as client:
        world.invalidate()
        world.cut()
        await world.until(lambda: not world.online)
        world.post(scene.photos, scene.bob, "missed")
        await client.next("ready", count=2)
        world.post(scene.photos, scene.bob, "heard")
        await client.next("message", lambda m: m.content == "heard")
        assert "resumed" not in client.names()
        assert client.names().count("message") == 1


async def test_discord_goes_down_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world = DiscordStandin()
    scene = Scene(world)
    async with AsyncExitStack() as stack:
        async with world.serving() as url:
            point_at(monkeypatch, world, url)
            client = await stack.enter_async_context(scene.client())
        world.post(scene.photos, scene.bob, "while it was down")
        again = await stack.enter_async_context(
            world.serving(int(world.cdn.base.rpartition(":")[2]))
        )
        assert again == url
        await world.until(lambda: world.online)
        world.post(scene.photos, scene.bob, "back")
        await client.next("message", lambda m: m.content == "back")
        messages = await history(client, scene.photos)
        assert [message.content for message in messages] == ["back", "while it was down"]
        await client.close()
    assert world.gaps == []


async def test_a_missing_heartbeat_is_noticed(scene: Scene) -> None:
    scene.world.switches.heartbeat_interval = 100
    async with scene.client(heartbeat_timeout=0.4) as client:
        await scene.world.until(lambda: client.latency < 1)
        scene.world.switches.acks = False
        await client.next("disconnect")
        scene.world.switches.acks = True
        await client.next("resumed")


async def test_without_members_the_bot_hears_of_itself_alone(scene: Scene) -> None:
    world = scene.world
    world.switches.approved.members = False
    intents = discord.Intents.all()
    intents.members = False
    async with scene.client(intents=intents) as client:
        (guild,) = client.guilds
        assert [member.id for member in guild.members] == [world.bot]
        role = world.role(scene.family, "guests", view_audit_log=True)
        world.grant(scene.family, scene.bob, role)
        world.grant(scene.family, world.backend.bot_user, role)
        _, after = await client.next("member_update")
        assert after.id == world.bot
        assert client.names().count("member_update") == 1
        assert (await guild.fetch_member(scene.bob.id)).get_role(role.id)
        with pytest.raises(discord.Forbidden):
            await client.http.request(
                Route("GET", "/guilds/{guild_id}/members", guild_id=guild.id), params={"limit": 9}
            )
        (found,) = await guild.query_members("bo")
        assert found.id == scene.bob.id


async def test_rate_limits_and_faults(scene: Scene) -> None:
    world = scene.world
    async with scene.client() as client:
        channel = client.get_partial_messageable(scene.photos.id)
        world.fail("/channels/*/messages", "POST", retry_after=0.05, times=2)
        await channel.send("hello")
        statuses = [seen.status for seen in world.asked("/channels/*/messages", "POST")]
        assert statuses == [429, 429, 200]
        assert world.asked(method="POST")[-1].json["content"] == "hello"
        world.fail("/channels/*/messages", status=403, code=50001)
        with pytest.raises(discord.Forbidden, match="50001"):
            await channel.send("hello")
        world.fail("/channels/*/messages", status=503, garbage=True)
        with pytest.raises(discord.DiscordServerError, match="Bad Gateway"):
            await channel.send("hello")
        world.fail("/channels/*/messages", cut=True)
        with pytest.raises(aiohttp.ClientError):
            await channel.send("hello")
        held = asyncio.Event()
        world.fail("/channels/*/messages", until=held)
        sending = asyncio.create_task(channel.send("late"))
        await world.until(lambda: world.asked(method="POST")[-1].status is None)
        held.set()
        assert (await sending).content == "late"


async def test_files_that_the_bot_sends(scene: Scene) -> None:
    async with scene.client() as client:
        channel = client.get_partial_messageable(scene.photos.id)
        file = discord.File(io.BytesIO(photo(5)), "lake.jpg", description="a lake")
        embed = discord.Embed().set_image(url="attachment://lake.jpg")
        message = await channel.send("look", file=file, embed=embed)
        assert message.attachments[0].description == "a lake"
        assert message.embeds[0].image.url == message.attachments[0].url
        assert await message.attachments[0].read() == photo(5)
        with pytest.raises(discord.HTTPException, match="40005"):
            await channel.send(file=discord.File(io.BytesIO(bytes(11 << 20)), "large.bin"))


async def test_permissions_are_kept(scene: Scene) -> None:
    world = scene.world
    async with scene.client() as client:
        channel = client.get_partial_messageable(scene.photos.id)
        bot_role = world.bot_role(scene.family)
        world.permit(scene.photos, bot_role, send_messages=False)
        with pytest.raises(discord.Forbidden, match="50013"):
            await channel.send("hello")
        world.permit(scene.photos, bot_role, send_messages=None, view_channel=False)
        world.post(scene.photos, scene.bob, "unseen")
        with pytest.raises(discord.Forbidden, match="50001"):
            await history(client, scene.photos)
        world.permit(scene.photos, bot_role, view_channel=None)
        world.post(scene.photos, scene.bob, "seen")
        await client.next("message")
        assert [m.content for m in await history(client, scene.photos)] == ["seen", "unseen"]
        assert client.names().count("message") == 1
        secret = world.channel(scene.family, "secret", hidden_but_from=(scene.ann,))
        with pytest.raises(Exception, match="50001"):
            world.post(secret, scene.bob, "let me in")
        with pytest.raises(AssertionError, match="nobody could"):
            await world.slash(scene.bob, secret, "find")


async def test_threads(scene: Scene) -> None:
    world = scene.world
    first = world.post(scene.photos, scene.bob, "the lake")
    open_ = world.thread(scene.photos, "open", scene.bob, message=first)
    closed = world.thread(scene.photos, "closed", scene.ann, private=True)
    old = [world.thread(scene.photos, f"old {n}", scene.bob) for n in range(3)]
    for thread in old:
        world.post(thread, scene.bob, "long ago", photo())
        world.archive(thread)
    world.set_role(scene.family, world.bot_role(scene.family), manage_threads=False)
    async with scene.client() as client:
        guild = client.guilds[0]
        assert [thread.name for thread in guild.threads] == ["open"]
        assert [thread.name for thread in await guild.active_threads()] == ["open"]
        channel = guild.get_channel(scene.photos.id)
        assert isinstance(channel, discord.TextChannel)
        archived = [thread.name async for thread in channel.archived_threads()]
        assert archived == ["old 2", "old 1", "old 0"]
        route = Route("GET", "/channels/{id}/threads/archived/public", id=scene.photos.id)
        page = await client.http.request(route, params={"limit": 2})
        assert (len(page["threads"]), page["has_more"]) == (2, True)
        assert [m.content for m in await history(client, old[0])] == ["long ago"]
        (starter,) = await history(client, open_)
        assert starter.type is discord.MessageType.thread_starter_message
        with pytest.raises(discord.Forbidden):
            await history(client, closed)
        world.post(old[0], scene.bob, "once more")
        (update,) = await client.next("raw_thread_update")
        assert update.thread_id == old[0].id
        assert not update.data["thread_metadata"]["archived"]
        world.post(closed, scene.ann, "whispered")
        world.add(closed, world.backend.bot_user)
        (thread,) = await client.next("thread_join", lambda t: t.id == closed.id)
        assert {member.id for member in await thread.fetch_members()} == {
            scene.ann.id,
            world.bot,
        }
        forum = world.channel(scene.family, "trips", ChannelType.FORUM)
        trip, _ = world.forum_post(forum, "Rome", scene.bob, "us", photo(4))
        (message,) = await client.next("message", lambda m: m.content == "us")
        assert message.id == message.channel.id == trip.id
        world.delete_channel(open_)
        (gone,) = await client.next("raw_thread_delete")
        assert gone.thread_id == open_.id


async def test_outages_are_no_removals(scene: Scene) -> None:
    world = scene.world
    async with scene.client() as client:
        world.lose(scene.family)
        await client.next("guild_unavailable")
        with pytest.raises(discord.DiscordServerError):
            await history(client, scene.photos)
        world.find(scene.family)
        await client.next("guild_available", count=2)
        world.dismiss(scene.family)
        await client.next("guild_remove")
        with pytest.raises(discord.Forbidden):
            await history(client, scene.photos)
        world.admit(scene.family)
        (guild,) = await client.next("guild_join")
        world.post(scene.photos, scene.bob, "welcome back")
        await client.next("message")
        await guild.leave()
        await client.next("guild_remove", count=2)


async def test_two_shards_share_the_guilds(scene: Scene) -> None:
    world = scene.world
    world.switches.shards = 2
    places = []
    for shard in (0, 1):
        guild = world.guild(f"Shard {shard}", scene.ann, shard=shard, shards=2)
        places.append(world.channel(guild, "photos"))
    async with scene.client() as client:
        assert world.online == 2
        assert {guild.shard_id for guild in client.guilds if "Shard" in guild.name} == {0, 1}
        for place in places:
            world.post(place, scene.ann, f"in {place.id}")
        for place in places:
            (message,) = await client.next("message", lambda m, p=place: m.channel.id == p.id)
            assert message.guild.shard_id == (message.guild.id >> 22) % 2
        assert client.names().count("message") == 2


async def test_limits_that_are_checked_here(scene: Scene) -> None:
    async with scene.client() as client:
        put = Route(
            "PUT",
            "/applications/{application_id}/commands",
            application_id=scene.world.backend.application_id,
        )
        for command in (
            {"name": "Find", "description": "upper case"},
            {"name": "find", "description": ""},
            {"name": "find", "description": "x" * 101},
        ):
            with pytest.raises(discord.HTTPException, match="50035"):
                await client.http.request(put, json=[command])
        other = Route("PUT", "/applications/{id}/commands", id=scene.world.bot)
        with pytest.raises(discord.Forbidden):
            await client.http.request(other, json=[])
        embed = discord.Embed().set_image(url="file:///etc/passwd")
        with pytest.raises(discord.HTTPException, match="well formed"):
            await client.get_partial_messageable(scene.photos.id).send(embed=embed)


async def test_what_it_does_not_know_is_loud(scene: Scene) -> None:
    async with scene.client() as client:
        with pytest.raises(discord.DiscordServerError, match="does not implement"):
            await client.http.request(Route("GET", "/no/such/route"))
        assert len(scene.world.gaps) == 1
        scene.world.gaps.clear()
