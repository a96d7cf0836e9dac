"""Which photos an answer may show: none reaches somebody who may not see it where it was posted.

Computed from roles and channel overwrites whenever somebody asks, by Discord's arithmetic
(https://docs.discord.com/developers/topics/permissions). A private answer has one reader, whose
roles came with the question. A public one is read by everybody who can view the channel, and a bot
without the members intent has no list of them: what is promised then holds for every set of roles
that somebody could have, and for everybody who is named in a channel's overwrites.

A timeout takes "connect" away for some days. That is about what somebody says, not about what they
may see, so it doesn't close voice channels' photos to everybody else.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import discord

from adapters.discord.places import Place

VIEW = discord.Permissions(view_channel=True)
READ = discord.Permissions(view_channel=True, read_message_history=True)
READ_VOICE = discord.Permissions(view_channel=True, read_message_history=True, connect=True)
"""Reading the chat of a voice or stage channel takes "connect" too
(https://docs.discord.com/developers/resources/message#get-channel-messages)."""
AT_ONCE = 8
"""Private threads that Discord is asked about at the same time."""

_Channel: TypeAlias = (
    discord.TextChannel | discord.ForumChannel | discord.VoiceChannel | discord.StageChannel
)


def everybody(guild: discord.Guild, room: Place, known: Iterable[str]) -> frozenset[str]:
    """Of the channels that hold photos (keys, see Place), those whose photos may be shown to
    everybody in `room`: the room itself, and the channels that everybody who can see the room can
    see and read the history of.

    Who sees a thread also sees its parent, so that the parent's viewers stand for the thread's.
    Who is in another private thread nobody can tell of everybody: its photos stay there.
    """
    here = guild.get_channel(room.channel)
    viewers = None if here is None else _Viewers(guild, here)

    @functools.cache
    def is_open(channel: int) -> bool:
        other = _elsewhere(guild, channel)
        return viewers is not None and other is not None and viewers.may_read(other)

    def may_show(place: Place) -> bool:
        return place == room or (not place.closed and is_open(place.channel))

    return frozenset(key for key in known if may_show(Place.of(key)))


async def one(
    member: discord.Member,
    room: Place | None,
    known: Iterable[str],
    is_in: Callable[[int], Awaitable[bool]],
) -> frozenset[str]:
    """Of the channels that hold photos, those that this member may view and read the history of;
    `is_in(thread_id)` asks Discord whether the member is in a private thread.
    `room`: where they ask, if in the guild."""

    @functools.cache
    def permissions(channel: int) -> discord.Permissions | None:
        other = _elsewhere(member.guild, channel)
        if other is None:
            return None
        held = other.permissions_for(member)
        return held if held.is_superset(_needed(other)) else None

    seen: set[str] = set()
    to_ask: list[tuple[str, int]] = []
    for key in known:
        place = Place.of(key)
        held = permissions(place.channel)
        if place == room:
            seen.add(key)
        elif held is None:
            continue
        elif place.closed and not held.manage_threads:
            to_ask.append((key, place.id))
        else:
            seen.add(key)

    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(thread: int) -> bool:
        async with turn:
            return await is_in(thread)

    answers = await asyncio.gather(*(ask(thread) for _, thread in to_ask))
    return frozenset(seen.union(key for (key, _), yes in zip(to_ask, answers, strict=True) if yes))


def admits_everybody(
    guild: discord.Guild,
    room_channel: discord.abc.GuildChannel,
    other: discord.abc.GuildChannel,
) -> bool:
    """Whether everybody who can view `room_channel` can view `other` and read its history."""
    return isinstance(other, _Channel) and _Viewers(guild, room_channel).may_read(other)


def _elsewhere(guild: discord.Guild, channel: int) -> _Channel | None:
    """A channel whose photos may appear in others at all: one that is there, has messages, and
    isn't age-restricted."""
    found = guild.get_channel(channel)
    return found if isinstance(found, _Channel) and not found.is_nsfw() else None


def _needed(channel: _Channel) -> discord.Permissions:
    is_vocal = isinstance(channel, discord.VoiceChannel | discord.StageChannel)
    return READ_VOICE if is_vocal else READ


ALL, EVERYONE = -1, 1
"""Sets of roles, each a number with a bit for each role: all roles, and nothing but @everyone."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Sets of roles that get somebody in or keep them out: those that lie `within` and hold at
    least one of `any_of`."""

    within: int
    any_of: int

    def goes_with(self, other: _Way) -> bool:
        """Whether one set of roles is of both ways.

        A set that is of both lies within both, and still does when all roles are taken out but one
        of each `any_of`. So two roles besides @everyone are enough wherever any number is, and it
        takes no search: each `any_of` must have a role that lies within both. All have @everyone,
        which changes nothing: each way either lets it lie within or asks for it.
        """
        within = self.within & other.within
        return bool(within & self.any_of and within & other.any_of)


_ANYBODY = _Way(within=ALL, any_of=EVERYONE)


@dataclass(slots=True)
class _Rule:
    """What a channel says of one permission."""

    otherwise: int
    """Roles any of which gives the permission where no overwrite of another role is in the way."""
    allowing: int = 0
    denying: int = 0
    own: dict[int, bool] = field(default_factory=dict)
    """What is said of users by name, before which all else gives way."""

    def ways_to_have(self, own: bool | None) -> Iterator[_Way]:
        """The sets of roles with which the permission is held: an overwrite allows it, or none
        denies it and it's given otherwise."""
        if own is None:
            yield _Way(within=ALL, any_of=self.allowing)
            yield _Way(within=~self.denying, any_of=self.otherwise)
        elif own:
            yield _ANYBODY

    def ways_to_lack(self, own: bool | None) -> Iterator[_Way]:
        """The sets of roles with which it isn't: no overwrite allows it, and one denies it or it
        isn't given otherwise."""
        if own is None:
            yield _Way(within=~self.allowing, any_of=self.denying)
            yield _Way(within=~self.allowing & ~self.otherwise, any_of=EVERYONE)
        elif not own:
            yield _ANYBODY


class _Viewers:
    """Everybody who can view a channel, whoever they are.

    They may read another one unless somebody could exist who views the first and lacks one of the
    permissions that are needed of the second. Each permission is looked at by itself, since each
    is reason enough. Owner and administrators see everything, so that the roles that matter here
    are those that make no administrator. The bot itself, whom private channels let in by name or
    by the role that Discord made for it alone, is nobody from whom something must be kept.

    The order of the arithmetic is: what @everyone and the roles give, @everyone's overwrite, the
    roles' overwrites (all that deny, then all that allow), the user's own overwrite. What comes
    later decides. A user's roles count as unknown even if the user is cached, since nothing keeps
    that cache up to date.
    """

    def __init__(self, guild: discord.Guild, room: discord.abc.GuildChannel) -> None:
        everyone = guild.get_role(guild.id)
        roles = [] if everyone is None else [everyone]
        nobodys = (everyone, guild.self_role)
        roles += [r for r in guild.roles if r not in nobodys and not r.permissions.administrator]
        self._guild = guild
        self._known = {guild.owner_id, guild.me.id if guild.me else None}
        self._everyone = everyone
        self._sets = {role.id: EVERYONE << n for n, role in enumerate(roles)}
        self._given = {
            flag: sum(self._sets[role.id] for role in roles if role.permissions.value & flag)
            for flag in _flags(READ_VOICE)
        }
        self._room = self._rules(room, VIEW)[0]

    def may_read(self, other: _Channel) -> bool:
        """Whether they all may view another channel and read its history."""
        if self._everyone is None:  # nothing is known about roles
            return False
        if self._everyone.permissions.administrator:
            return True
        return not any(self._any_lacks(rule) for rule in self._rules(other, _needed(other)))

    def _any_lacks(self, rule: _Rule) -> bool:
        named = (self._room.own.keys() | rule.own.keys()) - self._known
        people = {(self._room.own.get(user), rule.own.get(user)) for user in named}
        return any(
            way_in.goes_with(way_out)
            for in_room, in_other in {(None, None), *people}
            for way_in in self._room.ways_to_have(in_room)
            for way_out in rule.ways_to_lack(in_other)
        )

    def _rules(self, channel: discord.abc.GuildChannel, needed: discord.Permissions) -> list[_Rule]:
        """What a channel says of each of these permissions. Read off the raw overwrites: the
        public property makes an object of some fifty entries of each, for 500 channels at once."""
        rules = {flag: _Rule(self._given[flag]) for flag in _flags(needed)}
        for overwrite in channel._overwrites:
            if not (overwrite.allow | overwrite.deny) & needed.value:
                continue
            for flag, rule in rules.items():
                allows = bool(overwrite.allow & flag)  # comes after denying
                if not allows and not overwrite.deny & flag:
                    continue
                if overwrite.is_member():
                    rule.own[overwrite.id] = allows
                elif overwrite.id == self._guild.id:
                    rule.otherwise = EVERYONE if allows else 0
                elif allows:
                    rule.allowing |= self._sets.get(overwrite.id, 0)
                else:
                    rule.denying |= self._sets.get(overwrite.id, 0)
        return list(rules.values())


def _flags(permissions: discord.Permissions) -> list[int]:
    return [1 << n for n in range(permissions.value.bit_length()) if permissions.value >> n & 1]
