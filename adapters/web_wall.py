"""The owner's page: photos of groups that the owner may see, by month, and search among them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from nicegui import Client
from nicegui.element import Element

from adapters.web_message import tag
from adapters.web_overview import platform_of
from adapters.web_sights import Sights
from bot.errors import ShoeboxError
from bot.language import Language, photos, say, speak
from bot.memory import PhotoMemory
from bot.photos import Only, Query, StoredPhoto

PAGE = 60
"""Photos that are added to the wall at once."""
MOST = 3000
"""Photos on one wall; who wants older ones searches."""
FOUND = 30
TYPING_SECONDS = 0.3
"""How long nobody must have typed before it is searched."""
LONGEST = 300
"""Characters of a search."""

_log = logging.getLogger(__name__)


class Wall:
    """Draws into the element that is open now. Whose photos may be seen is asked anew for each
    thing that is shown."""

    def __init__(
        self, client: Client, memory: PhotoMemory, sights: Sights, home: str, spoken: Language
    ) -> None:
        """`home`: below which the pictures are."""
        self._client = client
        self._memory = memory
        self._sights = sights
        self._home = home
        self._spoken = spoken
        self._group = ""
        self._groups: list[str] = []
        self._months: list[tuple[date, int]] = []
        self._total = ""
        self._offset = 0
        self._drawn: set[int] = set()
        self._month: Element | None = None
        self._searching: asyncio.Task[None] | None = None
        self._moving = asyncio.Lock()
        with tag("section", "panel wall"):
            with tag("div", "bar-of"):
                tag("h2", "", say("Photos"))
                self._choice = tag("select", "pick", aria_label=say("Group"), id="wall-of")
                self._choice.on("change", self._choose, js_handler="(e) => emit(e.target.value)")
                self._words = tag(
                    "input",
                    "search",
                    type="search",
                    id="search",
                    maxlength=str(LONGEST),
                    autocomplete="off",
                    placeholder=say("Search as you type"),
                    aria_label=say("Search as you type"),
                )
                self._words.on("input", self._typed, js_handler="(e) => emit(e.target.value)")
            self._said = tag("p", "said hint", "", role="status")
            self._found = tag("div", "found")
            self._found.set_visibility(False)
            self._all = tag("div", "months")
            self._more = tag("button", "again more-photos", say("Show older photos"), type="button")
            self._more.on("click", self.load)
            self._more.set_visibility(False)
            tag(
                "p",
                "hint",
                say(
                    "Shown here: groups of this machine, and chat groups that you are in yourself, "
                    "if OWNER_ID_DISCORD or OWNER_ID_TELEGRAM says who you are. Others are counted "
                    "above, and not shown."
                ),
            )
        self._zoom = tag("dialog", "zoom", id="large", aria_label=say("Photo"))

    async def start(self) -> None:
        """Ask whose photos there are to see, and show the first group. Raises StoreError."""
        sights = await self._sights.all()
        self._groups = [sight.group.id for sight in sights]
        self._choice.clear()
        with self._choice:
            for sight in sights:
                where = platform_of(sight.group.id)
                title = f"{(sight.group.name or sight.group.id)[:80]} · {where}"
                tag("option", "", title, value=sight.group.id)
        self._choice.set_visibility(bool(sights))
        self._words.set_visibility(bool(sights))
        if not sights:
            self._nothing(say("No photos to show"), say("There is no group that you may see."))
            return
        await self._open(self._groups[0])

    def stop(self) -> None:
        """The page is closed."""
        if self._searching is not None:
            self._searching.cancel()

    async def _choose(self, event: Any) -> None:
        speak(self._spoken)
        if event.args in self._groups:
            self._client.run_javascript("document.getElementById('search').value = ''")
            self.stop()
            self._show_found(False)
            await self._quietly(self._open(event.args))

    async def _open(self, group: str) -> None:
        async with self._moving:
            self._group = group
            self._months, self._offset, self._drawn, self._month = [], 0, set(), None
            self._all.clear()
            self._more.set_visibility(False)
            sight = await self._sights.of(group)
            if sight is not None:
                months = await self._memory.tallies.months([group], sight.audience)
                self._months = months[::-1]
            total = sum(number for _, number in self._months)
            self._said.text = self._total = photos(total) if total else ""
            if not total:
                self._nothing(
                    say("No photos yet"), say("What is posted in this group is shown here.")
                )
        await self.load()

    async def load(self) -> None:
        """One more page of the wall."""
        speak(self._spoken)
        await self._quietly(self._load())

    async def _load(self) -> None:
        async with self._moving:
            sight = await self._sights.of(self._group)
            if sight is None:
                self._all.clear()
                self._months = []
                self._more.set_visibility(False)
                self._nothing(say("No photos to show"), say("You may not see this group now."))
                return
            room = PAGE
            while room and self._months:
                month, _ = self._months[0]
                _, ids = await self._memory.scopes.newest(
                    [self._group], sight.audience, _within(month), self._offset + room
                )
                new = ids[self._offset :]
                self._offset += len(new)
                room -= len(new)
                stored = await self._memory.photos([id_ for id_ in new if id_ not in self._drawn])
                self._draw_month(month, [photo for photo in stored if sight.has(photo)])
                if room:
                    self._months.pop(0)
                    self._offset, self._month = 0, None
            self._more.set_visibility(bool(self._months) and len(self._drawn) < MOST)

    def _draw_month(self, month: date, found: Sequence[StoredPhoto]) -> None:
        if not found:
            return
        if self._month is None:
            with self._all, tag("section", "month-of"):
                tag("h3", "month", self._spoken.month(month))
                self._month = tag("div", "tiles")
        with self._month:
            for photo in found:
                self._drawn.add(photo.id)
                self._draw_tile(photo)

    def _draw_tile(self, photo: StoredPhoto) -> None:
        post = photo.post
        alt = say(
            "Photo by {person}, {day}",
            person=post.author_name[:80] or say("somebody"),
            day=self._spoken.day(post.posted_at),
        )
        kind = "tile spoiler" if post.spoiler else "tile"
        with tag("button", kind, type="button", aria_label=alt, title=alt) as tile:
            picture = tag(
                "img", "", src=f"{self._home}/photo/{photo.id}/small", alt="", loading="lazy"
            )
            picture.on("error", js_handler="(e) => e.target.parentNode.classList.add('gone')")
            tag("span", "missing", say("can't be shown now"))
        tile.on("click", lambda: self._open_photo(photo.id))

    async def _open_photo(self, photo: int) -> None:
        """Large, with what was said of it."""
        speak(self._spoken)
        await self._quietly(self._zoom_in(photo))

    async def _zoom_in(self, number: int) -> None:
        photo = await self._memory.photo(number)
        sight = None if photo is None else await self._sights.of(photo.post.group)
        allowed = photo is not None and sight is not None and sight.has(photo)
        if photo is None or not allowed or not await self._sights.is_posted(photo):
            self._said.text = say("This photo is no longer there, or you may not see it now.")
            return
        post = photo.post
        self._zoom.clear()
        with self._zoom:
            tag("img", "", src=f"{self._home}/photo/{photo.id}/large", alt=post.caption[:300])
            with tag("div", "about"):
                if post.caption:
                    tag("p", "caption", post.caption)
                with tag("p", "hint"):
                    tag("span", "author", post.author_name)
                    tag("span", "", f" · {self._spoken.day(post.posted_at)} · #{photo.id}")
                if post.link and post.link.startswith("https://"):
                    link = tag("a", "jump", say("Show the original"), href=post.link)
                    link.props["target"], link.props["rel"] = "_blank", "noreferrer"
            close = tag("button", "cross", "×", type="button", aria_label=say("Close"))
            close.on("click", js_handler="() => document.getElementById('large').close()")
        self._client.run_javascript("document.getElementById('large').showModal()")

    def _typed(self, event: Any) -> None:
        """What was searched before is no longer wanted."""
        self.stop()
        words = " ".join(event.args.split())[:LONGEST] if isinstance(event.args, str) else ""
        self._searching = asyncio.create_task(self._search(words))

    async def _search(self, words: str) -> None:
        speak(self._spoken)
        await asyncio.sleep(TYPING_SECONDS)
        await self._quietly(self._find(words))

    async def _find(self, words: str) -> None:
        if not words:
            self._show_found(False)
            self._said.text = self._total
            return
        sight = await self._sights.of(self._group)
        if sight is None:
            return
        # Nobody asks: nothing is kept for buttons, and nobody's pace is counted.
        answer = await self._memory.find(Query((self._group,), words, sight.audience, FOUND))
        found = [hit.photo for hit in answer.hits if sight.has(hit.photo)]
        self._show_found(True)
        self._said.text = " ".join(
            filter(None, (answer.sentence, answer.hint, answer.notice if not found else None))
        )
        with self._found:
            for photo in found:
                self._draw_tile(photo)

    def _show_found(self, found: bool) -> None:
        self._found.clear()
        self._found.set_visibility(found)
        self._all.set_visibility(not found)
        self._more.set_visibility(not found and bool(self._months))

    def _nothing(self, title: str, words: str) -> None:
        with self._all, tag("div", "nothing"):
            tag("b", "", title)
            tag("span", "", words)

    async def _quietly(self, work: Awaitable[None]) -> None:
        try:
            await work
        except ShoeboxError as error:
            _log.error("the owner's page can't show photos: %s", error)
            self._said.text = say("That didn't work now. Try again in a moment.")
        except Exception:
            _log.exception("the owner's page can't show photos")
            self._said.text = say("That didn't work now. Try again in a moment.")


def _within(month: date) -> Only:
    begin = datetime(month.year, month.month, 1, tzinfo=UTC)
    if (month.year, month.month) == (9999, 12):
        return Only(after=begin)
    year, after = divmod(month.year * 12 + month.month, 12)
    return Only(after=begin, before=datetime(year, after + 1, 1, tzinfo=UTC))
