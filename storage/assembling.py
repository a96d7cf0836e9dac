"""Rows of a memory, whichever database they come from -> the records of its photos and posts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.photos import PhotoRef
from storage.records import (
    AnswerPhoto,
    AnswerRecord,
    JobRecord,
    NameRecord,
    PhotoRecord,
    PostRecord,
    ReplyRecord,
)

PHOTO = "id, post_id, platform, key, locator, name, refused, final"
POST = (
    "id, channel, message, author, author_name, posted_at, caption, album, link, spoiler, protected"
)
HANGING = {
    "texts": "caption, text",
    "fingerprints": "value",
    "thumbnails": "jpeg",
    "jobs": "task, attempts, due, reason, since",
    "vectors": "model_id, vector",
    "unseen": "model_id, reason",
    "replies": "message, text, author",
    "names": "key, written, giver",
}
"""What hangs on photos, table by table, and its columns."""
ORDERS = {"jobs": "task", "vectors": "model_id", "unseen": "model_id", "replies": "id"}
"""What a photo's rows are sorted by, where there can be several; else by the first column."""


def order_of(table: str) -> str:
    return ORDERS.get(table, HANGING[table].partition(",")[0])


@dataclass(slots=True)
class Hanging:
    """What hangs on some photos: rows by photo, table by table, without the photo's id."""

    tables: dict[str, dict[int, list[tuple[Any, ...]]]] = field(default_factory=dict)

    def add(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Rows that begin with the photo's id, in the order in which they are to be."""
        found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for photo, *row in rows:
            found[photo].append(tuple(row))
        self.tables[table] = found

    def of(self, table: str, photo: int) -> list[tuple[Any, ...]]:
        return self.tables[table].get(photo, [])

    def first(self, table: str, photo: int) -> tuple[Any, ...] | None:
        rows = self.of(table, photo)
        return rows[0] if rows else None


def photo_record(row: Sequence[Any], hanging: Hanging, models: Mapping[int, str]) -> PhotoRecord:
    """`row` as PHOTO has it; vectors are float16 already."""
    id_, _, platform, key, locator, name, refused, final = row
    look, thumbnail = hanging.first("fingerprints", id_), hanging.first("thumbnails", id_)
    return PhotoRecord(
        id=id_,
        ref=PhotoRef(platform, key, locator, name),
        refused=refused,
        final=bool(final),
        words=hanging.first("texts", id_),
        look=None if look is None else bytes(look[0]),
        thumbnail=None if thumbnail is None else bytes(thumbnail[0]),
        jobs=tuple(JobRecord(*job) for job in hanging.of("jobs", id_)),
        vectors=tuple((models[model], vector) for model, vector in hanging.of("vectors", id_)),
        unseen=tuple((models[model], reason) for model, reason in hanging.of("unseen", id_)),
        replies=tuple(ReplyRecord(*reply) for reply in hanging.of("replies", id_)),
        names=tuple(NameRecord(*name) for name in hanging.of("names", id_)),
    )


def post_record(
    row: Sequence[Any], posted_at: datetime, photos: Sequence[PhotoRecord]
) -> PostRecord:
    """`row` as POST has it."""
    id_, channel, message, author, author_name, _, *rest = row
    caption, album, link, spoiler, protected = rest
    return PostRecord(
        id=id_,
        channel=channel,
        message=message,
        author=author,
        author_name=author_name,
        posted_at=posted_at,
        caption=caption,
        album=album,
        link=link,
        spoiler=bool(spoiler),
        protected=bool(protected),
        photos=tuple(photos),
    )


def answer_records(
    answers: Iterable[Sequence[Any]], photos: Iterable[Sequence[Any]]
) -> list[AnswerRecord]:
    """`answers`: token, group, asker, words, time; `photos`: a token, then an AnswerPhoto's."""
    shown: dict[int, list[AnswerPhoto]] = defaultdict(list)
    for token, *photo in photos:
        shown[token].append(AnswerPhoto(*photo))
    return [
        AnswerRecord(token, group, asker, words, given_at, tuple(shown.get(token, ())))
        for token, group, asker, words, given_at in answers
    ]
