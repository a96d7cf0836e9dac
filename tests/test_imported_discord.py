"""Photos from a Discord export and those that the bot sees itself are the same ones."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import discord
import pytest

from adapters.discord import history
from storage.sqlite import SqliteStore
from tests.discord import Scene, scene
from tests.discordbot import Family, until, working
from tests.exports import DiscordExport, imported, memory_of
from tests.pictures import photo
from tests.standins.discord import Channel, DiscordStandin, Message

ROWS = (
    "SELECT groups.key, groups.name, channel, message, author, author_name, posted_at, caption,"
    " link, spoiler, protected, platform, photos.key, locator, photos.name,"
    " (SELECT group_concat(text) FROM replies WHERE photo_id = photos.id) FROM photos"
    " JOIN posts ON posts.id = post_id JOIN groups ON groups.id = posts.group_id"
    " ORDER BY photos.key"
)


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """All that is remembered."""
    with closing(sqlite3.connect(folder / "box.db")) as db:
        return list(db.execute(ROWS))


def export_of(
    family: Family, channel: Channel, kind: str, messages: Sequence[Message], parent: int = 4001
) -> DiscordExport:
    """What DiscordChatExporter would write of these."""
    export = DiscordExport(channel.id, channel.name or "", kind, parent, family.guild.id)
    users = {user.id: user.name for user in (family.ann, family.bob)}
    for message in messages:
        found = [
            export.attachment(file["filename"], photo(n), int(file["id"]))
            for n, file in enumerate(message.attachments)
        ]
        more: dict[str, Any] = {"id": message.id, "attachments": found}
        more |= {"who": message.author_id, "name": users[message.author_id]}
        if message.reference:
            export.reply(int(message.reference["message_id"]), message.content, **more)
        else:
            export.say(message.content, **more)
    return export


async def test_history_and_an_import_bring_the_very_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE_PAUSE", 0.0)
    world = DiscordStandin()
    async with world.serving() as url:
        family = Family(world)
        first = family.post("birthday cake", photos=2)
        said = world.post(family.general, family.ann, "with strawberries", reply_to=first)
        hidden = world.post(family.general, family.bob, "guess", photo(3), spoiler=True)
        family.posted.append(hidden)
        thread = world.thread(family.general, "trip", family.bob)
        below = family.post("the lake", thread)
        exports = [
            export_of(family, family.general, "GuildTextChat", [first, said, hidden]),
            export_of(family, thread, "GuildPublicThread", [below], family.general.id),
        ]
        for export in exports:
            export.write(tmp_path / "export")

        async def read_history(folder: Path) -> list[tuple[Any, ...]]:
            async with working(folder, world, url) as at:
                await until(lambda: at.note("heard"))
                await world.until(lambda: "history" in world.commands(family.ann, family.general))
                await world.slash(family.ann, family.general, "history")
                await at.remembers(lambda: family.keys)
                await until(lambda: at.note("history") is None)
                return rows(folder)

        (tmp_path / "live").mkdir()
        live = await read_history(tmp_path / "live")
        (tmp_path / "moved").mkdir()
        async with SqliteStore(tmp_path / "moved" / "box.db") as store:
            assert (await imported(memory_of(store), tmp_path / "export")).added == 4
        moved = rows(tmp_path / "moved")
        assert moved == live
        assert moved[0][-1] == "with strawberries"
        assert await read_history(tmp_path / "moved") == live
        async with SqliteStore(tmp_path / "live" / "box.db") as store:
            summary = await imported(memory_of(store), tmp_path / "export")
            assert (summary.added, summary.known) == (0, 4)
        assert rows(tmp_path / "live") == live


async def unseen(at: Scene, where: Any, words: str, *photos: bytes) -> discord.Message:
    """A message with photos that the bot remembers nothing of: a bot's."""
    robot = at.guild.add_member(at.env.create_user(f"robot {words}", bot=True))
    files = [("a.jpg", each) for each in photos]
    return await robot.send(where, words, attachments=files)


def as_written(
    at: Scene, where: Any, kind: str, message: discord.Message, parent: int = 4001
) -> DiscordExport:
    """The same as Ann's message, in an export."""
    export = DiscordExport(where.id, "room", kind, parent, at.guild.id)
    files = [
        export.attachment(file.filename, photo(n), file.id)
        for n, file in enumerate(message.attachments)
    ]
    export.say(message.content, who=at.ann.id, id=message.id, attachments=files)
    return export


async def test_an_imported_channel_is_seen_by_whom_it_is_open_to(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        closed = at.channel("secret", at.bob, at.eve)
        thread = await at.thread(at.general, at.ann, private=True)
        gone = await unseen(at, at.general, "deleted channel", photo(4))
        rooms = [
            (at.general, "GuildTextChat", await unseen(at, at.general, "cake one", photo(1)), 1),
            (closed, "GuildTextChat", await unseen(at, closed, "cake two", photo(2)), 1),
        ]
        robot = await at.ann.send(thread, "cake three", attachments=[("a.jpg", photo(3))])
        await at.memory.forget_channel(at.group, f"{at.general.id}/{thread.id}/private")
        rooms.append((thread, "GuildPrivateThread", robot, at.general.id))
        for where, kind, message, parent in rooms:
            as_written(at, where, kind, message, parent).write(tmp_path / "export")
        lost = as_written(at, at.general, "SomethingNew", gone)
        lost.channel = 999
        lost.write(tmp_path / "export")
        assert (await imported(at.memory, tmp_path / "export")).added == 4
        ids = [message.attachments[0].id for _, _, message, _ in rooms]
        assert (await at.find(at.bob, "cake")).attachments == ids[:1]
        assert (await at.find(at.bob, "cake", private=True)).attachments == ids[:1]
        assert set((await at.find(at.ann, "cake", private=True)).attachments) == set(ids)
        assert (await at.find(at.bob, "deleted channel", private=True)).attachments == []


async def test_after_the_export_is_deleted_discord_has_the_photo(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        message = await unseen(at, at.general, "cake", photo(1))
        other = await unseen(at, at.general, "cake too", photo(2))
        for each in (message, other):
            export = as_written(at, at.general, "GuildTextChat", each)
            await imported(at.memory, export.write(tmp_path / f"export{each.id}"))
            shutil.rmtree(tmp_path / f"export{each.id}")
        first, _ = await at.remembered()
        assert await at.session.files.fetch(first.ref) == photo(1)
        await other.delete()
        shown = await at.find(at.bob, "cake")
        assert shown.attachments == [message.attachments[0].id]
        assert f"{at.general.id}/{message.id}" in shown.text
        assert len(await at.remembered()) == 1, "deleted there, forgotten here"


async def test_what_was_seen_live_is_known_to_an_import(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        message = await at.post(at.ann, "cake", photo(1), photo(2), name="SPOILER_a.jpg")
        before = await at.remembered()
        export = as_written(at, at.general, "GuildTextChat", message)
        summary = await imported(at.memory, export.write(tmp_path / "export"))
        assert (summary.added, summary.known) == (0, 2)
        assert await at.remembered() == before
