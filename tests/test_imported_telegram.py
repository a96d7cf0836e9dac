"""Photos from a Telegram export and those that the bot sees itself are the same ones."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from adapters.telegram import past
from adapters.telegram.posts import Original
from bot.photos import StoredPhoto
from tests.exports import TelegramExport, imported
from tests.pictures import photo
from tests.standins.telegram import Chat, Message, TelegramWorld
from tests.telegram import Scene, scene


def export_of(chat: Chat, *messages: Message, shift: int = 0) -> TelegramExport:
    """What Telegram Desktop would write of these; `shift`: by how much the ids differ of the
    account that exports."""
    is_super = chat.kind == "supergroup"
    bare = -chat.id - (10**12 if is_super else 0)
    kind = "private_supergroup" if is_super else "private_group"
    export = TelegramExport(chat.title, kind, bare)
    for message in messages:
        at = datetime.fromtimestamp(message.json["date"], UTC)
        who = message.json["from"]
        export.photo(
            message.caption,
            data=message.sizes[-1].data,
            id=message.id + shift,
            at=at,
            who=who["id"],
            name=who["first_name"],
        )
    return export


def unseen(at: Scene, caption: str, seed: int, chat: Chat | None = None) -> Message:
    """A photo of Ann's from before the bot could see any."""
    chat = chat or at.family
    chat.private_to_bot = True
    message = at.world.post_photo(chat, at.ann, photo(seed), caption)
    chat.private_to_bot = False
    return message


async def remembered(at: Scene) -> list[StoredPhoto]:
    await at.world.idle()
    async with at.store._db.read() as db, db.execute("SELECT id FROM photos") as cursor:
        ids = [row[0] for row in await cursor.fetchall()]
    return await at.store.photos(ids)


