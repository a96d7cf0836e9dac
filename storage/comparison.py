"""Compares two memories record by record."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from typing import Any

from storage.records import PostRecord
from storage.relocation import ANSWERS, Progress, ahead
from storage.sides import Reader

TOLD = 20
"""Differences that are told one by one."""


@dataclass(slots=True)
class Comparison:
    """What was compared, and how it differs."""

    groups: int = 0
    posts: int = 0
    photos: int = 0
    answers: int = 0
    differences: int = 0
    told: list[str] = field(default_factory=list)
    """The first of them, a line each."""
    renumbered: dict[int, int] = field(default_factory=dict)
    """Of the photos that were asked for: their ids in the one memory and in the other."""

    def tell(self, difference: str) -> None:
        self.differences += 1
        if len(self.told) < TOLD:
            self.told.append(difference)


async def compare(
    one: Reader, other: Reader, progress: Progress, wanted: Collection[int] = ()
) -> Comparison:
    """Everything but ids, and how precise embeddings are. `wanted`: photos whose ids in the other
    memory are to be told. Raises StoreError."""
    found = Comparison()
    for what in _unlike(await one.memory(), await other.memory()):
        found.tell(f"{what} of the memory")
    total = await one.photos()
    groups, others = await one.groups(), await other.groups()
    if groups != others:
        found.tell(f"groups: {len(groups)} here and {len(others)} there, or others")
    progress(0, total)
    for key in groups:
        if key in others:
            await _compare_group(one, other, key, found, progress, total, frozenset(wanted))
    await _compare_answers(one, other, found)
    return found


async def _compare_group(
    one: Reader,
    other: Reader,
    key: str,
    found: Comparison,
    progress: Progress,
    total: int,
    wanted: Collection[int],
) -> None:
    found.groups += 1
    for what in _unlike(await one.group(key), await other.group(key)):
        found.tell(f"{what} of the group {key}")
    ids, others = await one.ids(key), await other.ids(key)
    for what, here, there in (
        ("posts", ids.posts, others.posts),
        ("photos", ids.photos, others.photos),
    ):
        if len(here) != len(there):
            found.tell(f"the group {key}: {len(here)} {what} here and {len(there)} there")
    # Which photo is which follows from their order, so that order is compared too.
    places = {int(there): int(here) for here, there in zip(ids.photos, others.photos, strict=False)}
    async with (
        aclosing(ahead(one, key, ids.posts.tolist())) as parts,
        aclosing(ahead(other, key, others.posts.tolist())) as other_parts,
    ):
        async for posts in parts:
            for post, there in zip_longest(posts, await anext(other_parts, [])):
                if post is not None and there is not None:
                    _compare_posts(key, post, there, places, found)
                    pairs = zip(post.photos, there.photos, strict=False)
                    found.renumbered |= {a.id: b.id for a, b in pairs if a.id in wanted}
            found.posts += len(posts)
            found.photos += sum(len(post.photos) for post in posts)
            progress(found.photos, total)


def _compare_posts(
    group: str, one: PostRecord, other: PostRecord, places: dict[int, int], found: Comparison
) -> None:
    where = f"of the message {one.message} in {group}"
    if one == other:
        if any(places[b.id] != a.id for a, b in zip(one.photos, other.photos, strict=True)):
            found.tell(f"the order of photos {where}")
        return
    for what in _unlike(one, other):
        if what != "photos" or len(one.photos) != len(other.photos):
            found.tell(f"{what} {where}")
            continue
        for n, photos in enumerate(zip(one.photos, other.photos, strict=True), start=1):
            for what_of_it in _unlike(*photos):
                found.tell(f"{what_of_it} of photo {n} {where}")


async def _compare_answers(one: Reader, other: Reader, found: Comparison) -> None:
    after = 0
    while answers := await one.answers(after, ANSWERS):
        others = {each.token: each for each in await other.answers(after, ANSWERS)}
        for each in answers:
            if others.pop(each.token, None) != each:
                found.tell(f"the answer {each.token}")
        for token in others:
            found.tell(f"the answer {token}")
        found.answers += len(answers)
        after = answers[-1].token
    for each in await other.answers(after, ANSWERS):
        found.tell(f"the answer {each.token}")


def _unlike(one: Any, other: Any) -> Iterator[str]:
    """The fields in which two records differ, by their names in words."""
    for each in fields(one):
        if each.compare and getattr(one, each.name) != getattr(other, each.name):
            yield each.name.replace("_", " ")


