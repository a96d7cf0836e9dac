"""The owner's page: what did not work, why, and another chance for it."""

from __future__ import annotations

from collections.abc import Awaitable

from nicegui.element import Element

from adapters.files import LOCAL
from adapters.web_message import tag
from adapters.web_overview import TASKS, platform_of
from bot.backlog import Failure, Failures, Kind
from bot.errors import StoreError
from bot.language import Language, photos, say, speak
from bot.memory import PhotoMemory

KINDS = 30
EACH = 10
"""Photos of a kind that are listed one by one."""


class FailureList:
    """Draws into the element that is open now; `look` draws what has changed.

    Groups that the owner may not see are here too: so photos are numbers, and have their files'
    names only where they are this machine's.
    """

    def __init__(self, memory: PhotoMemory, spoken: Language) -> None:
        self._memory = memory
        self._spoken = spoken
        self._shown: dict[Kind, tuple[Failures, Element]] = {}
        with tag("section", "panel"):
            tag("h2", "", say("What did not work"))
            self._said = tag("p", "said", "", role="status", id="tried")
            self._said.set_visibility(False)
            self._nothing = tag("div", "nothing")
            with self._nothing:
                tag("b", "", say("Nothing failed"))
                tag("span", "", say("Photos that can't be had or looked at are listed here."))
            self._list = tag("div", "failures")

    async def look(self) -> None:
        """Show what is so now; what is there already stays in its place, where somebody may be
        about to press it. Raises StoreError."""
        found = {each.kind: each for each in await self._memory.backlog.failures(KINDS, EACH)}
        for kind in [kind for kind in self._shown if kind not in found]:
            self._shown.pop(kind)[1].delete()
        for kind, failures in found.items():
            known = self._shown.get(kind)
            if known is None:
                with self._list:
                    known = failures, tag("details", "kind")
                self._draw(failures, known[1])
            elif known[0] != failures:
                known[1].clear()
                self._draw(failures, known[1])
            self._shown[kind] = failures, known[1]
        self._nothing.set_visibility(not found)

    def _draw(self, failures: Failures, place: Element) -> None:
        kind = failures.kind
        with place:
            with tag("summary"):
                tag("span", "reason", say(kind.reason) or say("no reason was kept"))
                tag("span", "hint", _what(kind))
                tag("span", "many", photos(failures.photos))
            with tag("div", "act"):
                if kind.final:
                    tag("p", "hint", say("They can't become photos, however often one tries."))
                else:
                    self._button(say("Try all again"), kind)
            with tag("ul"):
                for each in failures.latest:
                    self._draw_one(each, kind)
            if failures.photos > len(failures.latest):
                more = self._spoken.number(failures.photos - len(failures.latest))
                tag("p", "hint", say("and {count} more", count=more))

    def _draw_one(self, failure: Failure, kind: Kind) -> None:
        with tag("li"):
            tag("span", "id", f"#{failure.photo}")
            with tag("span", "what"):
                if failure.group.startswith(LOCAL):
                    tag("span", "name", failure.name)
                    tag("span", "hint", failure.group.removeprefix(LOCAL))
                else:
                    tag("span", "hint", platform_of(failure.group))
                if failure.due is not None:
                    due = say("next try: {day}", day=self._spoken.day(failure.due))
                    tag("span", "hint", due)
            if not kind.final:
                label = say("Try photo {number} again", number=failure.photo)
                button = tag("button", "again", say("Try again"), type="button", aria_label=label)
                button.on("click", lambda: self._retry(failure.photo))

    def _button(self, words: str, kind: Kind) -> None:
        button = tag("button", "again all", words, type="button")
        button.on("click", lambda: self._retry_all(kind))

    async def _retry(self, photo: int) -> None:
        speak(self._spoken)
        await self._tried(self._memory.retry([photo]))

    async def _retry_all(self, kind: Kind) -> None:
        speak(self._spoken)
        await self._tried(self._memory.retry_all(kind))

    async def _tried(self, work: Awaitable[int]) -> None:
        try:
            number = await work
            await self.look()
        except StoreError as error:
            self._say(str(error))
            return
        if number:
            self._say(say("Tried again now: {photos}.", photos=photos(number)))
        else:
            self._say(say("There is nothing to try again: it has gone, or is being done."))

    def _say(self, words: str) -> None:
        self._said.text = words
        self._said.set_visibility(True)


def _what(kind: Kind) -> str:
    if kind.final:
        return say("given up for ever")
    if kind.task is None:
        return say("given up")
    return say("{task}: tried again later", task=say(TASKS[kind.task]))
