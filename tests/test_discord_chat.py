"""What people ask of the bot in Discord, and what it shows to whom."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
from hypothesis import given
from hypothesis import strategies as st
from simcord.backend.models import Overwrite
from simcord.enums import OverwriteType

from adapters.discord import dates, interaction_language, text
from adapters.discord.chat import DiscordSettings, Session
from adapters.discord.client import Client
from adapters.discord.places import person_id
from adapters.trouble import Trouble
from bot import clip
from bot.errors import StoreError
from tests.discord import CDN, Scene, Shown, scene
from tests.pictures import photo
from tests.test_indexing import ColourEncoder


async def cakes(
    at: Scene, number: int, where: simcord.ChannelHandle | None = None, words: str = "cake"
) -> list[int]:
    """Photos that only their age tells apart: ids of their attachments, newest first."""
    found: list[int] = []
    for n in range(number):
        message = await at.post(at.ann, words, photo(n), where=where)
        found.insert(0, message.attachments[0].id)
    return found


async def press(at: Scene, who: simcord.MemberActor, result: Any, label: str) -> Any:
    """Press a button under the answer to something."""
    message = result.followups[-1] if result.followups else result.response
    return await who.click(message, custom_id=Shown.of(message).buttons[label])


def last(result: Any) -> Shown:
    """What a press brought."""
    return Shown.of(result.followups[-1])


# --- filters as people type them


async def test_typed_filters_narrow_an_answer_and_tell_nothing_of_elsewhere(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        kitchen, secret = at.channel("🍳┃kitchen"), at.channel("secret", at.eve)
        (anns,) = await cakes(at, 1)
        (there,) = await cakes(at, 1, kitchen)
        (hidden,) = await cakes(at, 1, secret)
        message = await at.post(at.bob, "cake with a candle", photo(9))
        bobs = message.attachments[0].id
        assert (await at.find(at.ann, "cake from:bob")).attachments == [bobs]
        assert (await at.find(at.ann, f"cake from:{at.bob.mention}")).attachments == [bobs]
        assert (await at.find(at.ann, "cake -candle from:ann")).attachments == [there, anns]
        assert (await at.find(at.ann, "in:#kitchen")).attachments == [there]
        assert (await at.find(at.ann, f"cake in:<#{kitchen.id}>")).attachments == [there]
        assert (await at.find(at.ann, '"a candle"')).attachments == [bobs]
        both: dict[str, Any] = {"from": at.bob}
        assert (await at.find(at.ann, "from:ann", **both)).attachments == []
        assert (await at.find(at.ann, "cake before:2020")).attachments == []
        lately = await at.find(at.ann, "cake since 2020")
        assert len(lately.attachments) == 3
        assert "“since 2020” is read as a date" in lately.text
        nobody = await at.find(at.ann, "cake in:#secret from:carl")
        assert hidden not in nobody.attachments
        assert "a place called “\\#secret”" in nobody.text
        assert "anybody called “carl”" in nobody.text
        mine = await at.find(at.ann, "cake in:#secret", private=True)
        assert mine.attachments == [hidden]
        result = await at.bob.slash(at.general, "find", words="from:ann")
        similar = await press(at, at.bob, result, "Similar to 1")
        assert similar.followups


# --- answers


async def test_find_shows_the_originals_in_a_gallery_with_who_when_and_where(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        ids = await cakes(at, 5)
        uploads = len(at.env.backend.cdn._blobs)
        result = await at.bob.slash(at.general, "find", words="cake")
        shown = Shown.of(result.response)
        assert not result.ephemeral
        assert shown.attachments == ids[:3]
        assert len(at.env.backend.cdn._blobs) == uploads, "nothing is uploaded again"
        assert shown.texts[0].startswith("3 photos for “cake”")
        assert shown.texts[1].count("**ann**") == 3
        links = re.findall(r"\[original\]\((\S+)\)", shown.text)
        assert len(links) == 3
        assert f"https://discord.com/channels/{at.guild.id}/{at.general.id}/" in links[0]
        assert "fits well · caption" in shown.text
        assert list(shown.buttons) == ["Similar to 1", "Similar to 2", "Similar to 3", "More"]
        first, *_ = [call for call in at.env.http_requests if "interactions" in call.path]
        assert first.json == {"type": 5}, "deferred before anything else"


async def test_more_goes_on_in_order_and_after_a_restart(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        ids = await cakes(at, 8)
        result = await at.bob.slash(at.general, "find", words="cake")
        more = await press(at, at.eve, result, "More")
        assert last(more).attachments == ids[3:6]
        client = Client(True, Trouble("Discord"))
        async with Session(at.memory, DiscordSettings("token", CDN), client):
            await at.env.restart_bot(client)
            rest = await press(at, at.bob, more, "More")
            assert last(rest).attachments == ids[6:]
            assert "More" not in last(rest).buttons


async def test_a_private_answer_is_shared_with_the_room_as_far_as_it_may_see(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        secret = at.channel("secret", at.eve)
        (hidden,) = await cakes(at, 1, secret)
        (open_,) = await cakes(at, 1)
        result = await at.bob.slash(at.general, "find", words="cake", private=True)
        assert result.ephemeral
        assert Shown.of(result.response).attachments == [open_, hidden]
        shared = await press(at, at.bob, result, "Share")
        assert last(shared).attachments == [open_]
        assert not shared.followups[-1].ephemeral
        assert last(shared).text.startswith(f"{at.bob.mention} shares:")
        assert "Share" not in last(shared).buttons


async def test_what_nobody_else_may_see_is_not_shared(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await cakes(at, 1, at.channel("secret", at.eve))
        result = await at.bob.slash(at.general, "find", words="cake", private=True)
        shared = await press(at, at.bob, result, "Share")
        assert shared.followups[-1].ephemeral
        assert "may be shown to everybody here" in last(shared).text


async def test_answers_follow_permissions_as_they_are_when_a_button_is_pressed(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        kitchen = at.channel("kitchen")
        ids = await cakes(at, 4, kitchen)
        public = await at.bob.slash(at.general, "find", words="cake")
        assert Shown.of(public.response).attachments == ids[:3]
        private = await at.eve.slash(at.general, "find", words="cake", private=True)
        deny = discord.Permissions(view_channel=True).value
        at.env.backend.set_overwrite(
            kitchen.id, Overwrite(at.eve.id, OverwriteType.MEMBER, deny=deny)
        )
        await at.env.settle()
        for who, answer in ((at.bob, public), (at.eve, private)):
            for label in ("More", "Similar to 1"):
                pressed = await press(at, who, answer, label)
                assert last(pressed).pictures == []
                assert pressed.followups[-1].ephemeral


async def test_a_public_answer_says_that_a_private_one_may_hold_more(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await cakes(at, 1, at.channel("secret", at.eve))
        shown = await at.find(at.bob, "cake")
        assert shown.pictures == []
        assert "There is no such photo that may be shown here" in shown.text
        assert "`private`" in shown.text


async def test_private_threads_are_for_their_members(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        thread = await at.thread(at.general, at.bob, private=True)
        at.env.backend.add_thread_member(thread.id, at.env.backend.bot_user.id)
        message = await at.post(at.bob, "cake", where=thread)
        key = message.attachments[0].id
        assert (await at.find(at.bob, "cake", private=True)).attachments == [key]
        assert (await at.find(at.eve, "cake", private=True)).attachments == []
        assert (await at.find(at.bob, "cake")).attachments == []
        assert (await at.find(at.bob, "cake", where=thread)).attachments == [key]


async def test_what_was_deleted_unheard_is_forgotten_and_the_next_takes_its_place(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        ids = await cakes(at, 5)
        messages = at.env.backend.messages[at.general.id]
        newest, _, third = [m for m in reversed(messages.values()) if m.attachments][:3]
        del messages[newest.id]
        third.attachments = []
        shown = await at.find(at.bob, "cake")
        assert shown.attachments == [ids[1], ids[3], ids[4]]
        assert [int(photo.ref.key) for photo in await at.remembered()] == [ids[4], ids[3], ids[1]]


async def test_what_discord_does_not_give_out_now_is_not_forgotten(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await cakes(at, 1)
        at.env.inject_error("GET", "/channels/*/messages/*", status=403, code=50001)
        shown = await at.find(at.bob, "cake")
        assert "no longer there" in shown.text
        assert len(await at.remembered()) == 1


async def test_spoilers_stay_spoilers(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.post(at.ann, "cake", name="a.jpg")
        await at.post(at.ann, "cake", name="SPOILER_a.jpg")
        assert (await at.find(at.bob, "cake")).spoilers == [True, False]


@pytest.mark.parametrize(
    "nasty",
    ["@everyone <@1> <#2> <t:1:R>", "**bold** [a](https://x.de) https://y.de", "`a` ||b|| <:c:1>"],
)
async def test_nothing_can_be_smuggled_in(tmp_path: Path, nasty: str) -> None:
    async with scene(tmp_path) as at:
        await at.post(at.ann, f"cake {nasty}")
        result = await at.bob.slash(at.general, "find", words=f"cake {nasty}")
        shown = Shown.of(result.response)
        assert shown.pictures
        words = re.sub(r"\[original\]\(https://discord\.com\S+\)|<t:\d+:D>", "", shown.text)
        bare = re.sub(r"\\.", "", words)
        assert not re.search(r"[<@`|\[]|https?:", bare), bare
        *_, sent = [c.json for c in at.env.http_requests if "webhooks" in c.path]
        assert sent is not None
        assert sent["allowed_mentions"] == {"parse": []}


@given(st.text())
def test_words_of_others_are_shown_as_they_were_written(words: str) -> None:
    shown = text.plain(words, 50)
    assert not re.search(r"(?<!\\)(?:\\\\)*[!-/:-@\[\]^-`{-~]", re.sub(r"\\[!-~]", "", shown))
    assert "\n" not in shown
    plain = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown).replace(f"@{text.JOINER}", "@")
    assert len(plain) <= 50


# --- questions


async def test_options_narrow_the_search(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        kitchen = at.channel("kitchen")
        thread = await at.thread(kitchen, at.bob)
        by_ann = await at.post(at.ann, "cake")
        by_bob = await at.post(at.bob, "cake", where=kitchen)
        in_thread = await at.post(at.bob, "cake", where=thread)

        async def found(**options: Any) -> list[int]:
            options = {k: v for k, v in options.items() if v is not None}
            return sorted((await at.find(at.eve, "cake", **options)).attachments)

        a, b, c = (m.attachments[0].id for m in (by_ann, by_bob, in_thread))
        assert await found() == [a, b, c]
        assert await found(**{"from": at.bob}) == [b, c]
        assert await found(channel=kitchen) == [b, c]
        assert await found(channel=thread) == [c]
        year = by_ann.created_at.year
        assert await found(after=str(year)) == [a, b, c]
        assert await found(before=str(year)) == []
        assert await found(after=f"{year}-01", before=f"{year + 1}-01-01") == [a, b, c]


async def test_a_date_that_is_none_is_told(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        result = await at.bob.slash(at.general, "find", words="cake", after="last *week*")
        assert result.ephemeral
        assert "last \\*week\\*" in result.response.content  # type: ignore[union-attr]


def test_dates_are_years_months_or_days() -> None:
    assert str(dates.moment_of("2024")) == "2024-01-01 00:00:00+00:00"
    assert str(dates.moment_of(" 2024-5 ")) == "2024-05-01 00:00:00+00:00"
    assert str(dates.moment_of("2024-05-17")) == "2024-05-17 00:00:00+00:00"
    for wrong in ("", "24", "2024-13", "2024-02-30", "0000", "yesterday"):
        assert dates.moment_of(wrong) is None


async def test_own_questions_and_dates_are_offered_while_typing(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await cakes(at, 1)
        for words in ("cake", "Käse cake", "cake at night"):
            await at.find(at.bob, words)
        offered = await at.bob.autocomplete(at.general, "find", "words", "CAKE")
        assert [choice["value"] for choice in offered] == ["cake at night", "cake"]
        assert await at.eve.autocomplete(at.general, "find", "words", "") == []
        offered = await at.bob.autocomplete(at.general, "find", "after", "2024-0")
        assert [choice["value"] for choice in offered][:2] == ["2024-09", "2024-08"]


async def test_help_and_stats_are_for_the_asker_alone(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await cakes(at, 2)
        for command, words in (("help", "Forget this"), ("stats", "**2 photos**")):
            result = await at.bob.slash(at.general, command)
            assert result.ephemeral
            assert words in result.response.content  # type: ignore[union-attr]


async def test_similar_by_image_by_message_and_by_button(
    tmp_path: Path, encoder: clip.ClipEncoder
) -> None:
    async with scene(tmp_path, encoder) as at:
        messages = [await at.post(at.ann, f"n{n}", photo(n)) for n in range(6)]
        ids = [message.attachments[0].id for message in messages]
        await at.indexed()
        upload = simcord_file(photo(2))
        by_image = await at.bob.slash(at.general, "similar", image=upload)
        assert Shown.of(by_image.response).attachments[0] == ids[2]
        by_message = await at.bob.context_menu(at.general, "Find similar", messages[2])
        assert by_message.ephemeral
        shown = Shown.of(by_message.response)
        assert len(shown.attachments) == 3
        assert ids[2] not in shown.attachments, "the photo itself is no answer"
        pressed = await press(at, at.bob, by_message, "Similar to 1")
        assert shown.attachments[0] not in last(pressed).attachments
        text_file = ("a.txt", b"words")
        refused = await at.bob.slash(at.general, "similar", image=text_file)
        assert refused.response.content == text.NOT_AN_IMAGE  # type: ignore[union-attr]
        assert len(await at.remembered()) == 6, "questions are not kept"


def simcord_file(data: bytes) -> tuple[str, bytes]:
    return ("question.jpg", data)


# --- forgetting


async def test_who_posted_a_photo_or_a_moderator_can_have_it_forgotten(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        mods = at.guild.create_role("mods", permissions=discord.Permissions(manage_messages=True))
        mod = at.guild.add_member(at.env.create_user("mod"), roles=[mods])
        first, second = [await at.post(at.bob, "cake", photo(n)) for n in range(2)]

        async def said(who: simcord.MemberActor, message: discord.Message) -> str:
            result = await who.context_menu(at.general, "Forget this", message)
            assert result.ephemeral
            return str(result.response.content)  # type: ignore[union-attr]

        assert await said(at.eve, first) == text.NOT_YOURS
        assert len(await at.remembered()) == 2
        assert await said(at.bob, first) == text.FORGOTTEN
        assert await said(mod, second) == text.FORGOTTEN
        assert await said(mod, second) == text.NOT_KNOWN
        assert await at.remembered() == []
        again = await at.eve.context_menu(at.general, "Remember this", first)
        assert again.response.content == text.STAYS_FORGOTTEN  # type: ignore[union-attr]


async def test_a_photo_of_an_answer_is_forgotten_by_its_number(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        by_ann = await at.post(at.ann, "cake")
        await at.post(at.bob, "cake")
        answer = (await at.eve.slash(at.general, "find", words="cake")).response
        assert answer is not None
        offer = await at.bob.context_menu(at.general, "Forget this", answer)
        assert list(Shown.of(offer.response).buttons) == ["Forget 1"]
        forgotten = await press(at, at.bob, offer, "Forget 1")
        assert last(forgotten).text == text.FORGOTTEN
        (left,) = await at.remembered()
        assert left.post.message == str(by_ann.id)
        refused = await at.eve.context_menu(at.general, "Forget this", answer)
        assert refused.response.content == text.NOT_YOURS  # type: ignore[union-attr]


async def test_an_admin_makes_it_forget_everything(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await cakes(at, 3)
        refused = await at.bob.slash(at.general, "forget", everything=True)
        assert refused.response.content == text.ADMINS_ONLY  # type: ignore[union-attr]
        asked = await at.ann.slash(at.general, "forget", everything=True)
        assert "3 photos" in Shown.of(asked.response).text
        await press(at, at.ann, asked, "Keep")
        assert len(await at.remembered()) == 3
        asked = await at.ann.slash(at.general, "forget", everything=True)
        await press(at, at.ann, asked, "Forget everything")
        assert await at.remembered() == []
        how = await at.bob.slash(at.general, "forget")
        assert how.response.content == text.FORGET_HOW  # type: ignore[union-attr]
        await cakes(at, 1)
        assert len(await at.remembered()) == 1


async def test_somebody_makes_it_forget_all_of_theirs(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await cakes(at, 3)
        asked = await at.bob.slash(at.general, "forget", me=True)
        assert "0 photos" in Shown.of(asked.response).text
        await press(at, at.bob, asked, "Forget it all")
        assert len(await at.remembered()) == 3, "only what is theirs goes"
        asked = await at.ann.slash(at.general, "forget", me=True)
        assert asked.response.flags.ephemeral  # type: ignore[union-attr]
        assert "3 photos" in Shown.of(asked.response).text
        await press(at, at.ann, asked, "Keep")
        assert len(await at.remembered()) == 3
        asked = await at.ann.slash(at.general, "forget", me=True)
        await press(at, at.ann, asked, "Forget it all")
        assert await at.remembered() == []


async def test_who_opts_out_is_never_remembered(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        said = await at.ann.slash(at.general, "optout")
        assert "remember nothing that you post" in said.response.content  # type: ignore[union-attr]
        assert said.response.flags.ephemeral  # type: ignore[union-attr]
        await cakes(at, 2)
        assert await at.remembered() == []
        await at.ann.slash(at.general, "optin")
        await cakes(at, 1)
        assert len(await at.remembered()) == 1


async def test_when_the_memory_is_in_trouble_the_asker_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path) as at:

        async def broken(group: str) -> frozenset[str]:
            raise StoreError("the disk is full")

        monkeypatch.setattr(at.store, "channels", broken)
        result = await at.bob.slash(at.general, "find", words="cake")
        assert text.WENT_WRONG in [m.content for m in (result.response, *result.followups) if m]
        assert "the disk is full" in caplog.text


async def test_when_the_memory_does_not_answer_the_asker_is_told_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interaction_language, "PATIENCE_SECONDS", 0.05)
    async with scene(tmp_path) as at:
        away = asyncio.Event()

        async def waits(group: str, name: str) -> str | None:
            await away.wait()
            raise StoreError("no answer in time")

        async def broken(group: str) -> frozenset[str]:
            away.set()
            raise StoreError("no answer in time")

        monkeypatch.setattr(at.store.groups, "note", waits)
        monkeypatch.setattr(at.store, "channels", broken)
        result = await at.bob.slash(at.general, "find", words="cake")
        assert text.WENT_WRONG in [m.content for m in (result.response, *result.followups) if m]


async def test_people_are_known_by_their_id_not_their_name(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.post(at.bob, "cake")
        (stored,) = await at.remembered()
        assert stored.post.author == person_id(at.bob.id)
        twin = at.guild.add_member(at.env.create_user("bob"))
        options: dict[str, Any] = {"from": twin}
        assert (await at.find(at.eve, "cake", **options)).pictures == []


# --- nothing fits


async def test_where_nothing_fits_the_nearest_waits_behind_a_button(tmp_path: Path) -> None:
    async with scene(tmp_path, ColourEncoder()) as at:
        ids = await cakes(at, 3)
        await at.indexed()
        result = await at.bob.slash(at.general, "find", words="goose")
        shown = Shown.of(result.response)
        assert shown.texts[0].startswith("Nothing in this group looks like “goose”")
        assert shown.attachments == []
        assert shown.buttons == {"Show the nearest": "more:1:0"}
        nearest = await press(at, at.eve, result, "Show the nearest")
        assert last(nearest).texts[0].startswith("The nearest to “goose”")
        assert len(last(nearest).attachments) == 1
        assert list(last(nearest).buttons) == ["Similar", "More"]
        rest = await press(at, at.eve, nearest, "More")
        assert sorted(last(nearest).attachments + last(rest).attachments) == sorted(ids)
