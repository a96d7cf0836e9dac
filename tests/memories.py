"""A memory with all that there can be in one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import numpy as np

from bot.answers import Hit, Signal
from bot.photos import STAND_IN, Group, Model, PhotoRef, Post, Task, Vector
from bot.ports import PhotoStore

ANSWERING, COMING = Model("tiny", "f00d", 8), Model("other", "beef", 4)
FAMILY, SERVER, LEFT = "local:fam", "discord:7", "telegram:-100"
MOMENT = datetime(2024, 5, 1, 12, 30, 15, 250000, UTC)

Tokens: TypeAlias = "tuple[int, int]"


def post_of(group: str, message: str, keys: str = "a", **more: object) -> Post:
    values: dict[str, object] = {
        "group": group,
        "group_name": f"the group {group}",
        "channel": "main",
        "message": message,
        "author": "u1",
        "author_name": "Ann 安",
        "posted_at": MOMENT,
        "photos": tuple(PhotoRef("file", key, f"/p/{key}", f"{key}.jpg") for key in keys),
        "caption": f"cake {message}",
    }
    return Post(**(values | more))  # type: ignore[arg-type]


def vectors(number: int, dimension: int) -> Vector:
    found = np.random.default_rng(number).standard_normal((number, dimension)).astype(np.float32)
    unit: Vector = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


async def fill(store: PhotoStore) -> Tokens:
    """Everything: groups, albums, stand-ins, what was refused, forgotten, said, named, asked. The
    tokens of an answer to the family and of one to somebody alone."""
    await store.groups.meet(Group(FAMILY, "Family"))
    ids: list[int] = []
    for n in range(6):
        ids += (await store.remember(post_of(FAMILY, str(n)))).added
    ids += (await store.remember(post_of(FAMILY, "1", "ab"))).added  # behind newer ones
    for n, caption in enumerate(("", "an album's caption")):
        album = post_of(FAMILY, f"album{n}", "xy", album="A", caption=caption, spoiler=True)
        ids += (await store.remember(album)).added
    ref = PhotoRef("telegram", f"{STAND_IN}1", "export/photo_1.jpg")
    odd = post_of(
        SERVER, "s1", photos=(ref,), link="https://example.org/1", protected=True, author_name="\t'"
    )
    (stand_in,) = (await store.remember(odd)).added
    (gone,) = (await store.remember(post_of(LEFT, "l1"))).added
    await store.groups.leave(LEFT, MOMENT + timedelta(days=3))
    for group, person in ((FAMILY, "ann"), (FAMILY, "bob"), (SERVER, "ann")):
        await store.groups.see(group, person)
    await store.groups.take_note(SERVER, "history", '{"page": "…"}')
    await store.groups.take_note(FAMILY, "language", "zh")

    await store.models.answer(ANSWERING)
    await store.save_vectors(ANSWERING, ids[:7], vectors(7, 8))
    await store.models.expect(COMING)
    await store.save_vectors(COMING, ids[2:5], vectors(3, 4))
    await store.models.require(COMING)
    await store.models.overlook(ids[0], COMING, "its original is gone")
    await store.save_fingerprints({photo: bytes([photo % 256]) * 9 for photo in ids[:4]})
    await store.thumbnails.keep({ids[1]: b"\xff\xd8 a small copy", ids[2]: b""})
    await store.save_text(ids[0], "AKAI 汽车")
    await store.postpone(ids[7], Task.EMBED, MOMENT, "the platform says: wait")
    await store.refuse(ids[5], "the file is empty", final=True)
    await store.refuse(gone, "out of reach", final=False)

    for n in range(3):
        await store.replies.hear(FAMILY, "main", "1", f"r{n}", f"u{n}", f"how nice {n}")
    await store.replies.hear(FAMILY, "main", "album0", "r9", "u1", "the whole album")
    await store.names.give(ids[0], "goose", "The Goose", "ann")
    await store.names.give(ids[0], "cup", "cup", "bob")
    await store.names.give(ids[1], "goose", "goose", "bob")

    await store.remember(post_of(FAMILY, "secret", author="bob"))
    await store.forget(FAMILY, "main", "secret")
    await store.people.refuse("eve", True)

    photos = await store.photos([*ids, stand_in])
    hits = [
        Hit(1, photos[0], 0.1, (Signal.MEANING, Signal.NAME), "The Goose"),
        Hit(2, photos[6], 1 / 3, (Signal.CAPTION,), copies=(Hit(2, photos[2], 0.25, ()),)),
    ]
    of_family = await store.answers.keep(FAMILY, "ann", "the goose", hits)
    alone = await store.answers.keep(None, "ann", "cake", [Hit(1, photos[-1], 0.5, ())])
    await store.answers.keep(LEFT, "eve", "asked last", [])
    (last,) = (await store.remember(post_of(SERVER, "last"))).added
    await store.drop(last)  # so that more ids were given than there are
    await store.people.forget(LEFT, "eve", 10)
    return of_family, alone
