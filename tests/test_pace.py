"""One person's questions can't keep the others waiting, and are answered kindly."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bot import pace
from bot.decoder import Decoder
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.pace import Pace
from bot.photos import EVERYONE, PhotoRef, Query
from storage.sqlite import SqliteStore


@given(st.integers(1, 60), st.lists(st.floats(0, 30), max_size=200))
def test_never_more_than_so_many_in_any_minute(per_minute: int, pauses: list[float]) -> None:
    now = [0.0]
    limit = Pace(per_minute, lambda: now[0])
    allowed: list[float] = []
    for pause in pauses:
        now[0] += pause
        wait = limit.wait("ann")
        assert limit.wait("") == 0
        if wait == 0:
            allowed.append(now[0])
        else:
            assert 1 <= wait <= 60
            later = Pace(per_minute, lambda: now[0])
            later._left = dict(limit._left)
            now[0] += wait
            assert later.wait("ann") == 0, "after the wait that was told it is allowed"
            now[0] -= wait
    for n, begin in enumerate(allowed):
        in_a_minute = [t for t in allowed[n:] if t < begin + 60]
        assert len(in_a_minute) <= 2 * per_minute, "a full bucket, and what ran in meanwhile"


def test_those_who_rested_are_forgotten_and_the_busy_are_not() -> None:
    now = [0.0]
    limit = Pace(2, lambda: now[0])
    for person in range(pace.FORGET_AT - 1):
        limit.wait(f"{person}")
    now[0] = 100.0
    assert limit.wait("ann") == limit.wait("ann") == 0
    limit.wait("bob")
    assert len(limit._left) <= 2
    assert limit.wait("ann") > 0


def test_without_a_limit_nobody_waits() -> None:
    assert not any(Pace(0).wait("ann") for _ in range(1000))


async def test_who_asks_too_fast_is_told_when_to_ask_again(tmp_path: Path) -> None:
    query = Query(("local:g",), "cake", EVERYONE, place="local:g", asker="ann")
    async with SqliteStore(tmp_path / "box.db") as store, Decoder() as decoder:
        memory = PhotoMemory(store, ModelState("none"), {}, decoder, questions_per_minute=2)
        for _ in range(2):
            assert "no photos" in (await memory.find(query)).sentence
        told = await memory.find(query)
        assert told.sentence == "One moment, please: ask me again in 30 seconds."
        assert told.hits == ()
        verdict = await memory.which("cat, dog", PhotoRef("web", "k", "l"), asker="ann")
        assert verdict.sentence.startswith("One moment")
        bob = Query(("local:g",), "cake", EVERYONE, place="local:g", asker="bob")
        assert "no photos" in (await memory.find(bob)).sentence, "others aren't held up"
