"""Ids of photos and posts, which hold their group's: whoever has one knows where to look."""

from __future__ import annotations

from collections.abc import Iterable

SHIFT = 29
"""A group may be given so many bits of numbers in all its life: 537 million. With 24 bits for the
group an id stays below 2**53, which is exact in every language that reads it."""

LAST_GROUP = 2**24 - 1


def id_of(group: int, number: int) -> int:
    """The id of a group's photo or post with that number."""
    return group << SHIFT | number


def group_of(id_: int) -> int:
    """The group that a photo or post is in; 0, which none is, of what can't be an id."""
    group = id_ >> SHIFT
    return group if 0 < group <= LAST_GROUP else 0


def groups_of(ids: Iterable[int]) -> list[int]:
    """The groups that these are in, each once."""
    return sorted({group_of(each) for each in ids})
