"""Replies, names and *Which is it?* in Discord."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import simcord

from adapters.discord import text
from adapters.discord.reading import PAGE
from bot import clip
from bot.answers import Share, Verdict
from bot.photos import Group, Name
from storage.rows import rows
from tests.discord import Scene, Shown, scene
from tests.pictures import photo


async def said(at: Scene) -> list[str]:
    async with at.store._db.read() as db:
        return [words for (words,) in await rows(db, "SELECT text FROM replies ORDER BY id")]


async def fill(at: Scene, menu: str, target: Any, line: str, who: Any = None) -> str:
    """Open a menu's modal, type a line, send it; what is answered."""
    who = who or at.bob
    shown = await who.context_menu(at.general, menu, target)
    result = await who.submit_modal(shown, {"line": line})
    assert result.ephemeral
    return Shown.of(result.response).text.replace("\\", "")


async def listed(at: Scene, who: simcord.MemberActor) -> str:
    result = await who.slash(at.general, "names")
    assert result.ephemeral
    return Shown.of(result.response).text


# --- replies


async def test_what_is_said_in_reply_to_a_photo_finds_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = await at.post(at.ann)
        reply = await at.bob.send(at.general, "Aunt Mary's marathon!", reply_to=posted)
        await at.eve.send(at.general, "marathon, but no reply")
        await at.eve.send(at.general, "a marathon, to a reply", reply_to=reply)
        await at.post(at.eve, "a photo is a post of its own")
        robot = at.guild.add_member(at.env.create_user("robot", bot=True))
        await robot.send(at.general, "marathon stored", reply_to=posted)
        assert await said(at) == ["aunt mary's marathon!"]
        shown = await at.find(at.eve, "mary")
        assert shown.attachments == [posted.attachments[0].id]
        assert "said about it" in shown.text


