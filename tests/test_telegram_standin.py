"""The stand-in for Telegram refuses and delays what the real one does, for the real client."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiohttp import web
from PIL import Image
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeAllGroupChats,
    ChatMemberLeft,
    ChatMemberOwner,
    ChatMemberRestricted,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InlineQueryResultCachedDocument,
    InlineQueryResultCachedPhoto,
    InputMediaDocument,
    InputMediaPhoto,
    ReplyParameters,
    Update,
)
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
)

from tests.standins.telegram import Chat, Message, TelegramWorld, User


def picture(width: int = 400, height: int = 300, colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


SMALL = picture()


@asynccontextmanager
async def client(url: str, token: str = "123456:test-token") -> AsyncIterator[Bot]:
    async with Bot(token, base_url=f"{url}/bot", base_file_url=f"{url}/file/bot") as bot:
        yield bot


@dataclass
class Scene:
    world: TelegramWorld
    url: str
    bot: Bot
    ann: User
    group: Chat
    offset: int = 0
    seen: list[Update] = field(default_factory=list)

    async def updates(self, timeout: int = 0) -> Sequence[Update]:
        """What is new, confirmed with the next call."""
        found = await self.bot.get_updates(offset=self.offset, timeout=timeout)
        if found:
            self.offset = found[-1].update_id + 1
        return found


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    world = TelegramWorld()
    ann = world.user("Ann")
    group = world.group("Family", members=[ann])
    world.add_bot(group, by=ann)
    world.pending.clear()
    async with world.serving() as url, client(url) as bot:
        yield Scene(world, url, bot, ann, group)


async def refused(call: object, words: str) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        await call  # type: ignore[misc]
    assert words.lower() in str(caught.value).lower()
    return caught.value


def buttons(data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton("More", callback_data=data)]])


# --- tokens and updates


async def test_the_bot_learns_who_it_is(scene: Scene) -> None:
    me = await scene.bot.get_me()
    assert (me.username, me.is_bot, me.can_read_all_group_messages) == ("shoebox_bot", True, True)
    scene.world.privacy = True
    assert not (await scene.bot.get_me()).can_read_all_group_messages


async def test_tokens_are_checked(scene: Scene) -> None:
    for token in ("123456:other-token", "nonsense"):
        with pytest.raises(InvalidToken):
            async with client(scene.url, token):
                pass
    scene.world.revoke()
    with pytest.raises(InvalidToken):
        await scene.bot.get_me()
    scene.world.restore()
    await scene.bot.get_me()


async def test_a_poll_is_held_until_something_is_posted(scene: Scene) -> None:
    poll = asyncio.create_task(scene.updates(timeout=20))
    await asyncio.sleep(0.2)
    assert not poll.done()
    scene.world.post_photo(scene.group, scene.ann, SMALL, "cake")
    started = time.monotonic()
    (update,) = await poll
    assert time.monotonic() - started < 1
    assert update.message
    assert update.message.caption == "cake"
    assert update.message.from_user
    assert update.message.from_user.first_name == "Ann"


async def test_updates_come_again_until_they_are_confirmed(scene: Scene) -> None:
    for n in range(3):
        scene.world.say(scene.group, scene.ann, f"number {n}")
    first = await scene.bot.get_updates(limit=2)
    again = await scene.bot.get_updates()
    assert [u.update_id for u in first] == [u.update_id for u in again][:2]
    (rest,) = await scene.bot.get_updates(offset=first[-1].update_id + 1)
    assert rest.message
    assert rest.message.text == "number 2"
    assert not await scene.bot.get_updates(offset=rest.update_id + 1)
    await scene.world.idle()


async def test_a_second_poll_ends_the_first(scene: Scene) -> None:
    first = asyncio.create_task(scene.bot.get_updates(timeout=20))
    await asyncio.sleep(0.1)
    async with client(scene.url) as other:
        second = asyncio.create_task(other.get_updates(timeout=20))
        with pytest.raises(Conflict, match="only one bot instance"):
            await first
        scene.world.say(scene.group, scene.ann, "hi")
        assert len(await second) == 1


async def test_kinds_of_updates_are_asked_for(scene: Scene) -> None:
    bob = scene.world.user("Bob")
    scene.world.promote_bot(scene.group, scene.ann)
    scene.world.join(scene.group, bob)
    kinds = [u.effective_message is not None for u in await scene.updates()]
    assert kinds == [False, True]  # my_chat_member, and the service message
    await scene.bot.get_updates(offset=scene.offset, allowed_updates=["chat_member"])
    scene.world.say(scene.group, bob, "not asked for")
    scene.world.leave(scene.group, bob)
    (update,) = await scene.updates()
    assert update.chat_member
    assert update.chat_member.new_chat_member.status == "left"


async def test_it_can_be_stopped_and_served_again() -> None:
    world = TelegramWorld()
    ann = world.user("Ann")
    async with world.serving() as url, client(url) as bot:
        pass
    port = int(url.rpartition(":")[2])
    async with world.serving(port):
        poll = asyncio.create_task(_updates_of(url))
        await asyncio.sleep(0.2)
    with pytest.raises(NetworkError):
        await poll
    world.say(world.private(ann), ann, "hi")
    async with world.serving(port), client(url) as bot:
        assert len(await bot.get_updates()) == 1


async def _updates_of(url: str) -> None:
    async with client(url) as bot:
        await bot.get_updates(timeout=20)


# --- photos and files


async def test_a_photo_has_sizes_that_can_be_fetched(scene: Scene) -> None:
    posted = scene.world.post_photo(scene.group, scene.ann, picture(1600, 1200))
    (update,) = await scene.updates()
    assert update.message
    sizes = update.message.photo
    assert [(s.width, s.height) for s in sizes] == [(90, 68), (320, 240), (800, 600), (1280, 960)]
    assert len({s.file_unique_id for s in sizes} | {s.file_id for s in sizes}) == 8
    data = await (await scene.bot.get_file(sizes[2])).download_as_bytearray()
    assert len(data) == sizes[2].file_size
    assert Image.open(io.BytesIO(data)).size == (800, 600)
    assert scene.world.downloads == [(sizes[2].file_unique_id, "x", 800)]
    assert [s["width"] for s in scene.world.post_photo(scene.group, scene.ann, SMALL).photo] == [
        90,
        320,
        400,
    ]
    sent = await scene.bot.send_photo(scene.group.id, sizes[0].file_id)
    assert [s.file_unique_id for s in sent.photo] == [s.file_unique_id for s in sizes]
    (message,) = await scene.world.bot_sends(scene.group)
    assert message.file_unique_id == posted.file_unique_id
    assert message.file_id != posted.file_id


async def test_an_album_comes_as_separate_updates(scene: Scene) -> None:
    scene.world.post_album(scene.group, scene.ann, [SMALL, SMALL, SMALL], "cake", caption_on=1)
    messages = [update.message for update in await scene.updates()]
    assert len({m.media_group_id for m in messages if m}) == 1
    assert [m.caption for m in messages if m] == [None, "cake", None]


async def test_files_are_known_by_ids_of_their_kind(scene: Scene) -> None:
    world, bot, group = scene.world, scene.bot, scene.group
    photo = world.post_photo(group, scene.ann, SMALL)
    document = world.post_document(group, scene.ann, SMALL, "a.png", "image/png", thumbnail=SMALL)
    await bot.send_document(group.id, document.file_id)
    await refused(bot.send_photo(group.id, document.file_id), "type of file mismatch")
    await refused(bot.send_photo(group.id, "AgACnonsense"), "wrong file identifier")
    await refused(bot.get_file("AgACnonsense"), "temporarily unavailable")
    world.expire_file(photo)
    await refused(bot.send_photo(group.id, photo.file_id), "wrong file identifier")
    await refused(bot.get_file(photo.photo[0]["file_id"]), "temporarily unavailable")
    large = world.post_document(group, scene.ann, b"x", "b", "image/jpeg", claimed_size=30_000_000)
    await refused(bot.get_file(large.file_id), "file is too big")
    assert (await bot.send_photo(group.id, SMALL)).photo[-1].width == 400
    await refused(bot.send_photo(group.id, b"no image"), "IMAGE_PROCESS_FAILED")


async def test_downloads_can_end_in_the_middle(scene: Scene) -> None:
    posted = scene.world.post_photo(scene.group, scene.ann, picture(1280, 960))
    file = await scene.bot.get_file(posted.file_id)
    scene.world.drip = 1
    with pytest.raises(NetworkError):
        await file.download_as_bytearray()
    assert await file.download_as_bytearray()


# --- sending


async def test_albums_of_the_bot_have_limits(scene: Scene) -> None:
    world, bot, group = scene.world, scene.bot, scene.group
    file = world.post_photo(group, scene.ann, SMALL).file_id
    document = world.post_document(group, scene.ann, b"x", "b.png", "image/png").file_id
    photo = InputMediaPhoto(file, caption="<b>1.</b> Ann", parse_mode="HTML", has_spoiler=True)
    sent = await bot.send_media_group(group.id, [photo, InputMediaPhoto(SMALL)])
    assert sent[0].media_group_id == sent[1].media_group_id is not None
    first, second = await world.bot_sends(group, 2)
    assert (first.caption, first.has_spoiler, second.caption) == ("1. Ann", True, "")
    assert first.entity_texts("bold") == ["1."]
    for count in (1, 11):
        await refused(bot.send_media_group(group.id, [photo] * count), "album")
    mixed: list[InputMediaPhoto | InputMediaDocument] = [photo, InputMediaDocument(document)]
    await refused(bot.send_media_group(group.id, mixed), "can't be mixed")
    wrong = [photo, InputMediaPhoto("AgACnonsense")]
    await refused(bot.send_media_group(group.id, wrong), "wrong file identifier")
    assert len(group.by_bot) == 2


async def test_lengths_are_counted_after_markup_in_utf_16(scene: Scene) -> None:
    bot, group = scene.bot, scene.group
    file = scene.world.post_photo(group, scene.ann, SMALL).file_id
    await bot.send_photo(group.id, file, f"<b>{'🎂' * 512}</b>", parse_mode="HTML")
    await refused(bot.send_photo(group.id, file, "🎂" * 512 + "x"), "caption is too long")
    await bot.send_message(group.id, "x" * 4096)
    await refused(bot.send_message(group.id, "x" * 4097), "message is too long")
    await refused(bot.send_message(group.id, "<b> </b>", parse_mode="HTML"), "text is empty")


@pytest.mark.parametrize(
    "markup",
    ["<b>open", "</b>", "<b><i>x</b></i>", "<h1>x</h1>", "1 < 2", "<3", "<b", "<a href=x", "<br>"],
)
async def test_bad_html_is_refused(scene: Scene, markup: str) -> None:
    sending = scene.bot.send_message(scene.group.id, markup, parse_mode="HTML")
    await refused(sending, "can't parse entities")


async def test_what_can_be_pressed_is_found(scene: Scene) -> None:
    text = (
        "🎂 <b>@bob_b</b> x@y #cake /find@shoebox_bot see example.com, https://a.de/x?y=1. "
        "a@b.org &lt;tag&gt; &#64;ann <code>@none #none x.com</code> <a href='http://x.org'>@no</a>"
    )
    await scene.bot.send_message(scene.group.id, text, parse_mode="HTML")
    (message,) = await scene.world.bot_sends(scene.group)
    assert message.entity_texts("mention") == ["@bob_b", "@ann"]
    assert message.entity_texts("hashtag") == ["#cake"]
    assert message.entity_texts("bot_command") == ["/find@shoebox_bot"]
    assert message.entity_texts("url") == ["example.com", "https://a.de/x?y=1"]
    assert message.entity_texts("email") == ["a@b.org"]
    assert message.entity_texts("text_link") == ["@no"]
    assert message.entities[0] == {"type": "bold", "offset": 3, "length": 6}


async def test_buttons_are_checked_pressed_and_answered(scene: Scene) -> None:
    world, bot, group = scene.world, scene.bot, scene.group
    await bot.send_message(group.id, "x", reply_markup=buttons("a" * 64))
    for data in ("a" * 65, "🎂" * 17):
        await refused(bot.send_message(group.id, "x", reply_markup=buttons(data)), "DATA_INVALID")
    (message,) = await world.bot_sends(group)
    callback = world.press(message, "More", scene.ann)
    (update,) = await scene.updates()
    assert update.callback_query
    assert update.callback_query.data == "a" * 64
    await update.callback_query.answer("Done", show_alert=True)
    assert await callback.answered() == ("Done", True)
    await refused(update.callback_query.answer(), "query is too old")
    world.callback_seconds = 0
    forged = world.press_raw(message, "forged", scene.ann)
    await refused(bot.answer_callback_query(forged.id), "query is too old")


async def test_edits_need_a_message_of_ones_own(scene: Scene) -> None:
    world, bot, group = scene.world, scene.bot, scene.group
    theirs = world.post_photo(group, scene.ann, SMALL)
    mine = await bot.send_message(group.id, "x", reply_markup=buttons("1"))
    await refused(bot.edit_message_reply_markup(group.id, theirs.id), "message can't be edited")
    await bot.edit_message_text("y", group.id, mine.message_id, reply_markup=buttons("1"))
    same = bot.edit_message_reply_markup(group.id, mine.message_id, reply_markup=buttons("1"))
    await refused(same, "message is not modified")
    await bot.edit_message_reply_markup(group.id, mine.message_id)
    assert group.by_bot[0].buttons == []
    assert group.by_bot[0].text == "y"
    world.delete(theirs)
    await refused(bot.edit_message_reply_markup(group.id, theirs.id), "message to edit not found")
    await bot.delete_message(group.id, mine.message_id)
    await refused(bot.delete_message(group.id, mine.message_id), "message to delete not found")


async def test_replies_and_topics_must_be_there(scene: Scene) -> None:
    world, bot = scene.world, scene.bot
    forum = world.group("Club", members=[scene.ann], forum=True, protected=True)
    world.add_bot(forum, scene.ann)
    topic = world.topic(forum, "Kitchen")
    asked = world.say(forum, scene.ann, "/find cake", topic=topic)
    reply = ReplyParameters(asked.id)
    await bot.send_message(forum.id, "x", reply_parameters=reply, message_thread_id=topic.id)
    (message,) = await world.bot_sends(forum)
    assert (message.reply_to, message.message_thread_id) == (asked.id, topic.id)
    assert message.protect_content
    world.delete(asked)
    await refused(
        bot.send_message(forum.id, "x", reply_parameters=reply), "to be replied not found"
    )
    lenient = ReplyParameters(asked.id, allow_sending_without_reply=True)
    await bot.send_message(forum.id, "x", reply_parameters=lenient)
    for thread in (1, 999):
        sending = bot.send_message(forum.id, "x", message_thread_id=thread)
        await refused(sending, "thread not found")


async def test_in_other_groups_threads_of_replies_cannot_be_sent_to(scene: Scene) -> None:
    first = scene.world.say(scene.group, scene.ann, "a")
    second = scene.world.say(scene.group, scene.ann, "b", reply_to=first)
    assert second.message_thread_id == first.id
    sending = scene.bot.send_message(scene.group.id, "x", message_thread_id=first.id)
    await refused(sending, "thread not found")


# --- chats


async def test_a_group_becomes_a_supergroup(scene: Scene) -> None:
    old = scene.world.group("Old", members=[scene.ann], kind="group")
    scene.world.add_bot(old, scene.ann)
    new = scene.world.migrate(old)
    with pytest.raises(ChatMigrated) as caught:
        await scene.bot.send_message(old.id, "x")
    assert caught.value.new_chat_id == new.id
    there, here = [u.message for u in await scene.updates()][-2:]
    assert there
    assert (there.chat.id, there.migrate_to_chat_id) == (old.id, new.id)
    assert here
    assert (here.chat.id, here.migrate_from_chat_id) == (new.id, old.id)
    await scene.bot.send_message(new.id, "x")


async def test_chats_are_closed_to_strangers(scene: Scene) -> None:
    world, bot, group = scene.world, scene.bot, scene.group
    with pytest.raises(Forbidden, match="can't initiate"):
        await bot.send_message(scene.ann.id, "x")
    world.private(scene.ann)
    await bot.send_message(scene.ann.id, "x")
    world.block(scene.ann)
    with pytest.raises(Forbidden, match="blocked"):
        await bot.send_message(scene.ann.id, "x")
    await refused(bot.send_message(4711, "x"), "chat not found")
    world.remove_bot(group, scene.ann)
    with pytest.raises(Forbidden, match="kicked from the supergroup chat"):
        await bot.send_message(group.id, "x")
    world.say(group, scene.ann, "unheard")
    world.add_bot(group, scene.ann)
    await bot.leave_chat(group.id)
    with pytest.raises(Forbidden, match="not a member of the supergroup chat"):
        await bot.get_chat(group.id)
    kinds = [u.my_chat_member is not None for u in await scene.updates()]
    assert kinds == [True, True, True, False, True]


async def test_members_are_told_as_far_as_the_bot_may_know(scene: Scene) -> None:
    world, bot, group = scene.world, scene.bot, scene.group
    bob = world.user("Bob")
    assert isinstance(await bot.get_chat_member(group.id, scene.ann.id), ChatMemberOwner)
    assert isinstance(await bot.get_chat_member(group.id, bob.id), ChatMemberLeft)
    world.restrict(group, bob, is_member=False)
    member = await bot.get_chat_member(group.id, bob.id)
    assert isinstance(member, ChatMemberRestricted)
    assert not member.is_member
    await refused(bot.get_chat_member(group.id, 4711), "PARTICIPANT_ID_INVALID")
    world.members_hidden = True
    await refused(bot.get_chat_member(group.id, scene.ann.id), "inaccessible")
    world.promote_bot(group, scene.ann)
    assert (await bot.get_chat_member(group.id, scene.ann.id)).status == "creator"
    admins = await bot.get_chat_administrators(group.id)
    assert [admin.status for admin in admins] == ["creator", "administrator"]
    group.protected = True
    assert (await bot.get_chat(group.id)).has_protected_content
    assert (await bot.get_chat_member(world.private(bob).id, bob.id)).status == "member"


async def test_privacy_mode_hides_what_is_not_for_the_bot(scene: Scene) -> None:
    world, ann = scene.world, scene.ann
    world.privacy = True
    hidden = world.group("Quiet", members=[ann])

    async def reaches(message: Message) -> bool:
        return message.id in [
            u.effective_message.message_id for u in await scene.updates() if u.effective_message
        ]

    assert await reaches(world.say(scene.group, ann, "the group was there before"))
    world.add_bot(hidden, ann)
    assert not await reaches(world.post_photo(hidden, ann, SMALL, "cake"))
    assert not await reaches(world.say(hidden, ann, "hi"))
    assert not await reaches(world.say(hidden, ann, "/find@other_bot x"))
    assert await reaches(world.say(hidden, ann, "/find cake"))
    assert await reaches(world.say(hidden, ann, "/find@shoebox_bot cake"))
    await scene.bot.send_message(hidden.id, "x")
    (mine,) = await world.bot_sends(hidden)
    assert await reaches(world.say(hidden, ann, "yes", reply_to=mine))
    world.privacy = False
    assert not await reaches(world.say(hidden, ann, "not yet"))
    world.promote_bot(hidden, ann)
    assert await reaches(world.say(hidden, ann, "to an admin"))
    world.demote_bot(hidden, ann)
    assert not await reaches(world.say(hidden, ann, "no longer"))
    world.remove_bot(hidden, ann)
    world.add_bot(hidden, ann)
    assert await reaches(world.say(hidden, ann, "now"))


async def test_all_that_can_be_posted_is_readable(scene: Scene) -> None:
    world, group, ann = scene.world, scene.group, scene.ann
    channel = world.post_as_channel(group, "News", SMALL, "from above")
    world.post_anonymously(group, SMALL, "hidden")
    world.say(group, world.own_channel("Mine"), "as a channel")
    world.forward(channel, group, ann)
    world.post_photo(group, ann, SMALL, spoiler=True, protected=True, forwarded_from="Cy")
    world.post_photo(group, ann, SMALL, via_bot=True)
    photo = world.post_photo(group, world.user("Helper", "x_bot", is_bot=True), SMALL, "/similar")
    world.edit_caption(photo, "cake")
    world.edit_photo(photo, SMALL)
    world.rename(group, "Kin")
    posts = [update.effective_message for update in await scene.updates()]
    assert all(posts)
    auto, anonymous, own, again, spoiler, via, other, caption, edited, renamed = filter(None, posts)
    assert auto.is_automatic_forward
    assert auto.from_user
    assert auto.from_user.id == 777000
    assert anonymous.from_user
    assert anonymous.from_user.is_bot
    assert anonymous.sender_chat
    assert anonymous.sender_chat.id == group.id
    assert own.sender_chat
    assert own.sender_chat.type == "channel"
    assert again.photo[-1].file_unique_id == auto.photo[-1].file_unique_id
    assert again.photo[-1].file_id != auto.photo[-1].file_id
    assert spoiler.has_media_spoiler
    assert spoiler.has_protected_content
    assert spoiler.forward_origin
    assert via.via_bot
    assert via.via_bot.id == scene.bot.id
    assert other.caption_entities[0].type == "bot_command"
    assert caption.caption == "cake"
    assert edited.photo[-1].file_unique_id != other.photo[-1].file_unique_id
    assert renamed.new_chat_title == "Kin"


# --- the rest of the bot's calls


async def test_commands_are_checked_and_kept(scene: Scene) -> None:
    scope = BotCommandScopeAllGroupChats()
    await scene.bot.set_my_commands([BotCommand("find", "find photos")], scope=scope)
    assert scene.world.commands["all_group_chats"][0]["command"] == "find"
    assert len(await scene.bot.get_my_commands(scope=scope)) == 1
    await refused(scene.bot.set_my_commands([("Find", "x")]), "BOT_COMMAND_INVALID")
    await refused(scene.bot.set_my_commands([("find", "")]), "DESCRIPTION_INVALID")


async def test_inline_questions_are_answered_with_files_it_knows(scene: Scene) -> None:
    world = scene.world
    photo = world.post_photo(scene.group, scene.ann, SMALL).file_id
    document = world.post_document(scene.group, scene.ann, b"x", "b.png", "image/png").file_id
    await scene.updates()
    asking = asyncio.create_task(world.ask_inline(scene.ann, "cake"))
    (update,) = await scene.updates(timeout=5)
    assert update.inline_query
    wrong = [InlineQueryResultCachedPhoto("1", document)]
    await refused(update.inline_query.answer(wrong), "type of file mismatch")
    twice = [InlineQueryResultCachedPhoto("1", photo)] * 2
    await refused(update.inline_query.answer(twice), "DUPLICATE")
    right = [
        InlineQueryResultCachedPhoto("1", photo, caption="cake"),
        InlineQueryResultCachedDocument("2", "b.png", document),
    ]
    await update.inline_query.answer(right, is_personal=True, cache_time=5)
    answer = await asking
    assert [result["type"] for result in answer.results] == ["photo", "document"]
    assert (answer.is_personal, answer.cache_time) == (True, 5)
    await refused(update.inline_query.answer(right), "query is too old")


async def test_faults_happen_as_often_as_wanted(scene: Scene) -> None:
    world, bot, group = scene.world, scene.bot, scene.group
    world.fail("sendMessage", status=502, description="Bad Gateway")
    world.cut("sendMessage")
    world.cut("sendMessage", after=True)
    world.garbage("sendMessage")
    for _ in range(4):
        with pytest.raises((NetworkError, Exception)):
            await bot.send_message(group.id, "x")
    assert len(group.by_bot) == 1
    world.fail("sendMessage", status=429, description="Too Many Requests", retry_after=3)
    with pytest.raises(RetryAfter):
        await bot.send_message(group.id, "x")
    await bot.send_message(group.id, "x")
    assert len(world.called("sendMessage")) == 6


async def test_a_chat_takes_only_so_many_messages(scene: Scene) -> None:
    scene.world.flood_limit = (3, 10)
    await scene.bot.send_message(scene.group.id, "x")
    file = scene.world.post_photo(scene.group, scene.ann, SMALL).file_id
    album = [InputMediaPhoto(file)] * 3
    with pytest.raises(RetryAfter) as caught:
        await scene.bot.send_media_group(scene.group.id, album)
    wait = caught.value.retry_after
    assert 1 <= (wait.total_seconds() if isinstance(wait, timedelta) else wait) <= 10
    await scene.bot.send_media_group(scene.group.id, album[:2])


# --- webhooks


async def test_a_webhook_is_called_until_it_takes_the_update(scene: Scene) -> None:
    came: list[tuple[str | None, Update]] = []
    trouble = [500, 403]

    async def called(request: web.Request) -> web.Response:
        if trouble:
            return web.Response(status=trouble.pop())
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token")
        came.append((secret, Update.de_json(await request.json(), scene.bot)))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", called)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        await refused(scene.bot.set_webhook(hook.replace("127.0.0.1", "example.com")), "HTTPS")
        await refused(scene.bot.set_webhook(hook, secret_token="a b"), "unallowed characters")
        await scene.bot.set_webhook(hook, secret_token="s3cret-_")
        with pytest.raises(Conflict, match="webhook is active"):
            await scene.bot.get_updates()
        for n in range(3):
            scene.world.say(scene.group, scene.ann, str(n))
        await scene.world.idle()
        assert [secret for secret, _ in came] == ["s3cret-_"] * 3
        assert [u.message.text for _, u in came if u.message] == ["0", "1", "2"]
        info = await scene.bot.get_webhook_info()
        assert (info.url, info.pending_update_count) == (hook, 0)
        assert (
            info.last_error_message == "Wrong response from the webhook: 500 Internal Server Error"
        )
        await scene.bot.delete_webhook()
        assert not await scene.bot.get_updates()
    finally:
        await runner.cleanup()
