"""What Discord tells is taken in one after another, guild by guild."""

from __future__ import annotations

import asyncio
import logging

import pytest

from adapters.discord import inbox
from adapters.discord.inbox import Inbox
from bot.errors import StoreError


class Desk:
    """Notes what is done in which order; something may have to wait."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.failures: dict[str, list[Exception]] = {}

    def work(self, name: str) -> inbox.Work[str]:
        async def do() -> str:
            if gate := self.gates.get(name):
                await gate.wait()
            if failures := self.failures.get(name):
                raise failures.pop(0)
            self.done.append(name)
            return name

        return do


async def test_in_a_guild_everything_waits_for_what_was_before_and_other_guilds_do_not() -> None:
    box, desk = Inbox(), Desk()
    desk.gates["a1"] = asyncio.Event()
    first, second = box.put(1, desk.work("a1")), box.put(1, desk.work("a2"))
    assert await box.put(2, desk.work("b1")) == "b1"
    assert desk.done == ["b1"]
    desk.gates["a1"].set()
    assert [await first, await second] == ["a1", "a2"]
    assert desk.done == ["b1", "a1", "a2"]
    await box.close()


async def test_what_the_database_cannot_keep_now_is_tried_until_it_can(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(inbox, "PAUSES", (0.0,))
    box, desk = Inbox(), Desk()
    desk.failures["a1"] = [StoreError("the disk is full")] * 3
    box.tell(1, desk.work("a1"))
    await box.put(1, desk.work("a2"))
    assert desk.done == ["a1", "a2"], "nothing overtakes it"
    assert caplog.text.count("the disk is full") == 1
    await box.close()


async def test_an_error_concerns_one_event_alone(caplog: pytest.LogCaptureFixture) -> None:
    box, desk = Inbox(), Desk()
    desk.failures["a1"] = [ValueError("odd")]
    desk.failures["a2"] = [ValueError("even")]
    box.tell(1, desk.work("a1"))
    with pytest.raises(ValueError, match="even"):
        await box.put(1, desk.work("a2"))
    assert await box.put(1, desk.work("a3")) == "a3"
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.getMessage() == "Discord, guild 1: an event is left out"
    await box.close()


async def test_a_stop_finishes_what_is_quick_and_leaves_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox, "STOP_SECONDS", 0.2)
    box, desk = Inbox(), Desk()
    quick = [box.put(1, desk.work(f"a{n}")) for n in range(5)]
    desk.gates["b1"] = asyncio.Event()
    stuck, behind = box.put(2, desk.work("b1")), box.put(2, desk.work("b2"))
    await box.close()
    assert [result.result() for result in quick] == [f"a{n}" for n in range(5)]
    assert stuck.cancelled()
    assert behind.cancelled()
