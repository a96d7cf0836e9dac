"""No answer shows a photo to somebody who may not see it: discord.py's own `permissions_for`, asked
of every member there could be, is what the rules are measured by."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import discord
import pytest
from discord import ChannelType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.discord.audience import admits_everybody, everybody, one
from adapters.discord.places import Place

GUILD, OWNER, SOMEBODY = 1, 1000, 1001
ALICE, BOB, BOT = 1002, 1003, 1009
FRIENDS, FAMILY, MUTED, BOSS, OWN_ROLE = 11, 12, 13, 14, 19
ROOM, OTHER, GONE = 101, 102, 199
THREAD, SIDE_ROOM = 501, 502

VIEW = discord.Permissions(view_channel=True).value
HISTORY = discord.Permissions(read_message_history=True).value
CONNECT = discord.Permissions(connect=True).value
MANAGE_THREADS = discord.Permissions(manage_threads=True).value
ADMINISTRATOR = discord.Permissions(administrator=True).value
READ = VIEW | HISTORY
VOCAL = (ChannelType.voice, ChannelType.stage_voice)

Payload = dict[str, Any]


BOT_USER: Any = {"id": str(BOT), "username": "box", "discriminator": "0", "avatar": None}


@functools.cache
def connection() -> Any:
    """What discord.py keeps beside a guild, of a client that logged in as the bot."""
    state = discord.Client(intents=discord.Intents.default())._connection
    state.user = discord.ClientUser(state=state, data=BOT_USER)
    return state


def for_role(role: int, allow: int = 0, deny: int = 0) -> Payload:
    return {"id": str(role), "type": 0, "allow": str(allow), "deny": str(deny)}


def for_everyone(allow: int = 0, deny: int = 0) -> Payload:
    return for_role(GUILD, allow, deny)


def for_user(user: int, allow: int = 0, deny: int = 0) -> Payload:
    return {"id": str(user), "type": 1, "allow": str(allow), "deny": str(deny)}


def channel(
    number: int, *overwrites: Payload, kind: ChannelType = ChannelType.text, nsfw: bool = False
) -> Payload:
    vocal = {"bitrate": 64000, "user_limit": 0} if kind in VOCAL else {}
    return {
        "id": str(number),
        "type": kind.value,
        "name": f"channel-{number}",
        "position": number,
        "permission_overwrites": list(overwrites),
        "nsfw": nsfw,
        **vocal,
    }


def a_guild(
    *channels: Payload, everyone: int = READ, roles: dict[int, int] | None = None
) -> discord.Guild:
    given_to = {GUILD: everyone, FRIENDS: 0, FAMILY: 0, MUTED: 0} if roles is None else roles
    payload: Any = {
        "id": str(GUILD),
        "name": "guild",
        "owner_id": str(OWNER),
        "roles": [
            {"id": str(role), "name": f"role-{role}", "permissions": str(value)}
            for role, value in given_to.items()
        ],
        "channels": list(channels),
    }
    return discord.Guild(data=payload, state=connection())


def a_member(guild: discord.Guild, user: int, roles: Iterable[int] = ()) -> discord.Member:
    payload: Any = {
        "user": {"id": str(user), "username": f"user-{user}", "discriminator": "0", "avatar": None},
        "roles": [str(role) for role in roles],
        "flags": 0,
    }
    return discord.Member(data=payload, guild=guild, state=connection())


def private(number: int, *roles: int, **options: Any) -> Payload:
    """A channel that only some roles see."""
    insiders = (for_role(role, allow=VIEW) for role in roles)
    return channel(number, for_everyone(deny=VIEW), *insiders, **options)


def is_shown(guild: discord.Guild, room: Place | int = ROOM, other: Place | int = OTHER) -> bool:
    """Whether a photo of the other channel may be shown to everybody in the room."""
    room = room if isinstance(room, Place) else Place(room)
    key = other.key if isinstance(other, Place) else str(other)
    shown = everybody(guild, room, [key])
    assert shown <= {key}
    return key in shown


# --- everybody: what roles and overwrites give ----------------------------------------------------


def test_what_all_can_read_is_shown_everywhere() -> None:
    guild = a_guild(private(ROOM, FRIENDS), channel(OTHER))
    assert is_shown(guild)
    assert is_shown(guild, OTHER, OTHER)


def test_what_few_can_read_is_not_shown_to_all() -> None:
    assert not is_shown(a_guild(channel(ROOM), private(OTHER, FRIENDS)))


def test_two_rooms_of_the_same_people_show_each_others_photos() -> None:
    guild = a_guild(private(ROOM, FRIENDS), private(OTHER, FRIENDS))
    assert is_shown(guild)
    assert is_shown(guild, OTHER, ROOM)


def test_the_larger_of_two_rooms_does_not_show_the_photos_of_the_smaller() -> None:
    guild = a_guild(private(ROOM, FRIENDS, FAMILY), private(OTHER, FRIENDS))
    assert not is_shown(guild)
    assert is_shown(guild, OTHER, ROOM)


def test_the_room_shows_its_own_photos_even_where_somebody_lacks_the_history() -> None:
    guild = a_guild(channel(ROOM, for_everyone(deny=HISTORY)))
    assert is_shown(guild, ROOM, ROOM)


def test_only_what_is_known_is_shown() -> None:
    guild = a_guild(channel(ROOM), channel(OTHER))
    assert everybody(guild, Place(ROOM), []) == frozenset()
    assert everybody(guild, Place(ROOM), [str(OTHER)]) == {str(OTHER)}


def test_without_the_history_nothing_is_shown() -> None:
    assert not is_shown(a_guild(channel(ROOM), channel(OTHER, for_everyone(deny=HISTORY))))
    assert not is_shown(a_guild(channel(ROOM), channel(OTHER, for_role(MUTED, deny=HISTORY))))
    assert not is_shown(a_guild(channel(ROOM), channel(OTHER), everyone=VIEW))


def test_what_roles_give_in_the_whole_guild_counts() -> None:
    roles = {GUILD: 0, FRIENDS: READ, FAMILY: VIEW}
    assert not is_shown(a_guild(channel(ROOM), channel(OTHER), roles=roles))
    del roles[FAMILY]
    assert is_shown(a_guild(channel(ROOM), channel(OTHER), roles=roles))


def test_a_role_that_opens_the_room_beside_one_that_shuts_the_other() -> None:
    shut = channel(OTHER, for_role(MUTED, deny=VIEW))
    assert not is_shown(a_guild(private(ROOM, FRIENDS), shut))


def test_a_role_that_is_shut_out_of_both_is_in_nobodys_way() -> None:
    muted = for_role(MUTED, deny=VIEW)
    guild = a_guild(channel(ROOM, muted), channel(OTHER, muted))
    assert is_shown(guild)


def test_one_role_allows_what_another_denies() -> None:
    muted, friends = for_role(MUTED, deny=VIEW), for_role(FRIENDS, allow=VIEW)
    assert not is_shown(a_guild(channel(ROOM, muted, friends), channel(OTHER, muted)))
    assert is_shown(a_guild(channel(ROOM, muted, friends), channel(OTHER, muted, friends)))


def test_a_roles_overwrite_goes_before_everyones() -> None:
    closed = private(OTHER, FRIENDS)
    assert is_shown(a_guild(private(ROOM, FRIENDS), closed))
    opened = channel(OTHER, for_everyone(allow=VIEW), for_role(FRIENDS, deny=VIEW))
    assert not is_shown(a_guild(private(ROOM, FRIENDS), opened))


def test_everyones_overwrite_goes_before_what_roles_give() -> None:
    opened = channel(OTHER, for_everyone(allow=READ))
    assert is_shown(a_guild(channel(ROOM), opened, roles={GUILD: VIEW, FRIENDS: READ}))
    closed = channel(OTHER, for_everyone(deny=READ))
    assert not is_shown(a_guild(channel(ROOM), closed, roles={GUILD: VIEW, FRIENDS: READ}))


def test_an_overwrite_that_denies_and_allows_allows() -> None:
    both = channel(OTHER, for_role(FRIENDS, allow=VIEW, deny=VIEW), for_everyone(deny=VIEW))
    assert is_shown(a_guild(private(ROOM, FRIENDS), both))


def test_administrators_see_everything() -> None:
    roles = {GUILD: READ, BOSS: ADMINISTRATOR}
    shut = channel(OTHER, for_everyone(deny=VIEW), for_role(BOSS, deny=VIEW))
    assert is_shown(a_guild(private(ROOM, BOSS), shut, roles=roles))
    assert not is_shown(a_guild(channel(ROOM), shut, roles=roles))


def test_where_all_are_administrators_all_see_everything() -> None:
    shut = channel(OTHER, for_everyone(deny=VIEW))
    assert is_shown(a_guild(channel(ROOM), shut, everyone=READ | ADMINISTRATOR))


def test_a_role_that_was_deleted_lets_nobody_in_and_shuts_nobody_out() -> None:
    left_over = channel(ROOM, for_everyone(deny=VIEW), for_role(BOSS, allow=VIEW))
    assert is_shown(a_guild(left_over, private(OTHER)))
    assert is_shown(a_guild(channel(ROOM), channel(OTHER, for_role(BOSS, deny=VIEW))))


def test_of_a_guild_whose_roles_are_unknown_only_the_room_is_shown() -> None:
    guild = a_guild(channel(ROOM), channel(OTHER, for_everyone(allow=READ)), roles={})
    assert not is_shown(guild)
    assert is_shown(guild, ROOM, ROOM)


# --- everybody: people who are named in overwrites ------------------------------------------------


def test_somebody_who_is_let_in_to_the_room_by_name() -> None:
    room = channel(ROOM, for_everyone(deny=VIEW), for_user(ALICE, allow=VIEW))
    assert not is_shown(a_guild(room, private(OTHER)))
    assert not is_shown(a_guild(room, channel(OTHER, for_role(MUTED, deny=VIEW))))
    assert is_shown(a_guild(room, channel(OTHER)))
    invited = channel(OTHER, for_everyone(deny=VIEW), for_user(ALICE, allow=READ))
    assert is_shown(a_guild(room, invited))


def test_somebody_who_is_shut_out_by_name() -> None:
    shut = channel(OTHER, for_user(ALICE, deny=VIEW))
    assert not is_shown(a_guild(channel(ROOM), shut))
    assert not is_shown(a_guild(private(ROOM, FRIENDS), shut))
    assert is_shown(a_guild(channel(ROOM, for_user(ALICE, deny=VIEW)), shut))


def test_names_let_nobody_else_in() -> None:
    invited = channel(OTHER, for_everyone(deny=VIEW), for_user(ALICE, allow=VIEW))
    assert not is_shown(a_guild(channel(ROOM), invited))


def test_each_name_counts_by_itself() -> None:
    room = channel(ROOM, for_everyone(deny=VIEW), for_user(ALICE, allow=VIEW))
    shut = channel(OTHER, for_user(BOB, deny=VIEW))
    assert is_shown(a_guild(room, shut))


def test_a_name_goes_before_roles() -> None:
    names = [for_user(ALICE, allow=READ), for_role(MUTED, deny=READ), for_everyone(deny=READ)]
    room = channel(ROOM, for_everyone(deny=VIEW), for_user(ALICE, allow=VIEW))
    assert is_shown(a_guild(room, channel(OTHER, *names)))


def test_the_owner_sees_everything() -> None:
    room = channel(ROOM, for_everyone(deny=VIEW), for_user(OWNER, allow=VIEW))
    assert is_shown(a_guild(room, channel(OTHER, for_user(OWNER, deny=VIEW))))


def test_the_roles_of_somebody_cached_are_not_relied_on() -> None:
    room = channel(ROOM, for_everyone(deny=VIEW), for_user(ALICE, allow=VIEW))
    guild = a_guild(room, private(OTHER, FRIENDS))
    guild._add_member(a_member(guild, ALICE, [FRIENDS]))
    assert guild.get_member(ALICE) is not None
    assert not is_shown(guild)


# --- everybody: kinds of channels -----------------------------------------------------------------


@pytest.mark.parametrize("kind", VOCAL)
def test_the_chat_of_a_voice_channel_is_for_those_who_may_connect(kind: ChannelType) -> None:
    roles = {GUILD: READ | CONNECT, MUTED: 0}
    voice = channel(OTHER, kind=kind)
    assert is_shown(a_guild(channel(ROOM), voice, roles=roles))
    assert not is_shown(a_guild(channel(ROOM), voice))
    shut = channel(OTHER, for_role(MUTED, deny=CONNECT), kind=kind)
    assert not is_shown(a_guild(channel(ROOM), shut, roles=roles))


def test_who_may_not_connect_still_sees_a_voice_room() -> None:
    silent = channel(ROOM, for_everyone(deny=CONNECT), kind=ChannelType.voice)
    assert not is_shown(a_guild(silent, private(OTHER), everyone=READ | CONNECT))


@pytest.mark.parametrize("kind", [ChannelType.news, ChannelType.forum, ChannelType.media])
def test_other_channels_of_messages_need_no_connecting(kind: ChannelType) -> None:
    assert is_shown(a_guild(channel(ROOM), channel(OTHER, kind=kind)))
    assert not is_shown(a_guild(channel(ROOM), private(OTHER, FRIENDS, kind=kind)))


def test_a_category_shows_nothing() -> None:
    guild = a_guild(channel(ROOM), channel(OTHER, kind=ChannelType.category))
    assert not is_shown(guild)
    room, category = guild.get_channel(ROOM), guild.get_channel(OTHER)
    assert room is not None
    assert category is not None
    assert not admits_everybody(guild, room, category)


def test_one_channel_admits_everybody_of_another() -> None:
    guild = a_guild(private(ROOM, FRIENDS), channel(OTHER))
    room, other = guild.get_channel(ROOM), guild.get_channel(OTHER)
    assert room is not None
    assert other is not None
    assert admits_everybody(guild, room, other)
    assert not admits_everybody(guild, other, room)


def test_a_thread_as_the_room_counts_as_its_channel() -> None:
    guild = a_guild(private(ROOM, FRIENDS), private(OTHER, FRIENDS), private(103, FAMILY))
    for closed in (False, True):
        room = Place(ROOM, THREAD, closed)
        assert is_shown(guild, room, room)
        assert is_shown(guild, room, ROOM)
        assert is_shown(guild, room, OTHER)
        assert not is_shown(guild, room, 103)


def test_a_public_thread_is_shown_as_its_channel_is() -> None:
    guild = a_guild(channel(ROOM), private(OTHER, FRIENDS))
    assert is_shown(guild, ROOM, Place(ROOM, THREAD))
    assert is_shown(guild, OTHER, Place(ROOM, THREAD))
    assert not is_shown(guild, ROOM, Place(OTHER, THREAD))


def test_a_private_thread_is_shown_only_in_itself() -> None:
    guild = a_guild(channel(ROOM), channel(OTHER))
    thread = Place(ROOM, THREAD, closed=True)
    assert is_shown(guild, thread, thread)
    for room in (Place(ROOM), Place(ROOM, SIDE_ROOM, closed=True), Place(OTHER)):
        assert not is_shown(guild, room, thread)


def test_age_restricted_photos_are_shown_only_where_they_are() -> None:
    guild = a_guild(channel(ROOM, nsfw=True), channel(OTHER, nsfw=True), channel(103))
    places = [Place(ROOM), Place(ROOM, THREAD), Place(ROOM, SIDE_ROOM, closed=True)]
    for room, other in itertools.product([*places, Place(OTHER), Place(103)], places):
        assert is_shown(guild, room, other) is (room == other)
    assert is_shown(guild, ROOM, 103)


def test_channels_that_are_gone_show_nothing() -> None:
    guild = a_guild(channel(ROOM))
    assert not is_shown(guild, ROOM, GONE)
    assert not is_shown(guild, ROOM, Place(GONE, THREAD))


def test_in_a_room_that_is_unknown_only_the_room_is_shown() -> None:
    guild = a_guild(channel(OTHER), everyone=ADMINISTRATOR)
    for room in (Place(GONE), Place(GONE, THREAD)):
        known = [str(GONE), Place(GONE, THREAD).key, str(OTHER)]
        assert everybody(guild, room, known) == {room.key}


# --- one person -----------------------------------------------------------------------------------


class Threads:
    """Which private threads somebody is in, and which were asked about."""

    def __init__(self, *threads: int) -> None:
        self.asked: list[int] = []
        self._threads = threads

    async def is_in(self, thread: int) -> bool:
        self.asked.append(thread)
        return thread in self._threads


async def sees(
    guild: discord.Guild, place: Place | int, *roles: int, room: Place | int = ROOM
) -> bool:
    room = room if isinstance(room, Place) else Place(room)
    key = place.key if isinstance(place, Place) else str(place)
    member = a_member(guild, ALICE, roles)
    return key in await one(member, room, [key], Threads().is_in)


async def test_one_person_sees_what_their_roles_let_them_see() -> None:
    guild = a_guild(channel(ROOM), private(OTHER, FRIENDS))
    assert await sees(guild, OTHER, FRIENDS)
    assert await sees(guild, Place(OTHER, THREAD), FRIENDS)
    assert not await sees(guild, OTHER)
    assert not await sees(guild, Place(OTHER, THREAD), FAMILY)


async def test_one_person_needs_the_history_too() -> None:
    guild = a_guild(channel(ROOM), channel(OTHER, for_role(MUTED, deny=HISTORY)))
    assert await sees(guild, OTHER)
    assert not await sees(guild, OTHER, MUTED)


@pytest.mark.parametrize("kind", VOCAL)
async def test_one_person_must_connect_to_voice_channels(kind: ChannelType) -> None:
    voice = channel(OTHER, for_role(FRIENDS, allow=CONNECT), kind=kind)
    guild = a_guild(channel(ROOM), voice)
    assert await sees(guild, OTHER, FRIENDS)
    assert not await sees(guild, OTHER)


async def test_one_person_sees_the_room_they_are_in() -> None:
    guild = a_guild(private(ROOM), channel(OTHER))
    assert await sees(guild, ROOM, room=ROOM)
    assert await sees(guild, GONE, room=GONE)
    thread = Place(ROOM, THREAD, closed=True)
    assert await sees(guild, thread, room=thread)


async def test_one_person_sees_age_restricted_photos_only_where_they_are() -> None:
    guild = a_guild(channel(ROOM, nsfw=True), channel(OTHER))
    thread = Place(ROOM, THREAD)
    assert await sees(guild, ROOM, room=ROOM)
    assert await sees(guild, thread, room=thread)
    assert not await sees(guild, ROOM, room=thread)
    assert not await sees(guild, thread, room=ROOM)
    assert not await sees(guild, ROOM, room=OTHER)


async def test_one_person_sees_nothing_of_channels_that_are_gone() -> None:
    guild = a_guild(channel(ROOM), channel(OTHER, kind=ChannelType.category))
    assert not await sees(guild, GONE)
    assert not await sees(guild, OTHER)


async def test_one_person_sees_the_private_threads_they_are_in() -> None:
    guild = a_guild(channel(ROOM), channel(OTHER))
    mine, theirs = Place(OTHER, THREAD, closed=True), Place(OTHER, SIDE_ROOM, closed=True)
    threads = Threads(THREAD)
    shown = await one(a_member(guild, ALICE), Place(ROOM), [mine.key, theirs.key], threads.is_in)
    assert shown == {mine.key}
    assert sorted(threads.asked) == [THREAD, SIDE_ROOM]


async def test_who_manages_threads_sees_private_ones_without_being_in_them() -> None:
    guild = a_guild(channel(ROOM), channel(OTHER, for_role(BOSS, allow=MANAGE_THREADS)))
    assert await sees(guild, Place(OTHER, THREAD, closed=True), BOSS)
    assert not await sees(guild, Place(OTHER, THREAD, closed=True))


async def test_nobody_is_in_a_thread_of_a_channel_they_do_not_see() -> None:
    guild = a_guild(channel(ROOM), private(OTHER), channel(103, nsfw=True))
    threads = Threads(THREAD, SIDE_ROOM)
    keys = [Place(OTHER, THREAD, True).key, Place(103, SIDE_ROOM, True).key]
    assert not await one(a_member(guild, ALICE), Place(ROOM), keys, threads.is_in)
    assert threads.asked == []


# --- any guild, any member ------------------------------------------------------------------------

KINDS = (
    *(ChannelType.text, ChannelType.text, ChannelType.voice, ChannelType.stage_voice),
    *(ChannelType.forum, ChannelType.news, ChannelType.category),
)
PEOPLE = (OWNER, SOMEBODY, ALICE, BOB)  # all but somebody can be named in overwrites
MANY = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def bits(*choices: int) -> st.SearchStrategy[int]:
    return st.sampled_from(choices)


GIVEN = bits(0, 0, READ, READ | CONNECT, VIEW, HISTORY, CONNECT, MANAGE_THREADS, ADMINISTRATOR)
SAID = bits(0, 0, 0, VIEW, VIEW, HISTORY, CONNECT, MANAGE_THREADS, READ, READ | CONNECT)


@st.composite
def channels(draw: st.DrawFn, roles: Sequence[int]) -> list[Payload]:
    """Channels of which some are alike but for an overwrite or two, as in real guilds."""
    some_role = st.sampled_from([*roles, GUILD])
    overwrites = st.one_of(
        st.just(for_everyone(deny=VIEW)),
        st.builds(for_role, some_role, allow=st.just(READ | CONNECT)),
        st.builds(for_role, some_role, deny=bits(VIEW, HISTORY, READ)),
        st.builds(for_everyone, SAID, SAID),
        st.builds(for_role, some_role, SAID, SAID),
        st.builds(for_user, st.sampled_from([OWNER, ALICE, BOB]), SAID, SAID),
    )
    made: list[dict[str, Payload]] = []
    for _ in range(draw(st.integers(2, 6))):
        alike = draw(st.sampled_from([{}, *made]))
        own = draw(st.lists(overwrites, max_size=draw(st.sampled_from([2, 4, 6]))))
        made.append({**alike, **{overwrite["id"]: overwrite for overwrite in own}})
    return [
        channel(
            ROOM + n,
            *draw(st.permutations(list(each.values()))),
            kind=draw(st.sampled_from(KINDS)),
            nsfw=draw(st.integers(0, 5)) == 5,
        )
        for n, each in enumerate(made)
    ]


@st.composite
def guilds(draw: st.DrawFn) -> discord.Guild:
    roles = {
        FRIENDS + n: draw(GIVEN) for n in range(draw(st.sampled_from([0, 1, 2, 3, 3, 4, 4, 5])))
    }
    everyone = draw(bits(*[READ | CONNECT] * 6, READ, READ, VIEW, 0, 0, ADMINISTRATOR))
    return a_guild(*draw(channels(list(roles))), roles={GUILD: everyone, **roles})


def places(guild: discord.Guild) -> list[Place]:
    """Each channel, one that is gone, and a public and a private thread of each."""
    numbers = [*(each.id for each in guild.channels), GONE]
    threads = [Place(n, 1000 * n + closed, bool(closed)) for n in numbers for closed in (0, 1)]
    return [*map(Place, numbers), *threads]


def all_members(guild: discord.Guild) -> list[discord.Member]:
    """Everybody there could be: somebody of each name, and somebody else, with any set of roles."""
    roles = [role.id for role in guild.roles if not role.is_default()]
    sets = [held for n in range(len(roles) + 1) for held in itertools.combinations(roles, n)]
    return [a_member(guild, user, held) for user in PEOPLE for held in sets]


def may_read(held: discord.Permissions, kind: ChannelType) -> bool:
    return held.view_channel and held.read_message_history and (kind not in VOCAL or held.connect)


def is_shared(guild: discord.Guild, place: Place) -> bool:
    """Whether photos of a place may be shown in other places at all, private threads aside."""
    found = guild.get_channel(place.channel)
    if found is None or isinstance(found, discord.CategoryChannel):
        return False
    return not found.is_nsfw()


@MANY
@given(guilds())
def test_everybody_in_any_room_may_see_what_is_shown_and_nothing_is_held_back(
    guild: discord.Guild,
) -> None:
    members = all_members(guild)
    viewers: dict[int, set[int]] = {}
    readers: dict[int, set[int]] = {}
    for each in guild.channels:
        held = [each.permissions_for(member) for member in members]
        viewers[each.id] = {n for n, held in enumerate(held) if held.view_channel}
        readers[each.id] = {n for n, held in enumerate(held) if may_read(held, each.type)}
    known = places(guild)
    for room in known:
        shown = everybody(guild, room, [place.key for place in known])
        for place in known:
            if place == room:
                assert place.key in shown
            elif room.channel == GONE or place.closed or not is_shared(guild, place):
                assert place.key not in shown
            elif place.key in shown:
                assert viewers[room.channel] <= readers[place.channel]
            else:
                assert viewers[room.channel] - readers[place.channel]


@MANY
@given(guilds(), st.data())
async def test_any_person_in_any_room_sees_what_they_may_see(
    guild: discord.Guild, data: st.DataObject
) -> None:
    roles = [role.id for role in guild.roles if not role.is_default()]
    held_roles = data.draw(st.sets(st.sampled_from(roles))) if roles else set()
    member = a_member(guild, data.draw(st.sampled_from(PEOPLE)), held_roles)
    known = places(guild)
    closed = [place.id for place in known if place.closed]
    threads = Threads(*data.draw(st.sets(st.sampled_from(closed))))
    room = data.draw(st.sampled_from(known))

    async def expected(place: Place) -> bool:
        found = guild.get_channel(place.channel)
        if place == room or found is None or not is_shared(guild, place):
            return place == room
        held = found.permissions_for(member)
        is_inside = not place.closed or held.manage_threads or await threads.is_in(place.id)
        return may_read(held, found.type) and is_inside

    keys = [place.key for place in known]
    shown = await one(member, room, keys, threads.is_in)
    assert shown == {place.key for place in known if await expected(place)}


# --- the bot itself -------------------------------------------------------------------------------


def with_the_bot(*channels: Payload) -> discord.Guild:
    """A guild in which the bot is a member and has the role that Discord makes for it alone."""
    roles = [
        {"id": str(GUILD), "name": "@everyone", "permissions": str(READ)},
        {"id": str(FRIENDS), "name": "friends", "permissions": "0"},
        {"id": str(OWN_ROLE), "name": "box", "permissions": "0", "tags": {"bot_id": str(BOT)}},
    ]
    payload: Any = {
        "id": str(GUILD),
        "name": "guild",
        "owner_id": str(OWNER),
        "roles": roles,
        "channels": list(channels),
        "members": [{"user": BOT_USER, "roles": [str(OWN_ROLE)], "flags": 0}],
    }
    return discord.Guild(data=payload, state=connection())


@pytest.mark.parametrize("by", [for_user(BOT, allow=VIEW), for_role(OWN_ROLE, allow=VIEW)])
def test_that_the_bot_was_let_in_to_the_room_keeps_no_photos_back(by: Payload) -> None:
    room = channel(ROOM, for_everyone(deny=VIEW), for_role(FRIENDS, allow=VIEW), by)
    assert is_shown(with_the_bot(room, private(OTHER, FRIENDS)))
    others = for_user(BOB, allow=VIEW)
    room = channel(ROOM, for_everyone(deny=VIEW), for_role(FRIENDS, allow=VIEW), by, others)
    assert not is_shown(with_the_bot(room, private(OTHER, FRIENDS)))
