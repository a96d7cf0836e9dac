"""Answers as Discord shows them: a media gallery of the originals, who and when, buttons."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from discord import ButtonStyle, Interaction, MediaGalleryItem
from discord.abc import Messageable
from discord.ui import ActionRow, Button, LayoutView, MediaGallery, TextDisplay

from adapters.discord import text
from adapters.discord.files import REACH, Files, reason
from adapters.discord.pictures import Picture
from bot.answers import Answer, Hit
from bot.errors import PhotoGone
from bot.language import say
from bot.memory import PhotoMemory

log = logging.getLogger(__name__)

MOST_DESCRIPTION = 256
Shown = tuple[Hit, Picture]


class Answers:
    """Shows what the memory found, from messages that are asked for at that moment: what was
    deleted meanwhile is forgotten, and nothing is uploaded again."""

    def __init__(self, memory: PhotoMemory, files: Files) -> None:
        self._memory = memory
        self._files = files

    async def show(
        self, interaction: Interaction, answer: Answer, private: bool, said: str = ""
    ) -> None:
        """Follow up a deferred interaction. `said` stands before the answer, as markup."""
        shown, more = await self._still_there(answer)
        words = said + _sentence(answer, shown, private)
        view = _view(answer, words, shown, more, private)
        await interaction.followup.send(view=view, ephemeral=private)

    async def post(self, channel: Messageable, answer: Answer) -> None:
        """Show what nobody asked for, as far as it is still there; else nothing."""
        shown, more = await self._still_there(answer)
        if shown:
            words = text.plain(answer.sentence, 300)
            await channel.send(view=_view(answer, words, shown, more, private=False))

    async def _still_there(self, answer: Answer) -> tuple[list[Shown], bool]:
        """What can be shown of an answer, and whether there is more of it."""
        waiting = [*answer.hits, *answer.spare]
        shown: list[Shown] = []
        while waiting and len(shown) < len(answer.hits):
            room = len(answer.hits) - len(shown)
            fresh, waiting = waiting[:room], waiting[room:]
            found = await asyncio.gather(*(self._left_of(hit) for hit in fresh))
            shown += [each for each in found if each is not None]
        return shown, bool(waiting or answer.rest)

    async def _left_of(self, hit: Hit | None) -> Shown | None:
        """The hit, or the first of its copies, that can be shown, and where it is to be had."""
        while hit is not None:
            if (picture := await self._look(hit)) is not None:
                return hit, picture
            hit = hit.next
        return None

    async def _look(self, hit: Hit) -> Picture | None:
        """Where a photo is to be had now. What is gone is forgotten, what Discord does not give
        out at the moment is passed over."""
        post = hit.photo.post
        try:
            picture = await self._files.look(hit.photo.ref)
        except PhotoGone:
            await self._memory.forget(post.group, post.channel, post.message)
            return None
        except REACH as error:
            log.info("Discord: photo %d is not shown: %s", hit.photo.id, reason(error))
            return None
        if picture is None:
            await self._memory.drop(hit.photo.id)
        return picture


def _view(
    answer: Answer, words: str, shown: Sequence[Shown], more: bool, private: bool
) -> LayoutView:
    """The message's layout (https://docs.discord.com/developers/components/reference)."""
    view = LayoutView(timeout=None)
    view.add_item(TextDisplay(words))
    if shown:
        gallery = MediaGallery[LayoutView](*(_item(*each) for each in shown))
        view.add_item(gallery)
        view.add_item(TextDisplay(text.lines([hit for hit, _ in shown])))
    if answer.token is not None and shown:
        view.add_item(_buttons(answer.token, [hit for hit, _ in shown], more, private))
    elif answer.token is not None and answer.rest and not answer.hits:
        row = ActionRow[LayoutView]()
        row.add_item(Button(label=say("Show the nearest"), custom_id=f"more:{answer.token}:0"))
        view.add_item(row)
    view.stop()  # presses come as interactions, also after a restart; nothing is kept here
    return view


def _item(hit: Hit, picture: Picture) -> MediaGalleryItem:
    post = hit.photo.post
    words = " ".join(f"{post.author_name}: {post.caption}".split()).removesuffix(":")
    return MediaGalleryItem(
        picture.url, description=words[:MOST_DESCRIPTION] or None, spoiler=picture.spoiler
    )


def _sentence(answer: Answer, shown: Sequence[Shown], private: bool) -> str:
    if answer.hits and not shown:
        words = say(text.ALL_GONE)
    elif len(shown) < len(answer.hits):
        words = say(text.SOME_GONE)
    else:
        words = text.plain(answer.sentence, 300)
    if not shown and not private:
        words += f"\n-# {say(text.PRIVATE_HINT)}"
    if answer.hint:
        words += f"\n-# {text.plain(answer.hint, 600)}"
    if answer.notice:
        words += f"\n-# {text.plain(answer.notice, 600)}"
    return words


def _buttons(token: int, hits: Sequence[Hit], more: bool, private: bool) -> ActionRow[LayoutView]:
    """A button's data is what `buttons.py` reads; it has at most 100 characters."""
    row = ActionRow[LayoutView]()
    for n, hit in enumerate(hits, start=1):
        label = say("Similar to {number}", number=n) if len(hits) > 1 else say("Similar")
        row.add_item(Button(label=label, custom_id=f"similar:{token}:{hit.rank}"))
    if more:
        last = max(hit.rank for hit in hits)
        row.add_item(
            Button(label=say("More"), style=ButtonStyle.primary, custom_id=f"more:{token}:{last}")
        )
    if private:
        first, last = min(hit.rank for hit in hits), max(hit.rank for hit in hits)
        row.add_item(Button(label=say("Share"), custom_id=f"share:{token}:{first}:{last}"))
    return row
