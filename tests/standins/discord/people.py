"""What people do with the bot: commands, context menus, buttons, through simcord's actors.

simcord checks that they could: that the command was synced, that they may use it here, that its
options fit, that the button is there and not disabled. What they could not do fails the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simcord.actors import MemberActor
from simcord.backend.errors import BackendError, SetupError
from simcord.backend.models import Channel, Guild, Interaction, Message, Role, User
from simcord.builders import ChannelHandle, GuildHandle, RoleHandle, UserHandle
from simcord.env import Env
from simcord.results import ResponseMessage

from tests.standins.discord.reply import Reply, Seen, seen
from tests.standins.discord.state import State


class Stage(Env):
    """simcord's environment without its bot: ours is on the other side of a socket."""

    def __init__(self, state: State) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.backend = state.backend
        self.latest: Interaction | None = None

    def _notify_dispatch_observers(self, interaction: Any) -> None:
        self.latest = interaction

    async def _settle_internal(self, **_: Any) -> None:
        """Nothing to wait for: the answer comes when it comes."""


class People(State):
    """The verbs of those who talk to the bot."""

    def __init__(self) -> None:
        super().__init__()
        self._stage = Stage(self)

    async def slash(self, user: User, channel: Channel, command: str, /, **options: Any) -> Reply:
        """A slash command; options may be people, channels, roles, or files as (name, bytes)."""
        handle = self._channel(channel)
        given = {name: self._option(channel, value) for name, value in options.items()}
        with self._acting(channel):
            actor = self._actor(user, channel)
            if isinstance(actor, MemberActor):
                await actor.slash(handle, command, **given)
            else:
                await actor.slash(command, **given)
        return self._reply()

    async def autocomplete(
        self, user: User, channel: Channel, command: str, option: str, typed: str, /, **filled: Any
    ) -> Reply:
        """Somebody is typing an option."""
        handle = self._channel(channel)
        given = {name: self._option(channel, value) for name, value in filled.items()}
        with self._acting(channel):
            actor = self._actor(user, channel)
            if isinstance(actor, MemberActor):
                await actor.autocomplete(handle, command, option, typed, **given)
            else:
                await actor.autocomplete(command, option, typed, **given)
        return self._reply()

    async def context_menu(self, user: User, message: Message | Seen, command: str) -> Reply:
        """A command from the menu of a message."""
        target = message.message if isinstance(message, Seen) else message
        channel = self.backend.get_channel(target.channel_id)
        with self._acting(channel):
            actor = self._actor(user, channel)
            assert isinstance(actor, MemberActor), "only in guilds"
            handle = ResponseMessage(self._stage, target)
            await actor.context_menu(self._channel(channel), command, handle)
        return self._reply()

    async def press(self, user: User, message: Message | Seen, custom_id: str) -> Reply:
        """A button under a message."""
        target = message.message if isinstance(message, Seen) else message
        channel = self.backend.get_channel(target.channel_id)
        with self._acting(channel):
            handle = ResponseMessage(self._stage, target)
            await self._actor(user, channel).click(handle, custom_id=custom_id)
        return self._reply()

    async def submit(self, user: User, reply: Reply, values: dict[str, Any]) -> Reply:
        """Fill in the form that was opened."""
        from simcord.results import InteractionResult

        channel = self.backend.get_channel(reply.interaction.channel_id)
        with self._acting(channel):
            shown = InteractionResult(self._stage, reply.interaction)
            await self._actor(user, channel).submit_modal(shown, values)
        return self._reply()

    def commands(self, user: User, channel: Channel) -> tuple[str, ...]:
        """The slash commands that somebody is offered."""
        actor = self._actor(user, channel)
        if isinstance(actor, MemberActor):
            return actor.available_commands(self._channel(channel))
        return actor.available_commands()

    def visible(self, user: User, channel: Channel) -> list[Seen]:
        """The messages that somebody sees in a channel, oldest first."""
        messages = self.backend.messages.get(channel.id, {}).values()
        return [seen(self, message) for message in messages if message.visible_to(user.id)]

    def private(self, user: User) -> Channel:
        """Somebody's private chat with the bot."""
        return self.backend.get_dm_channel(user.id)

    @contextmanager
    def _acting(self, channel: Channel) -> Iterator[None]:
        assert channel.guild_id not in self.outages, "nothing can be done there now"
        self._stage.latest = None
        try:
            yield
        except (SetupError, BackendError) as error:
            raise AssertionError(f"nobody could do that: {error}") from error

    def _reply(self) -> Reply:
        assert self._stage.latest is not None
        return Reply(self, self._stage.latest)

    def _guild(self, channel: Channel) -> GuildHandle | None:
        if channel.guild_id is None:
            return None
        return GuildHandle(self._stage, self.backend.get_guild(channel.guild_id))

    def _channel(self, channel: Channel) -> ChannelHandle:
        return ChannelHandle(self._stage, self._guild(channel), channel)

    def _actor(self, user: User, channel: Channel) -> MemberActor | UserHandle:
        handle = UserHandle(self._stage, user)
        guild = self._guild(channel)
        return handle if guild is None else MemberActor(self._stage, guild, handle)

    def _option(self, channel: Channel, value: Any) -> Any:
        guild = self._guild(channel)
        if isinstance(value, User):
            return self._actor(value, channel)
        if isinstance(value, Channel):
            return self._channel(value)
        if isinstance(value, Role):
            assert guild is not None
            return RoleHandle(self._stage, guild, value)
        assert not isinstance(value, Guild | Message)
        return value