async def test_what_was_seen_live_is_known_to_an_import(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        live = at.world.post_photo(at.family, at.ann, photo(1), "cake")
        before = await remembered(at)
        past_ = unseen(at, "from before", 2)
        summary = await imported(
            at.memory, export_of(at.family, live, past_).write(tmp_path / "export")
        )
        assert (summary.added, summary.known) == (1, 1)
        assert not [line for line in summary.places if "invite" in line]
        first, second = await remembered(at)
        assert [first] == before, "the live one stays as it was"
        expected = before[0].post
        post = second.post
        assert (post.group, post.channel, post.author) == (
            *(expected.group, expected.channel, expected.author),
        )
        assert (post.message, post.author_name) == (str(past_.id), "Ann")


async def test_what_was_imported_is_taken_over_by_what_is_seen_live(tmp_path: Path) -> None:
    world = TelegramWorld()
    async with scene(tmp_path, world=world) as at:
        message = unseen(at, "cake", 1)
        export = export_of(at.family, message)
        export.say("strawberries", reply_to_message_id=message.id)
        await imported(at.memory, export.write(tmp_path / "export"))
        (before,) = await remembered(at)
        assert before.ref.is_stand_in
        world.tell("message", message)
        (after,) = await remembered(at)
        assert (after.id, after.ref.key) == (before.id, message.file_unique_id)
        assert Original.of(after.ref).show == message.file_id
        (shown, _) = await at.asks(at.bob, "/find strawberries", count=2)
        assert shown.file_unique_id == message.file_unique_id, "its replies went along"
        await imported(at.memory, tmp_path / "export")
        assert await remembered(at) == [after], "an import takes nothing back"


async def test_an_edit_and_a_reply_tell_of_imported_photos_too(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        edited, answered, forgotten = (unseen(at, f"cake {n}", n) for n in range(3))
        export = export_of(at.family, edited, answered, forgotten)
        await imported(at.memory, export.write(tmp_path / "export"))
        ids = [stored.id for stored in await remembered(at)]
        at.world.edit_caption(edited, "tart")
        at.world.say(at.family, at.bob, "mmh", reply_to=answered)
        known = await remembered(at)
        assert [stored.id for stored in known] == ids
        assert [stored.ref.key for stored in known[:2]] == [
            edited.file_unique_id,
            answered.file_unique_id,
        ]
        assert known[0].post.caption == "tart"
        (words,) = await at.asks(at.ann, "/forget", reply_to=forgotten)
        assert words.text == "Forgotten."
        assert [stored.id for stored in await remembered(at)] == ids[:2]
        await imported(at.memory, tmp_path / "export")
        assert [stored.id for stored in await remembered(at)] == ids[:2]


async def test_in_basic_groups_who_and_when_tell_what_is_the_same(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        cousins = at.group("Cousins", at.ann, at.bob, kind="group")
        await at.world.bot_sends(cousins)
        live = at.world.post_photo(cousins, at.ann, photo(1), "cake")
        assert len(await remembered(at)) == 1
        at.world.clock = lambda: time.time() + 60
        album = at.world.post_album(cousins, at.ann, [photo(2), photo(3)], "pie")
        at.world.pending.clear()
        export = export_of(cousins, live, *album, shift=5000)
        summary = await imported(at.memory, export.write(tmp_path / "export"))
        assert (summary.added, summary.known) == (2, 1)
        for message in album:
            at.world.tell("message", message)
        found = await remembered(at)
        assert [(p.post.message, p.ref.key) for p in found] == [
            (str(m.id), m.file_unique_id) for m in (live, *album)
        ]
        assert (await imported(at.memory, tmp_path / "export")).known == 3
        assert len(await remembered(at)) == 3


async def test_what_was_forgotten_in_a_basic_group_does_not_come_back(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        cousins = at.group("Cousins", at.ann, at.bob, kind="group")
        await at.world.bot_sends(cousins)
        first = at.world.post_photo(cousins, at.ann, photo(1), "cake")
        at.world.clock = lambda: time.time() + 60
        second = at.world.post_photo(cousins, at.ann, photo(2), "pie")
        at.world.clock = lambda: time.time() + 120
        third = at.world.post_photo(cousins, at.ann, photo(3), "tart")
        at.world.pending.pop()  # it isn't told of that one
        (said,) = await at.asks(at.ann, "/forget", chat=cousins, reply_to=first)
        assert said.text == "Forgotten."
        await at.memory.forget_person(f"telegram:{cousins.id}", f"telegram:{at.ann.id}")
        assert await at.remembered() == 0
        export = export_of(cousins, first, second, third, shift=5000)
        summary = await imported(at.memory, export.write(tmp_path / "export"))
        assert (summary.added, summary.left_out) == (1, 2)


async def test_an_imported_photo_is_shown_with_its_link_and_sent_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        messages = [unseen(at, "cake", n) for n in range(3)]
        export = export_of(at.family, *messages)
        await imported(at.memory, export.write(tmp_path / "export"))
        *album, words = await at.asks(at.bob, "/find cake", count=4)
        assert words.text.startswith("3 photos")
        links = {e["url"] for e in album[0].entities if e["type"] == "text_link"}
        assert links == {f"https://t.me/c/{str(at.family.id)[4:]}/{m.id}" for m in messages}
        shutil.rmtree(tmp_path / "export")
        *again, _ = await at.asks(at.bob, "/find cake", count=4)
        assert [m.file_unique_id for m in again] == [m.file_unique_id for m in album]
        (said,) = await at.asks(at.ann, "/forget", reply_to=album[1])
        assert said.text == "Forgotten."
        assert await at.remembered() == 2, "an answer's copy leads to the photo"


async def test_without_its_export_a_photo_is_pointed_to_and_learned(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        message = unseen(at, "cake", 1)
        await imported(at.memory, export_of(at.family, message).write(tmp_path / "export"))
        shutil.rmtree(tmp_path / "export")
        pointing, words = await at.asks(at.bob, "/find cake", count=2)
        assert pointing.kind == "text"
        assert pointing.reply_to == message.id, "Telegram shows what is answered"
        assert "original" in pointing.text
        assert words.text.startswith("One photo")
        (stored,) = await remembered(at)
        assert stored.ref.key == message.file_unique_id
        shown, _ = await at.asks(at.bob, "/find cake", count=2)
        assert shown.file_unique_id == message.file_unique_id


async def test_what_was_deleted_is_forgotten_unless_nothing_of_the_past_is_shown(
    tmp_path: Path,
) -> None:
    world = TelegramWorld()
    async with scene(tmp_path, world=world) as at:
        gone, there = unseen(at, "cake", 1), unseen(at, "cake", 2)
        export = export_of(at.family, gone, there)
        await imported(at.memory, export.write(tmp_path / "export"))
        world.delete(gone)
        shown, _ = await at.asks(at.bob, "/find cake", count=2)
        assert f"/{there.id}" in str(shown.entities)
        assert [stored.post.message for stored in await remembered(at)] == [str(there.id)]
    hidden = TelegramWorld()
    async with scene(tmp_path / "hidden", world=hidden) as at:
        old = unseen(at, "cake", 1)
        await imported(at.memory, export_of(at.family, old).write(tmp_path / "export2"))
        at.family.hidden_before = old.id + 1
        shown, _ = await at.asks(at.bob, "/find cake", count=2)
        assert shown.kind == "photo"
        assert await at.remembered() == 1


async def test_probes_are_few(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        messages = [unseen(at, "cake", n) for n in range(9)]
        export = export_of(at.family, *messages)
        await imported(at.memory, export.write(tmp_path / "export"))
        at.family.hidden_before = messages[-1].id + 1
        await at.asks(at.bob, "/find cake", count=4)
        asked = len(at.world.called("editMessageReplyMarkup"))
        await at.asks(at.bob, "/find cake", count=4)
        more = len(at.world.called("editMessageReplyMarkup")) - asked
        assert more == 3 < asked <= 3 * (1 + past.PROBES)
