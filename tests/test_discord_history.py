"""What was posted while the bot was away, and before it came: filled in, each photo once."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.discord import history, inbox, missed, reading, text
from tests.discordbot import Family, Working, failing, until, working
from tests.pictures import photo
from tests.standins.discord import Channel, ChannelType, DiscordStandin, Reply, Seen

PAGES = "/channels/*/messages"


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """No pauses between pages and tries."""
    monkeypatch.setattr(history, "PAGE_PAUSE", 0.0)
    monkeypatch.setattr(history, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(reading, "PAUSES", (0.05,))
    monkeypatch.setattr(inbox, "PAUSES", (0.05,))
    caplog.set_level(logging.INFO)


@pytest.fixture
def world() -> DiscordStandin:
    return DiscordStandin()


@pytest.fixture
async def url(world: DiscordStandin) -> AsyncIterator[str]:
    async with world.serving() as url:
        yield url


@pytest.fixture
def family(world: DiscordStandin) -> Family:
    return Family(world)


def pages(world: DiscordStandin) -> Counter[str]:
    """How often each channel's messages were asked for."""
    return Counter(request.path.split("/")[2] for request in world.asked(PAGES, "GET"))


async def listening(at: Working) -> None:
    """It has met the family."""
    await until(lambda: at.note("heard"))


def set_back(folder: Path, hours: float) -> None:
    """It was last heard of so long ago."""
    with closing(sqlite3.connect(folder / "box.db")) as db, db:
        (was,) = db.execute("SELECT value FROM notes WHERE name = 'heard'").fetchone()
        then = int(was) - (int(hours * 3_600_000) << 22)
        db.execute("UPDATE notes SET value = ? WHERE name = 'heard'", (str(then),))


# --- while away


async def test_what_was_posted_while_away_is_filled_in_once(
    tmp_path: Path, world: DiscordStandin, url: str, family: Family
) -> None:
    forum = world.channel(family.guild, "trips", ChannelType.FORUM)
    quiet = world.channel(family.guild, "quiet")
    talk = world.channel(family.guild, "talk", ChannelType.VOICE)
    async with working(tmp_path, world, url) as at:
        await listening(at)
        family.post("while it listens")
        await at.remembers(lambda: family.keys)
    family.post("away", photos=3)
    for _ in range(120):
        world.post(family.general, family.ann, "just words")
    family.post("after many words")
    family.post("in a voice channel", talk)
    open_ = world.thread(family.general, "open", family.bob)
    whispers = world.thread(family.general, "whispers", family.bob, private=True)
    for thread in (open_, whispers):
        family.post("in a thread", thread)
    _, starter = world.forum_post(forum, "Rome", family.bob, "us", photo(999))
    family.posted.append(starter)
    world.post_by(world.webhook(family.general, "news", family.ann), "no person", photo(1000))
    before = pages(world)
    async with working(tmp_path, world, url) as at:
        await at.remembers(lambda: family.keys)
        read = pages(world) - before
        assert read[str(family.general.id)] == 2
        assert str(quiet.id) not in read, "nothing was posted there"
        assert not world.asked("*/threads/archived/*"), "it was away for a moment only"
        family.post("live again", open_)
        await at.remembers(lambda: family.keys)
    assert at.rows("SELECT count(*), count(DISTINCT message) FROM posts") == [(8, 8)]


@pytest.mark.parametrize("sees_all", [True, False])
async def test_threads_that_were_archived_meanwhile_are_read_too(
    tmp_path: Path, world: DiscordStandin, url: str, family: Family, sees_all: bool
) -> None:
    role = world.bot_role(family.guild)
    world.set_role(family.guild, role, manage_threads=sees_all)
    public = world.thread(family.general, "public", family.bob)
    closed = world.thread(family.general, "closed", family.bob, private=True)
    stale = world.thread(family.general, "stale", family.bob, private=True)
    for thread in (closed, stale):
        world.add(thread, world.backend.bot_user)
    long_ago = (datetime.now(UTC) - timedelta(days=9)).isoformat()
    put_away: Any = {"archived": True, "archive_timestamp": long_ago}
    world.backend.edit_channel(stale.id, {}, thread_metadata=put_away)
    async with working(tmp_path, world, url) as at:
        await listening(at)
    set_back(tmp_path, hours=3)
    for thread in (public, closed):
        family.post("then it was over", thread)
        world.archive(thread)
    async with working(tmp_path, world, url) as at:
        await at.remembers(lambda: family.keys)
        assert len(family.keys) == 2
        assert str(stale.id) not in pages(world)