async def test_edits_and_deletes_of_replies_are_followed(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = await at.post(at.ann)
        first = await at.bob.send(at.general, "marathon", reply_to=posted)
        second = await at.bob.send(at.general, "so fast", reply_to=posted)
        await at.bob.edit(first, "a triathlon")
        assert await said(at) == ["a triathlon", "so fast"]
        await at.bob.delete(first)
        assert await said(at) == ["so fast"]
        await at.ann.delete(posted)
        assert await said(at) == []
        await at.bob.edit(second, "very fast")
        assert await said(at) == []


async def test_what_somebody_said_goes_with_all_of_theirs(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = await at.post(at.ann)
        reply = await at.bob.send(at.general, "marathon of bob", reply_to=posted)
        await at.eve.send(at.general, "marathon of eve", reply_to=posted)
        asked = await at.bob.slash(at.general, "forget", me=True)
        assert asked.response is not None
        await at.bob.click(asked.response, custom_id="mine:yes")
        assert await said(at) == ["marathon of eve"]
        await at.bob.edit(reply, "marathon once more")
        assert await said(at) == ["marathon of eve"], "an edit can't bring it back"


async def test_a_reply_stays_within_the_audience_of_its_photo(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        secret = at.channel("secret", at.eve)
        posted = await at.post(at.ann, where=secret)
        await at.bob.send(secret, "the marathon", reply_to=posted)
        assert (await at.find(at.eve, "marathon")).attachments == []
        assert (await at.find(at.eve, "marathon", private=True)).attachments == []
        assert (await at.find(at.bob, "marathon", private=True)).attachments != []


async def test_history_reads_photos_before_what_was_said_about_them(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = await at.post(at.ann)
        await at.bob.send(at.general, "marathon", reply_to=posted)
        for n in range(PAGE):
            await at.eve.send(at.general, f"chatter {n}")
        await at.bob.send(at.general, "half a marathon", reply_to=posted)
        await at.memory.groups.erase(at.group)
        await at.memory.groups.meet(Group(at.group, "Family"))
        source = at.session._client.get_channel(at.general.id)
        assert isinstance(source, discord.TextChannel)
        page = await at.session._reader.older(source, None)
        assert (page.messages, page.photos) == (PAGE, 1), "the photo comes with what is said of it"
        assert await said(at) == ["half a marathon"]
        page = await at.session._reader.older(source, page.first)
        assert page.photos == 0
        assert await said(at) == ["half a marathon", "marathon"]
        page = await at.session._reader.newer(source, posted.id - 1)
        assert await said(at) == ["half a marathon", "marathon"], (
            "taking it in again changes nothing"
        )


# --- names


async def test_names_are_given_listed_found_and_taken_away(
    tmp_path: Path, encoder: clip.ClipEncoder
) -> None:
    async with scene(tmp_path, encoder) as at:
        posted = await at.post(at.ann, "", photo(1))
        for n in range(2, 5):
            await at.post(at.ann, "", photo(n))
        words = await at.bob.send(at.general, "no photo")
        await at.indexed()
        assert text.NO_NAMES in await listed(at, at.bob)
        refused = await at.bob.context_menu(at.general, "Name this…", words)
        assert Shown.of(refused.response).text == text.NOT_KNOWN
        assert "word of its own" in await fill(at, "Name this…", posted, "the")
        assert "one example" in await fill(at, "Name this…", posted, "the @Goose **x**")
        await at.bob.slash(at.general, "unname", name="the @goose **x**")
        assert "one example" in await fill(at, "Name this…", posted, "The Goose")
        result = await at.eve.slash(at.general, "find", words="the goose")
        shown = Shown.of(result.response)
        assert shown.attachments[0] == posted.attachments[0].id
        assert "name\\: The Goose" in shown.text
        assert "The Goose: 1 photo" in await listed(at, at.eve)
        assert "one example" in await fill(at, "Name this…", result.response, "goose", at.eve)
        refused = await at.eve.slash(at.general, "unname", name="goose")
        assert "Only who gave a name" in Shown.of(refused.response).text
        gone = await at.ann.slash(at.general, "unname", name="goose")
        assert "no longer a name" in Shown.of(gone.response).text, "she may manage the server"
        assert text.NO_NAMES in await listed(at, at.bob)


async def test_examples_count_for_those_only_who_may_see_them(
    tmp_path: Path, encoder: clip.ClipEncoder
) -> None:
    async with scene(tmp_path, encoder) as at:
        secret = at.channel("secret", at.eve)
        hidden = await at.post(at.ann, "", photo(1), where=secret)
        same = await at.post(at.ann, "", photo(1))
        for n in range(2, 6):
            await at.post(at.ann, "", photo(n))
        await at.indexed()
        shown = await at.bob.context_menu(secret, "Name this…", hidden)
        await at.bob.submit_modal(shown, {"line": "Goose"})
        assert "Goose" not in await listed(at, at.eve)
        assert "Goose: 1 photo" in await listed(at, at.bob)
        found = await at.find(at.eve, "goose")
        assert "name" not in found.text
        assert "name" not in (await at.find(at.bob, "goose")).text, "everybody sees that answer"
        private = await at.find(at.bob, "goose", private=True)
        assert "name\\: Goose" in private.text
        assert hidden.attachments[0].id in private.attachments + same_ids(same)
        refused = await at.eve.slash(at.general, "unname", name="goose")
        assert "no such name" in Shown.of(refused.response).text


def same_ids(message: Any) -> list[int]:
    return [attachment.id for attachment in message.attachments]


# --- which


async def test_which_says_what_a_photo_shows_in_words_and_bars(
    tmp_path: Path, encoder: clip.ClipEncoder
) -> None:
    async with scene(tmp_path, encoder) as at:
        posted = await at.post(at.ann, "a circle", photo(1))
        words = await at.bob.send(at.general, "no photo")
        await at.indexed()
        found = await fill(at, "Which is it?", posted, "cat, **dog** or cake")
        assert found.count(" %") == 3
        assert found.count("█") + found.count("░") >= 27
        assert "2 to 10 options" in await fill(at, "Which is it?", posted, "cat")
        refused = await at.bob.context_menu(at.general, "Which is it?", words)
        assert Shown.of(refused.response).text == text.NOTHING_HERE
        answer = (await at.bob.slash(at.general, "find", words="circle")).response
        assert (await fill(at, "Which is it?", answer, "cat, dog")).count(" %") == 2
        given = await at.bob.slash(
            at.general, "which", image=("x.jpg", photo(3)), options="cat or dog", private=True
        )
        assert given.ephemeral
        assert Shown.of(given.response).text.count(" %") == 2
        assert len(await at.remembered()) == 1, "a question is not kept"


async def test_without_a_model_which_says_so(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        posted = await at.post(at.ann)
        assert "Without a model" in await fill(at, "Which is it?", posted, "cat, dog")


async def test_without_the_intent_menus_work_all_the_same(
    tmp_path: Path, encoder: clip.ClipEncoder
) -> None:
    async with scene(tmp_path, encoder, sees_content=False) as at:
        posted = await at.post(at.ann, "", photo(1))
        await at.bob.context_menu(at.general, "Remember this", posted)
        await at.bob.send(at.general, "marathon", reply_to=posted)
        assert await said(at) == [], "nothing is heard"
        await at.indexed()
        assert "one example" in await fill(at, "Name this…", posted, "goose")
        assert (await fill(at, "Which is it?", posted, "cat, dog")).count(" %") == 2


def test_what_people_typed_is_harmless_in_lists_and_verdicts() -> None:
    names = text.names([Name("**x** @everyone <@1> " + "y" * 20, 1)] * 100)
    assert len(names) < 2000
    assert "@everyone" not in names
    verdict = text.verdict(Verdict("That is *x*", (Share("`y` @here" * 10, 0.5),) * 10, "z"))
    assert len(verdict) < 2000
    assert "@here" not in verdict
