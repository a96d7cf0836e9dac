"""Groups and channels are walls: nothing of a photo gets to whom may not see it, by any verb.

Two ways to look at it. What somebody is told must be, to the letter, what they would be told if
nothing that they may not see had ever been posted: no hit, count, name, hint or order tells of it.
And whatever button is pressed by whomever, wherever, after whatever happened, the answer holds
nothing that the one who presses may not see now.

`WALLS=500 pytest tests/test_walls.py` looks at as many worlds as wanted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from adapters.wording import in_numbers
from bot.answers import Answer, Hit
from bot.errors import AnswerGone
from bot.memories import SET, Memories, Mornings
from bot.photos import EVERYONE, Audience, Query
from bot.ports import Recall
from tests.stores import Rooms, so_many
from tests.walled import (
    CHANNELS,
    GROUPS,
    PEOPLE,
    START,
    WORDS,
    Box,
    Event,
    ForgotMe,
    Posted,
    Said,
    World,
    box,
    may_see,
)

WORLDS = int(os.environ.get("WALLS", "20"))
groups = st.sampled_from(GROUPS)
people = st.sampled_from(PEOPLE)
scopes = st.lists(groups, min_size=1, max_size=2, unique=True).map(tuple)
posted = st.builds(
    Posted,
    st.just(0),
    groups,
    st.sampled_from(CHANNELS),
    people,
    st.sampled_from(WORDS),
    st.integers(0, 7),
    st.sampled_from(["", "", "trip"]),
)
"""Numbered as they come."""
SHARED = ("the goose", "Boss", "毛毛")
"""Names that several channels know."""


def a_world(chance: Random, posts: int, then: int) -> World:
    """So many posts, and what people then did with them."""
    world = World()
    for number in range(posts):
        world.events.append(
            Posted(
                number,
                chance.choice(GROUPS[:2]),
                chance.choice(CHANNELS),
                chance.choice(PEOPLE),
                chance.choice(["", *WORDS]),
                chance.randrange(8),
                chance.choice(["", "trip"]),
            )
        )
    made = world.posts
    for number in range(then):
        what = chance.choice(["reply", "reply", "name", "name", "name", "edit", "forget", "drop"])
        words = chance.choice(SHARED) if what == "name" else f"{chance.choice(WORDS)} {number}"
        world.events.append(Said(what, chance.choice(made), chance.choice(PEOPLE), words))
    if chance.random() < 0.2:
        world.events.append(ForgotMe(chance.choice(PEOPLE), chance.choice(GROUPS)))
    return world


def an_audience(chance: Random) -> Audience:
    """Seldom everybody: there walls have nothing to hide."""
    if chance.random() < 0.1:
        return EVERYONE
    some = frozenset(chance.sample(CHANNELS, chance.choice([0, 1, 1, 2])))
    return Audience(chance.choice([some, some, None]), chance.random() < 0.4)


audiences = st.randoms(use_true_random=True).map(an_audience)

QUESTIONS = (
    *("cake", "a goose", "nothing of that", "生日", "an", "the goose", "boss at the lake", "毛毛"),
    *(
        "from:ann",
        "from:per1x",
        'cake from:"bob per2x"',
        "in:one cake",
        "cake -goose",
        "-lake cake",
    ),
    *('"cake cap3x"', "after:2024-01-04", "goose before:2024-01-06", "txt4x", "cap5x"),
)


def told(hit: Hit) -> tuple[object, ...]:
    """All that is told of a photo but for its number in the database."""
    return (
        hit.rank,
        repr(hit.photo.post),
        round(hit.score, 4),
        hit.reasons,
        hit.fit,
        hit.stands_for(),
        *map(told, hit.copies),
    )


def all_told(answer: Answer) -> tuple[object, ...]:
    """All of an answer that reaches anybody, what is behind its buttons included."""
    return (
        answer.sentence,
        answer.hint,
        answer.notice,
        answer.token is None,
        *(tuple(map(told, some)) for some in (answer.hits, answer.spare, answer.rest)),
    )


async def everything_told(
    at: Box, asking: Query, words: Sequence[str], like: Posted | None, elsewhere: Audience
) -> list[object]:
    """What these people are told by every verb there is."""
    found: list[object] = []
    memory = at.memory
    asked = [replace(asking, words=each) for each in words]
    if like is not None:
        ref = like.as_post().photos[0]
        asked += [replace(asking, like=ref), replace(asking, like=ref, words=words[0])]
        found.append(await memory.which("cat or dog", ref, at.photos.get(like.number)))
    for query in asked:
        answer = await memory.find(query)
        found.append((query.words, all_told(answer)))
        if answer.token is None:
            continue
        found.append(all_told(await memory.page(answer.token, query, 2)))
        found.append(all_told(await memory.nearest(answer.token, query)))
        room = replace(query, audience=elsewhere)
        shared = await memory.share(answer.token, room, range(1, 4))
        known = {each.name for each in await memory.names.of(room.groups, room.audience)}
        names = {each.name for hit in shared.hits for each in (hit, *hit.copies)}
        assert names <= known | {""}, "a name is told to who may see a photo that has it"
        found.append(all_told(shared))
    found += [await memory.names.of(asking.groups, asking.audience)]
    for group in asking.groups:
        for status in await memory.groups.status(group, asking.audience):
            found.append((status.name, in_numbers(status, "{photos}", "none")))
        found.append(await memory.tallies.months([group], asking.audience))
        found.append(await memory.tallies.posters([group], asking.audience, 5))
        found.append(await memories_told(at, group, asking.audience))
        for giver in (asking.asker, None):
            for name in (*SHARED, "nobody"):
                found.append(await memory.names.take_back(group, asking.audience, name, giver))
    found += [await memory.names.of(asking.groups, asking.audience)]
    return found


async def memories_told(at: Box, group: str, audience: Audience) -> object:
    """What a morning shows to such readers, of all that was posted on its day."""
    told_: list[object] = []

    class Chat:
        platform = group.partition(":")[0]

        async def remind(self, group: str, place: str, recall: Recall) -> None:
            answer = await recall(audience)
            told_.append(answer and all_told(answer))

    await at.store.groups.take_note(group, SET, Mornings("", "UTC").text())
    morning = (START + timedelta(days=1)).replace(year=START.year + 4, hour=9)
    await Memories(at.store, at.memory.model, lambda: morning).round([Chat()])
    assert len(told_) == 1
    return told_


def test_what_is_told_is_what_would_be_if_nothing_else_had_been_posted(rooms: Rooms) -> None:
    @settings(
        max_examples=so_many(WORLDS, rooms),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        chance=st.randoms(use_true_random=True), posts=st.integers(2, 14), then=st.integers(0, 12)
    )
    def compared(chance: Random, posts: int, then: int) -> None:
        world = a_world(chance, posts, then)
        scope = tuple(chance.sample(GROUPS[:2], chance.choice([1, 1, 2])))
        audience, elsewhere = an_audience(chance), an_audience(chance)
        asker, words = chance.choice(PEOPLE), chance.sample(QUESTIONS, 4)
        # Of a private answer only what the room may see is shared: the room is a part of it.
        both = None
        if audience.channels is not None or elsewhere.channels is not None:
            everything = frozenset(CHANNELS)
            both = (audience.channels or everything) & (elsewhere.channels or everything)
        room = Audience(both, audience.protected and elsewhere.protected)
        asking = Query(
            scope,
            "",
            audience,
            asker=asker,
            channels=tuple((each, each) for each in sorted(audience.channels or CHANNELS)),
        )
        part = world.seen_by(scope, audience)
        alike = chance.choice(part.posts) if part.posts else None

        async def compare() -> None:
            async with (
                rooms() as here,
                rooms() as there,
                box(here, world) as whole,
                box(there, part) as alone,
            ):
                one = await everything_told(whole, asking, words, alike, room)
                other = await everything_told(alone, asking, words, alike, room)
                for each, expected in zip(one, other, strict=True):
                    assert each == expected

        asyncio.run(compare())

    compared()


class Walls(RuleBasedStateMachine):
    """A life in which people post, say, name, forget, ask and press buttons; whoever presses may
    have other rights than who asked, in another group, at another time."""

    answers: Bundle[tuple[int, Query]] = Bundle("answers")

    def __init__(self, rooms: Rooms) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._open = AsyncExitStack()
        self.world = World()
        self.canaries: dict[str, Posted] = {}
        """Every word of its own -> the post with whose photo it is seen."""
        url = self.wait(self._open.enter_async_context(rooms()))
        self.at: Box = self.wait(self._open.enter_async_context(box(url, self.world)))

    def wait(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(what)

    def teardown(self) -> None:
        self.wait(self._open.aclose())
        self._runner.close()

    def happen(self, event: Event) -> None:
        self.world.events.append(event)
        self.wait(self.at.happen(event))

    @initialize(chance=st.randoms(use_true_random=True))
    def begin(self, chance: Random) -> None:
        for post in a_world(chance, 8, 0).posts:
            self.post(post)

    @rule(post=posted)
    def post(self, post: Posted) -> None:
        post = replace(post, number=len(self.world.events), album="")
        self.canaries |= dict.fromkeys(post.canaries, post)
        self.happen(post)

    @rule(data=st.data(), who=people, what=st.sampled_from(["reply", "name", "edit"]))
    def say(self, data: st.DataObject, who: str, what: str) -> None:
        if self.world.posts:
            post = data.draw(st.sampled_from(self.world.posts))
            canary = f"{what[:3]}{len(self.world.events)}x"
            self.canaries[canary] = post
            self.happen(Said(what, post, who, canary))

    @rule(data=st.data(), what=st.sampled_from(["forget", "drop"]))
    def forget(self, data: st.DataObject, what: str) -> None:
        if self.world.posts:
            self.happen(Said(what, data.draw(st.sampled_from(self.world.posts)), "", ""))

    @rule(who=people, group=groups)
    def forget_me(self, who: str, group: str) -> None:
        self.happen(ForgotMe(who, group))

    @rule(
        target=answers,
        data=st.data(),
        scope=scopes,
        audience=audiences,
        asker=people,
        private=st.booleans(),
    )
    def ask(
        self,
        data: st.DataObject,
        scope: tuple[str, ...],
        audience: Audience,
        asker: str,
        private: bool,
    ) -> tuple[int, Query]:
        words = data.draw(st.sampled_from([*WORDS, *self.canaries]))
        place = None if private else scope[0]
        query = Query(scope if private else scope[:1], words, audience, asker=asker, place=place)
        answer = self.wait(self.at.memory.find(query))
        self.check(answer, query)
        return answer.token or 0, query

    @rule(
        asked=answers,
        scope=scopes,
        audience=audiences,
        presser=people,
        private=st.booleans(),
        button=st.sampled_from(["more", "nearest", "similar", "share"]),
        other=st.integers(-2, 2),
    )
    def press(
        self,
        asked: tuple[int, Query],
        scope: tuple[str, ...],
        audience: Audience,
        presser: str,
        private: bool,
        button: str,
        other: int,
    ) -> None:
        token, question = asked
        token += 0 if abs(other) < 2 else other  # a number that somebody made up
        place = None if private else scope[0]
        pressing = Query(scope if private else scope[:1], "", audience, asker=presser, place=place)
        try:
            if button == "more":
                answer = self.wait(self.at.memory.page(token, pressing, 1))
            elif button == "nearest":
                answer = self.wait(self.at.memory.nearest(token, pressing))
            elif button == "share":
                answer = self.wait(self.at.memory.share(token, pressing, range(1, 9)))
            else:
                answer = self.wait(self.at.memory.page(token, pressing, 0))
                for hit in answer.hits[:1]:
                    like = replace(pressing, like=hit.photo.ref)
                    self.check(self.wait(self.at.memory.find(like)), pressing)
        except AnswerGone:
            return
        self.check(answer, pressing)
        if token != asked[0]:
            return
        if button == "share":
            assert question.place is None
            assert presser == question.asker, "a private answer is its asker's"
        else:
            assert question.place == place, "an answer belongs to the place where it was given"
            assert place is not None or presser == question.asker

    @rule(scope=scopes, audience=audiences)
    def list_names(self, scope: tuple[str, ...], audience: Audience) -> None:
        query = Query(scope, "", audience)
        known = self.wait(self.at.memory.names.of(scope, audience))
        self.nothing_of_others(repr(known), query)
        seen = {post for name in known for post in [self.canaries[name.name]]}
        assert all(may_see(post, scope, audience) for post in seen)

    @rule(group=st.sampled_from(GROUPS[:2]), audience=audiences)
    def counts_are_of_what_is_seen(self, group: str, audience: Audience) -> None:
        (status,) = self.wait(self.at.memory.groups.status(group, audience))
        everything = Query((group,), "after:2020", audience, top=99)
        there = self.wait(self.at.memory.find(everything))
        shown = [each for hit in there.hits for each in (hit, *hit.copies)]
        assert status.photos == len(shown)
        assert all(
            may_see(self.canaries[each.photo.post.message], (group,), audience) for each in shown
        )

    def check(self, answer: Answer, asked: Query) -> None:
        for hit in (*answer.hits, *answer.spare, *answer.rest):
            for each in (hit, *hit.copies):
                post = self.canaries[each.photo.post.message]
                assert may_see(post, asked.groups, asked.audience)
        words = asked.words
        # The question itself is said again to who asked it, or to those it was asked before.
        said = repr((answer.hint, answer.notice, answer.hits, answer.spare, answer.rest))
        self.nothing_of_others(said.replace(words, "") if words else said, asked)

    def nothing_of_others(self, said: str, asked: Query) -> None:
        for canary, post in self.canaries.items():
            if canary in said and not may_see(post, asked.groups, asked.audience):
                note(said)
                raise AssertionError(f"{canary} got to {asked.groups}, {asked.audience}")


def test_nothing_gets_through_whatever_happens(rooms: Rooms) -> None:
    run_state_machine_as_test(  # it asks for a class, and calls it
        partial(Walls, rooms),  # type: ignore[arg-type]
        settings=settings(
            max_examples=so_many(WORLDS // 2, rooms),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


@pytest.mark.parametrize("private", [True, False])
async def test_an_answer_of_another_group_leads_nowhere(memory_url: str, private: bool) -> None:
    post = Posted(1, "t:a", "one", "ann", "cake", 1)
    async with box(memory_url, World([post])) as at:
        asked = Query(("t:a",), "cake", EVERYONE, asker="ann", place=None if private else "t:a")
        token = (await at.memory.find(asked)).token
        assert token is not None
        assert (await at.memory.page(token, asked, 0)).hits
        for query in (
            replace(asked, groups=("t:b",), place="t:b"),
            replace(asked, place="t:a" if private else None),
            replace(asked, asker="bob", place=None),
        ):
            for press in (
                at.memory.page(token, query, 0),
                at.memory.nearest(token, query),
            ):
                with pytest.raises(AnswerGone):
                    await press
