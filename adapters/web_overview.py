"""The owner's page in numbers: groups, the queue, the model, photos over time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from nicegui import ui

from adapters.files import LOCAL
from adapters.web_message import tag
from bot.errors import StoreError
from bot.language import Language, photos, say, speak, to_say
from bot.memory import PhotoMemory
from bot.photos import EVERYONE, GroupStatus, Task, Waiting

MOST_GROUPS = 300
"""That are listed one by one."""
MOST_MONTHS = 120
"""Bars of a chart; more are drawn by year."""
TASKS = {
    Task.EMBED: to_say("Looking at them, to find by meaning"),
    Task.READ: to_say("Reading the text in them"),
    Task.FINGERPRINT: to_say("Fingerprints, to recognise copies"),
    Task.RENEW: to_say("Looking again, for the new model"),
}
PLATFORMS = {"local": to_say("this machine"), "discord": "Discord", "telegram": "Telegram"}
INK, BAR, LINE = "#000001", "#000002", "#000003"
"""Colours of the chart as web_owner.css knows them, which has those of day and night."""


_log = logging.getLogger(__name__)


def title_of(status: GroupStatus) -> str:
    """What a group is called, or else its id."""
    return status.name or status.group.removeprefix(LOCAL)


def platform_of(group: str) -> str:
    name = group.partition(":")[0]
    return say(PLATFORMS.get(name, name))


class Overview:
    """Draws into the element that is open now; `show` draws what has changed."""

    def __init__(self, memory: PhotoMemory, spoken: Language) -> None:
        self._memory = memory
        self._spoken = spoken
        self._drawn: dict[str, object] = {}
        self._numbers = tag("section", "numbers", aria_label=say("Overview"))
        with tag("section", "panel"):
            tag("h2", "", say("Model"))
            self._model = tag("div", "model")
        with tag("section", "panel"):
            tag("h2", "", say("Groups"))
            self._groups = tag("div", "groups")
        with tag("section", "panel"):
            with tag("div", "bar-of"):
                tag("h2", "", say("Photos over time"))
                self._choice = tag("select", "pick", aria_label=say("Group"), id="chart-of")
                self._choice.on("change", self._choose, js_handler="(e) => emit(e.target.value)")
            self._chart = tag("div", "chart")
        with tag("section", "panel"):
            tag("h2", "", say("Queue"))
            self._queue = tag("div", "queue")
        self._status: Sequence[GroupStatus] = ()
        self._chosen = ""

    async def look(self) -> None:
        """Show what is so now. Raises StoreError."""
        status = await self._memory.groups.status()
        waiting = await self._memory.backlog.waiting()
        self._status = status
        self._draw("numbers", self._draw_numbers, status)
        self._draw("model", self._draw_model, self._state_of_the_model())
        self._draw("groups", self._draw_groups, status)
        self._draw("queue", self._draw_queue, self._queue_of(waiting))
        groups = [(each.group, title_of(each)) for each in status[:MOST_GROUPS]]
        self._draw("choice", self._draw_choice, groups)
        await self._draw_chart([each.group for each in status])

    def _draw(self, part: str, draw: Callable[[Any], None], told: object) -> None:
        if part not in self._drawn or self._drawn[part] != told:
            self._drawn[part] = told
            draw(told)

    def _draw_numbers(self, status: Sequence[GroupStatus]) -> None:
        given_up = sum(len(each.refused) for each in status)
        waiting = sum(map(waiting_of, status))
        self._numbers.clear()
        with self._numbers:
            for number, words in (
                (sum(each.photos for each in status), say("Photos")),
                (len(status), say("Groups")),
                (waiting, say("Waiting")),
                (given_up, say("Given up")),
            ):
                with tag("div", "number"):
                    tag("b", "", self._spoken.number(number))
                    tag("span", "", words)

    def _state_of_the_model(self) -> tuple[str, str]:
        model = self._memory.model
        name = model.encoder.model.name if model.encoder else model.name
        if model.coming is not None:
            coming = model.coming.model.name
            return name, say("In use until {name} has looked at the photos too.", name=coming)
        if model.encoder is not None:
            return name, model.notice or say("In use.")
        return name, model.notice or ""

    def _draw_model(self, state: tuple[str, str]) -> None:
        self._model.clear()
        with self._model:
            tag("code", "", state[0])
            tag("p", "state", state[1])

    def _draw_groups(self, status: Sequence[GroupStatus]) -> None:
        self._groups.clear()
        with self._groups:
            if not status:
                _empty(
                    say("No group yet"),
                    say("Invite the bot to one, or import photos: python -m bot import"),
                )
                return
            with tag("table", "list"):
                with tag("thead"), tag("tr"):
                    for words in (
                        say("Group"),
                        say("Photos"),
                        say("Progress"),
                        say("Waiting"),
                        say("Given up"),
                    ):
                        tag("th", "", words, scope="col")
                with tag("tbody"):
                    for each in status[:MOST_GROUPS]:
                        self._draw_group(each)
            if len(status) > MOST_GROUPS:
                tag("p", "hint", say("and {count} more", count=len(status) - MOST_GROUPS))

    def _draw_group(self, status: GroupStatus) -> None:
        number = self._spoken.number
        waiting = waiting_of(status)
        with tag("tr"):
            with tag("th", "who", scope="row"):
                tag("span", "name", title_of(status))
                tag("span", "hint", platform_of(status.group))
            tag("td", "count", number(status.photos), data_label=say("Photos"))
            with tag("td", "bars", data_label=say("Progress")):
                bars = bars_of(status)
                for words, waits in bars:
                    self._draw_bar(words, waits, status.photos)
                if not bars:
                    tag("span", "hint", say("all done") if status.photos else "–")
                if status.unseen:
                    told = say(
                        "{photos} can't be had any more for the new model; words still find them.",
                        photos=photos(status.unseen),
                    )
                    tag("p", "hint", told)
            tag("td", "count", number(waiting), data_label=say("Waiting"))
            tag("td", "count", number(len(status.refused)), data_label=say("Given up"))

    def _draw_bar(self, words: str, waiting: int, of: int) -> None:
        done = max(0, of - waiting)
        told = say("{done} of {all}", done=self._spoken.number(done), all=self._spoken.number(of))
        with tag("div", "progress"):
            tag("span", "", words)
            tag("span", "hint", told)
            tag("progress", "", max=str(max(of, 1)), value=str(done), aria_label=f"{words}: {told}")

    def _queue_of(self, waiting: Mapping[Task, Waiting]) -> list[tuple[str, ...]]:
        """A row for each task that photos wait for."""
        return [
            (
                say(TASKS[task]),
                self._spoken.number(line.photos),
                self._spoken.number(line.later),
                self._spoken.span(line.oldest),
            )
            for task, line in waiting.items()
            if line.photos
        ]

    def _draw_queue(self, lines: Sequence[tuple[str, ...]]) -> None:
        self._queue.clear()
        with self._queue:
            if not lines:
                _empty(say("Nothing waits"), say("All photos have been looked at."))
                return
            with tag("table", "list"):
                heads = (say("Task"), say("Waiting"), say("Tried again later"), say("Longest wait"))
                with tag("thead"), tag("tr"):
                    for words in heads:
                        tag("th", "", words, scope="col")
                with tag("tbody"):
                    for task, *counts in lines:
                        with tag("tr"):
                            tag("th", "", task, scope="row")
                            for words, label in zip(counts, heads[1:], strict=True):
                                tag("td", "count", words, data_label=label)

    def _draw_choice(self, groups: Sequence[tuple[str, str]]) -> None:
        self._choice.clear()
        if self._chosen not in {group for group, _ in groups}:
            self._chosen = ""
        with self._choice:
            for group, title in (("", say("All groups")), *groups):
                tag("option", "", title[:80], value=group)

    async def _choose(self, event: Any) -> None:
        speak(self._spoken)
        self._chosen = event.args if isinstance(event.args, str) else ""
        try:
            await self._draw_chart([each.group for each in self._status])
        except StoreError as error:
            _log.error("the chart can't be drawn: %s", error)

    async def _draw_chart(self, groups: Sequence[str]) -> None:
        """Numbers alone, which the owner may have of every group."""
        chosen = [self._chosen] if self._chosen in groups else list(groups)
        months = await self._memory.tallies.months(chosen, EVERYONE)
        self._draw("chart", self._draw_months, (self._chosen, months))

    def _draw_months(self, told: tuple[str, list[tuple[date, int]]]) -> None:
        months = told[1]
        self._chart.clear()
        with self._chart:
            if not months:
                _empty(say("No photos yet"), say("Here you will see how many come each month."))
                return
            bars = gapless(months)
            if by_years := len(bars) > MOST_MONTHS:
                bars = by_year(months)
            names = [str(day.year) if by_years else self._spoken.month(day) for day, _ in bars]
            total = sum(number for _, number in months)
            most = max(bars, key=lambda bar: bar[1])
            chart = ui.echart(_options(names, [number for _, number in bars]), renderer="svg")
            chart.props["role"] = "img"
            chart.props["aria-label"] = say(
                "{photos} from {first} to {last}; most of them in {most}.",
                photos=photos(total),
                first=names[0],
                last=names[-1],
                most=names[bars.index(most)],
            )


def waiting_of(status: GroupStatus) -> int:
    """How many photos wait for something, at least."""
    return max(status.waiting, status.waiting_renewal)


def bars_of(status: GroupStatus) -> list[tuple[str, int]]:
    """What a group's photos still wait for, and how many do; nothing where all is done. An import
    and a new model show here, and nowhere else."""
    waiting = (
        (say("found by meaning"), status.waiting_embedding),
        (say("text read"), status.waiting_text),
        (say("seen by the new model"), status.waiting_renewal),
    )
    return [(words, photos) for words, photos in waiting if photos]


def gapless(months: Sequence[tuple[date, int]]) -> list[tuple[date, int]]:
    """With the months in between that have none. Years that lie too far apart stay apart."""
    if not months:
        return []
    known = dict(months)
    first, last = months[0][0], months[-1][0]
    begin, end = first.year * 12 + first.month - 1, last.year * 12 + last.month - 1
    days = [date(number // 12, number % 12 + 1, 1) for number in range(begin, end + 1)]
    return [(day, known.get(day, 0)) for day in days]


def by_year(months: Sequence[tuple[date, int]]) -> list[tuple[date, int]]:
    """(first of the year, photos posted in it), of the years that have any."""
    years: dict[date, int] = {}
    for day, number in months:
        year = day.replace(month=1)
        years[year] = years.get(year, 0) + number
    return sorted(years.items())


def _empty(title: str, words: str) -> None:
    with tag("div", "nothing"):
        tag("b", "", title)
        tag("span", "", words)


def _options(names: Sequence[str], numbers: Sequence[int]) -> dict[str, Any]:
    words = {"color": INK, "fontFamily": "inherit", "fontSize": 12}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 32, "top": 16, "bottom": 8, "containLabel": True},
        "tooltip": {"trigger": "axis", "renderMode": "richText"},
        "xAxis": {
            "type": "category",
            "data": list(names),
            "axisLabel": {**words, "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": LINE}},
            "axisTick": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "minInterval": 1,
            "axisLabel": words,
            "splitLine": {"lineStyle": {"color": LINE}},
        },
        "series": [
            {
                "type": "bar",
                "data": list(numbers),
                "barMaxWidth": 36,
                "itemStyle": {"color": BAR, "borderRadius": [3, 3, 0, 0]},
                "emphasis": {"disabled": True},
            }
        ],
    }