async def test_deletes_and_edits_race_with_filling_in(
    tmp_path: Path, world: DiscordStandin, url: str, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(tmp_path, world, url) as at:
        await listening(at)
    first, second, third, fourth = (family.post(f"number {n}", photos=2) for n in range(4))
    async with working(tmp_path, world, url) as at:
        remember, gate, reached = at.store.remember, asyncio.Event(), asyncio.Event()

        async def slow(post: Any) -> object:
            reached.set()
            await gate.wait()
            return await remember(post)

        monkeypatch.setattr(at.store, "remember", slow)
        async with asyncio.timeout(10):
            await reached.wait()
        world.delete(second)
        world.drop(third, 0)
        world.edit(fourth, "another number")
        late = family.post("posted meanwhile")
        world.delete(late)
        gate.set()
        await at.remembers(lambda: family.keys)
        assert len(family.keys) == 5
        await until(
            lambda: (
                at.rows("SELECT caption FROM posts ORDER BY id")
                == [("number 0",), ("number 2",), ("another number",)]
            )
        )
        world.delete(first)
        await at.remembers(lambda: family.keys)


async def test_cuts_lost_sessions_and_an_outage_of_all_lose_nothing(
    tmp_path: Path, world: DiscordStandin, family: Family, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        async with world.serving() as url:
            at = await stack.enter_async_context(working(tmp_path, world, url))
            await listening(at)
            before = pages(world)
            for _ in range(3):
                world.cut()
                family.post("between")
                await at.remembers(lambda: family.keys)
            world.reconnect()
            family.post("asked to come again")
            await at.remembers(lambda: family.keys)
            assert pages(world) == before, "a session that goes on tells all by itself"
            world.invalidate()
            world.cut()
            await world.until(lambda: not world.online)
            family.post("nobody tells of this")
            await at.remembers(lambda: family.keys)
            world.invalidate()
        family.post("while it was down")
        await until(lambda: any("can't be reached" in line for line in caplog.messages))
        port = int(world.cdn.base.rpartition(":")[2])
        again = await stack.enter_async_context(world.serving(port))
        assert again == url
        await at.remembers(lambda: family.keys, 40)
        await until(lambda: "Discord: all is well again" in caplog.messages)
        troubles = [line for line in caplog.messages if "trying again" in line]
        assert 1 <= len(troubles) <= 2, troubles


async def test_while_discord_answers_badly_filling_in_waits(
    tmp_path: Path, world: DiscordStandin, url: str, family: Family
) -> None:
    async with working(tmp_path, world, url) as at:
        await listening(at)
    set_back(tmp_path, hours=3)
    family.post()
    world.fail("*/threads/archived/*", status=503, times=2)
    world.fail(PAGES, "GET", status=503, times=9)
    world.fail(PAGES, "GET", cut=True)
    world.fail(PAGES, "GET", status=503, garbage=True)
    world.fail(PAGES, "GET", retry_after=0.05)
    async with working(tmp_path, world, url) as at:
        await at.remembers(lambda: family.keys)


async def test_a_database_that_fails_for_a_moment_loses_no_post(
    tmp_path: Path, world: DiscordStandin, url: str, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(tmp_path, world, url) as at:
        await listening(at)
        monkeypatch.setattr(at.store, "remember", failing(at.store, 3))
        for _ in range(3):
            family.post()
        await at.remembers(lambda: family.keys)
    family.post("while away")
    async with working(tmp_path, world, url) as at:
        monkeypatch.setattr(at.store, "remember", failing(at.store, 3))
        await at.remembers(lambda: family.keys)


async def test_how_far_was_heard_is_not_noted_before_all_is_filled_in(
    tmp_path: Path, world: DiscordStandin, url: str, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed, "KEEP_SECONDS", 0.01)
    monkeypatch.setattr(missed, "OVERLAP", -timedelta(milliseconds=1))
    async with working(tmp_path, world, url) as at:
        await listening(at)
        heard = family.post()
        await until(lambda: int(at.note("heard") or 0) > heard.id)
        noted = at.note("heard")
    family.post("while away")
    held = asyncio.Event()
    world.fail(PAGES, "GET", until=held, times=99)
    async with working(tmp_path, world, url) as at:
        await until(lambda: pages(world))
        family.post("meanwhile")
    assert at.note("heard") == noted, "a stop in the middle leaves no gap"
    held.set()
    async with working(tmp_path, world, url) as at:
        await at.remembers(lambda: family.keys)
        await until(lambda: int(at.note("heard") or 0) > family.posted[-1].id)


# --- /history


async def asks(world: DiscordStandin, family: Family) -> Seen:
    """Ann types /history; what she alone is told."""
    reply: Reply = await world.slash(family.ann, family.general, "history")
    seen = await reply.shown()
    assert seen.ephemeral
    return seen


def told(world: DiscordStandin, place: Channel) -> str:
    """The message that shows how far it is."""
    sent = [m for m in world.backend.messages[place.id].values() if m.author_id == world.bot]
    shown = [m.content for m in sent if m.content.startswith(("🕰️", "✅"))]
    assert len(shown) == 1, "it is one message"
    return shown[0]


def long_past(family: Family) -> Channel:
    """Some 300 messages with photos all over the place, and a channel that the bot can't read."""
    world, guild = family.world, family.guild
    club = world.channel(guild, "club")
    trips = world.channel(guild, "trips", ChannelType.FORUM)
    talk = world.channel(guild, "talk", ChannelType.VOICE)
    picture = ("a.png", photo(1, (48, 48)))

    def posts(where: Channel, count: int) -> None:
        for n in range(count):
            family.posted.append(world.post(where, family.bob, f"number {n}", picture))

    posts(family.general, 150)
    posts(club, 100)
    posts(talk, 3)
    for n in range(4):
        trip, first = world.forum_post(trips, f"trip {n}", family.bob, "we", picture)
        family.posted.append(first)
        posts(trip, 2)
        if n % 2:
            world.archive(trip)
    for private in (False, True):
        for archived in (False, True):
            thread = world.thread(club, "thread", family.bob, private=private)
            posts(thread, 5)
            if archived:
                world.archive(thread)
    secret = world.channel(guild, "secret")
    world.post(secret, family.ann, "unseen", picture)
    world.permit(secret, world.bot_role(guild), view_channel=False)
    return secret


async def test_history_is_read_over_a_restart_and_bad_answers(
    tmp_path: Path,
    world: DiscordStandin,
    url: str,
    family: Family,
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = long_past(family)
    async with working(tmp_path, world, url) as at:
        await listening(at)
        await world.until(lambda: "history" in world.commands(family.ann, family.general))
        assert "history" not in world.commands(family.bob, family.general)
        held = asyncio.Event()
        world.fail(PAGES, "GET", status=503)
        world.fail("*/threads/archived/private", "GET", status=503, garbage=True)
        world.fail("*/threads/active", "GET", cut=True)
        assert (await asks(world, family)).text == history.STARTED
        await until(lambda: len(at.keys) >= 150)
        world.fail(PAGES, "GET", until=held, times=99)
        link = (await asks(world, family)).text
        assert f"https://discord.com/channels/{family.guild.id}/{family.general.id}/" in link
        assert "🕰️" in told(world, family.general)
    held.set()
    before = pages(world)
    assert len(at.keys) < len(family.keys)
    world.fail(PAGES, "GET", retry_after=0.05, times=2)
    world.fail(PAGES, "GET", status=500)
    world.fail(PAGES, "GET", cut=True)
    async with working(tmp_path, world, url) as at:
        await until(lambda: told(world, family.general).startswith("✅"), 30)
        assert at.keys == family.keys
        await until(lambda: at.note("history") is None)
        assert f"found {len(family.keys)} photos" in told(world, family.general)
        assert "I could not read 1 channel." in told(world, family.general)
        again = pages(world) - before
        assert again[str(family.general.id)] <= 1, "what was read is not read again"
        assert str(secret.id) not in pages(world)
        assert sum((pages(world)).values()) <= 2 + 1 + 1 + 1 + 4 + 4 + 10
        assert (await asks(world, family)).text == history.STARTED, "it may be asked for again"
        await until(lambda: sum("/history found" in line for line in caplog.messages) == 2)
        assert at.keys == family.keys, "and brings nothing twice"
    assert world.asked("/channels/*/messages/*", "PATCH")
    waits = [line for line in caplog.messages if "/history waits" in line]
    assert 1 <= len(waits) <= 8
    assert not any(record.exc_info for record in caplog.records if "adapters" in record.name)


async def test_history_is_for_who_may_manage_the_server(
    tmp_path: Path, world: DiscordStandin, url: str, family: Family
) -> None:
    family.post("before it came")
    async with working(tmp_path, world, url) as at:
        await listening(at)
        await world.until(lambda: "history" in world.commands(family.ann, family.general))
        with pytest.raises(AssertionError, match="nobody could"):
            await world.slash(family.bob, family.general, "history")
        held = asyncio.Event()
        world.fail(PAGES, until=held, times=99)
        for said in (history.STARTED, history.BEGINNING):
            assert (await asks(world, family)).text == said
        held.set()
        await at.remembers(lambda: family.keys)
        assert told(world, family.general)


async def test_history_needs_the_intent(
    tmp_path: Path, world: DiscordStandin, url: str, family: Family
) -> None:
    world.switches.approved.message_content = False
    async with working(tmp_path, world, url):
        await world.until(lambda: "history" in world.commands(family.ann, family.general))
        assert (await asks(world, family)).text == text.HIDDEN
        assert not world.asked(PAGES, "GET")


async def test_what_was_forgotten_altogether_does_not_come_back_by_itself(
    tmp_path: Path, world: DiscordStandin, url: str, family: Family
) -> None:
    async with working(tmp_path, world, url) as at:
        await listening(at)
        await world.until(lambda: "forget" in world.commands(family.ann, family.general))
        family.post("before")
        await at.remembers(lambda: family.keys)
        held = asyncio.Event()
        world.fail(PAGES, "GET", until=held)
        await asks(world, family)
        await until(lambda: pages(world))
        reply = await world.slash(family.ann, family.general, "forget", everything=True)
        question = await reply.shown()
        await world.press(family.ann, question, "everything:yes")
        held.set()
        await reply.shown(lambda seen: "Forgotten" in seen.text)
        assert at.keys == []
        world.invalidate()
        world.cut()
        await world.until(lambda: not world.online)
        kept = family.post("after")
        await at.remembers(lambda: [kept.attachments[0]["id"]])
    async with working(tmp_path, world, url) as at:
        kept = family.post("later")
        await at.remembers(lambda: sorted(m.attachments[0]["id"] for m in family.posted[1:]))
