"""The bot's coming and going, and guilds that Discord loses for a while."""

from __future__ import annotations

from typing import Any

from simcord.backend import serializers
from simcord.backend.models import Guild

from tests.standins.discord.state import Away, State


def available(state: State, guild: Guild) -> dict[str, Any]:
    """GUILD_CREATE for a guild that is there, or is there again."""
    return dict(serializers.guild_create_payload(state.backend, guild))


def joined(state: State, guild: Guild) -> dict[str, Any]:
    """GUILD_CREATE for a guild that is new to the bot: it says nothing of being available."""
    payload = available(state, guild)
    del payload["unavailable"]
    return payload


def dismiss(state: State, guild: Guild) -> None:
    """The bot is removed from a guild, or leaves it. The guild goes on without it."""
    backend = state.backend
    ids = [*guild.channel_ids, *guild.thread_ids]
    state.away[guild.id] = Away(
        guild,
        {id_: backend.channels[id_] for id_ in ids},
        {id_: backend.messages[id_] for id_ in ids},
    )
    guild.members.pop(state.bot, None)
    backend.commands.pop(guild.id, None)
    backend.remove_guild(guild.id)


def admit(state: State, guild: Guild) -> None:
    """The bot is added to a guild (again)."""
    backend = state.backend
    away = state.away.pop(guild.id)
    backend.guilds[guild.id] = guild
    backend.channels |= away.channels
    backend.messages |= away.messages
    mine = [role.id for role in guild.roles.values() if role.managed]
    backend.add_member(guild.id, state.bot, roles=mine)
    backend.emit("GUILD_CREATE", joined(state, guild))


def lose(state: State, guild: Guild) -> None:
    """An outage: the guild is unavailable, and nothing is heard from it."""
    state.backend.emit("GUILD_DELETE", {"id": str(guild.id), "unavailable": True})
    state.outages.add(guild.id)


def find(state: State, guild: Guild) -> None:
    """The outage is over."""
    state.outages.discard(guild.id)
    state.backend.emit("GUILD_CREATE", available(state, guild))
