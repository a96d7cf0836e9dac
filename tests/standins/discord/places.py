"""Where people meet: guilds, members, roles, channels, threads, and who may see what."""

from __future__ import annotations

from discord import Permissions
from simcord.backend import serializers
from simcord.backend.access import channel_accessible
from simcord.backend.models import Channel, Guild, Overwrite, Role, User
from simcord.enums import ChannelType, OverwriteType

from tests.standins.discord import presence
from tests.standins.discord.state import State


class Places(State):
    """Everything is announced to the bot, if it may know."""

    def user(self, name: str, *, bot: bool = False) -> User:
        """Somebody with an account."""
        return self.backend.make_user(name, bot=bot)

    def guild(
        self, name: str, owner: User, *members: User, shard: int | None = None, shards: int = 1
    ) -> Guild:
        """A guild that the bot is in. Its role has all permissions but Administrator."""
        listening, self.backend.subscribers = self.backend.subscribers, []
        guild = self.backend.create_guild(
            name, owner_id=owner.id, shard_id=shard, shard_count=shards
        )
        for member in members:
            self.backend.add_member(guild.id, member.id)
        self.backend.subscribers = listening
        self.backend.emit("GUILD_CREATE", presence.joined(self, guild))
        return guild

    def join(self, guild: Guild, *users: User) -> None:
        """People join."""
        for user in users:
            self.backend.add_member(guild.id, user.id, announce=True)

    def leave(self, guild: Guild, user: User) -> None:
        """Somebody leaves."""
        self.backend.remove_member(guild.id, user.id)

    def silence(self, guild: Guild, user: User, seconds: float) -> None:
        """Somebody is timed out: may look, and nothing else."""
        until = {"timed_out_until": self.backend.iso_after(seconds)}
        self.backend.edit_member(guild.id, user.id, until)

    def role(self, guild: Guild, name: str, **permissions: bool) -> Role:
        """A role with these permissions beside everybody's."""
        bits = Permissions(**permissions).value
        return self.backend.create_role(guild.id, name, permissions=bits)

    def grant(self, guild: Guild, user: User, *roles: Role) -> None:
        """Somebody gets roles."""
        for role in roles:
            self.backend.add_member_role(guild.id, user.id, role.id)

    def revoke(self, guild: Guild, user: User, *roles: Role) -> None:
        """Somebody loses roles."""
        for role in roles:
            self.backend.remove_member_role(guild.id, user.id, role.id)

    def set_role(self, guild: Guild, role: Role, **permissions: bool) -> None:
        """Turn permissions of a role on and off; `bot_role` and `everyone` find two of them."""
        held = Permissions(role.permissions)
        held.update(**permissions)
        self.backend.edit_role(guild.id, role.id, {"permissions": held.value})

    def bot_role(self, guild: Guild) -> Role:
        """The role that came with the bot."""
        return next(role for role in guild.roles.values() if role.managed)

    def everyone(self, guild: Guild) -> Role:
        """The role that all have."""
        return guild.everyone_role

    def channel(
        self,
        guild: Guild,
        name: str,
        kind: ChannelType = ChannelType.TEXT,
        *,
        category: Channel | None = None,
        nsfw: bool = False,
        hidden_but_from: tuple[User | Role, ...] | None = None,
    ) -> Channel:
        """A channel. `hidden_but_from` makes it private; the bot is not let in by itself."""
        overwrites = []
        if hidden_but_from is not None:
            see = Permissions(view_channel=True).value
            overwrites = [Overwrite(guild.id, OverwriteType.ROLE, deny=see)]
            overwrites += [Overwrite(who.id, _kind(who), allow=see) for who in hidden_but_from]
        channel = self.backend.create_channel(
            guild.id,
            name,
            type=kind,
            overwrites=overwrites,
            announce=False,
            parent_id=category.id if category else None,
        )
        if nsfw:
            self.nsfw.add(channel.id)
        payload = serializers.channel_payload(self.backend, channel)
        self.backend.emit("CHANNEL_CREATE", payload)
        return channel

    def set_nsfw(self, channel: Channel, nsfw: bool) -> None:
        """A channel becomes age-restricted, or no longer is."""
        (self.nsfw.add if nsfw else self.nsfw.discard)(channel.id)
        self.backend.announce_channel_update(channel.id)

    def permit(self, channel: Channel, who: User | Role, **permissions: bool | None) -> None:
        """Overwrites of a channel: True allows, False denies, None inherits."""
        saw = self._seen_threads(channel)
        old = next((o for o in channel.overwrites if o.target_id == who.id), None)
        allow, deny = (old.allow, old.deny) if old else (0, 0)
        for name, value in permissions.items():
            bit = getattr(Permissions, name).flag
            allow = allow | bit if value else allow & ~bit
            deny = deny | bit if value is False else deny & ~bit
        if allow or deny:
            self.backend.set_overwrite(channel.id, Overwrite(who.id, _kind(who), allow, deny))
        else:
            self.backend.delete_overwrite(channel.id, who.id)
        self._sync_threads(channel, saw)

    def sees(self, user: User, channel: Channel, *, history: bool = False) -> bool:
        """May somebody look into a channel or thread now?"""
        return channel_accessible(self.backend, channel.id, user.id, history=history)

    def delete_channel(self, channel: Channel) -> None:
        """A channel, with its threads, or a thread is deleted."""
        for thread in [c for c in self.backend.channels.values() if c.parent_id == channel.id]:
            if thread.is_thread:
                self.backend.delete_channel(thread.id)
        self.backend.delete_channel(channel.id)

    def dismiss(self, guild: Guild) -> None:
        """The bot is thrown out."""
        presence.dismiss(self, guild)

    def admit(self, guild: Guild) -> None:
        """The bot is invited again."""
        presence.admit(self, guild)

    def lose(self, guild: Guild) -> None:
        """An outage begins for a guild."""
        presence.lose(self, guild)

    def find(self, guild: Guild) -> None:
        """The outage is over."""
        presence.find(self, guild)

    def _seen_threads(self, channel: Channel) -> set[int]:
        return {
            thread.id
            for thread in self.backend.active_threads(channel.guild_id or 0)
            if thread.parent_id == channel.id
            and channel_accessible(self.backend, thread.id, self.bot)
        }

    def _sync_threads(self, channel: Channel, before: set[int]) -> None:
        """A bot that is let into a channel hears of the threads there."""
        if before or not (now := self._seen_threads(channel)):
            return
        threads = [self.backend.channels[id_] for id_ in sorted(now)]
        listed = serializers.thread_list_payload(self.backend, threads)
        self.backend.emit(
            "THREAD_LIST_SYNC",
            {"guild_id": str(channel.guild_id), "channel_ids": [str(channel.id)], **listed},
        )


def _kind(who: User | Role) -> OverwriteType:
    return OverwriteType.ROLE if isinstance(who, Role) else OverwriteType.MEMBER
