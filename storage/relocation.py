"""Moves a memory from one database to another, piece by piece, and goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from bot.errors import StoreError
from storage.records import PostRecord
from storage.sides import Place, Reader, Writer

POSTS = 512
"""Of a transaction."""
ANSWERS = 256

Progress = Callable[[int, int], None]
"""Called with photos done and photos in all."""


async def relocate(source: Reader, target: Writer, progress: Progress) -> None:
    """Write all of `source` into `target`, which then still says that it is not finished. Raises
    StoreError, also where something else is there or the source is no longer what it was."""
    state = await source.state()
    begun = await target.begun()
    memory = await source.memory()
    if begun is None:
        await target.begin(state, memory)
        place = Place()
    elif begun.source == state:
        place = begun.place
    else:
        raise StoreError(
            f"{target.place} holds a part of what another memory held, or this one before it "
            "changed: begin anew, with a target that is empty"
        )
    if place.settled:
        return
    place = await _move_groups(source, target, place, progress)
    place = await _move_answers(source, target, place)
    if await source.state() != state:
        raise StoreError(
            f"{source.place} has changed while it was moved: stop whatever changes it, and begin "
            "anew, with a target that is empty"
        )
    await target.settle(memory, replace(place, settled=True))


async def _move_groups(source: Reader, target: Writer, place: Place, progress: Progress) -> Place:
    total = await source.photos()
    progress(place.photos, total)
    for number, key in enumerate(await source.groups(), start=1):
        if number < place.groups:
            continue
        if number > place.groups:
            place = Place(groups=number, photos=place.photos)
            await target.add_group(await source.group(key), place)
        ids = await source.ids(key)
        rest = ids.posts[place.posts :].tolist()
        async with aclosing(ahead(source, key, rest)) as parts:
            async for posts in parts:
                photos = place.photos + sum(len(post.photos) for post in posts)
                place = replace(place, posts=place.posts + len(posts), photos=photos)
                await target.add_posts(key, posts, ids, place)
                progress(place.photos, total)
    return place


async def ahead(
    source: Reader, group: str, ids: Sequence[int]
) -> AsyncGenerator[list[PostRecord], None]:
    """Posts of a group, some at once; the next ones are read while something is done with these."""
    parts = [ids[start : start + POSTS] for start in range(0, len(ids), POSTS)]
    reading: asyncio.Task[list[PostRecord]] | None = None
    try:
        for n in range(len(parts)):
            posts = await (reading or source.posts(group, parts[n]))
            reading = None
            if n + 1 < len(parts):
                reading = asyncio.create_task(source.posts(group, parts[n + 1]))
            yield posts
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _move_answers(source: Reader, target: Writer, place: Place) -> Place:
    while answers := await source.answers(place.token, ANSWERS):
        place = replace(place, token=answers[-1].token)
        await target.add_answers(answers, place)
    return place
