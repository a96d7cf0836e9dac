"""Compares two memories record by record."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

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
    numbers = ("posts", ids.posts, others.posts), ("photos", ids.photos, others.photos)
    for what, here, there in numbers:
        if len(here) != len(there):
            found.tell(f"the group {key}: {len(here)} {what} here and {len(there)} there")
    async with (
        aclosing(ahead(one, key, ids.posts.tolist())) as parts,
        aclosing(ahead(other, key, others.posts.tolist())) as other_parts,
    ):
        async for posts in parts:
            posts_there: list[PostRecord] = await anext(other_parts, [])
            for post, same in zip(posts, posts_there, strict=False):
                _compare_posts(key, post, same, found)
            photos, photos_there = _ids_of(posts), _ids_of(posts_there)
            if len(photos) == len(photos_there):
                order = np.searchsorted(ids.photos, photos)
                if not np.array_equal(order, np.searchsorted(others.photos, photos_there)):
                    found.tell(f"the order of photos in {key}")
                pairs = zip(photos, photos_there, strict=True)
                found.renumbered.update((old, new) for old, new in pairs if old in wanted)
            found.posts += len(posts)
            found.photos += len(photos)
            progress(found.photos, total)


def _ids_of(posts: Sequence[PostRecord]) -> list[int]:
    return [photo.id for post in posts for photo in post.photos]


def _compare_posts(group: str, one: PostRecord, other: PostRecord, found: Comparison) -> None:
    if one == other:
        return
    where = f"of the message {one.message} in {group}"
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
        after = answers[-1].token
        for token in others:
            if token <= after:
                found.tell(f"the answer {token}")
        found.answers += len(answers)
    for each in await other.answers(after, ANSWERS):
        found.tell(f"the answer {each.token}")


def _unlike(one: Any, other: Any) -> Iterator[str]:
    """The fields in which two records differ, by their names in words."""
    for each in fields(one):
        if each.compare and getattr(one, each.name) != getattr(other, each.name):
            yield each.name.replace("_", " ")
