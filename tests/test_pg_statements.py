"""Every statement about groups' data names the group: that is what they can be distributed by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
import pytest
import sqlglot
from pgvector.asyncpg import register_vector
from sqlglot import exp

from bot.answers import Hit, Signal
from bot.candidates import Meant
from bot.photos import ALL, EVERYONE, Audience, Model, Only, PhotoRef, Post, Task
from storage.pg import pool
from storage.postgres import PostgresStore
from tests.documents import ROOT
from tests.test_both_stores import GROUPS, MODEL, a_background, unit

OTHER = Model("other", "cd34", MODEL.dimension)

OF_GROUPS = {
    *("posts", "photos", "jobs", "vectors", "unseen", "texts", "fingerprints", "thumbnails"),
    *("replies", "names", "people", "notes", "forgotten", "answer_photos", "counters"),
}
EVERY = "/* every group */"


def missing(sql: str) -> list[str]:
    """Tables of groups' data that a statement reads or writes without naming a group."""
    # sqlglot takes a distance for an operator on JSON, and now and then a value for a quote.
    readable = re.sub(r"\$\d+", "1", sql.replace("<#>", "-"))
    tree = sqlglot.parse_one(readable, dialect="postgres")
    found: list[str] = []
    if isinstance(tree, exp.Insert) and tree.this.find(exp.Table).name in OF_GROUPS:
        columns = [each.name for each in getattr(tree.this, "expressions", [])]
        if "group_id" not in columns:
            found.append(f"INSERT INTO {tree.this.find(exp.Table).name}")
    parts = [node for node in tree.walk() if isinstance(node, exp.Select | exp.Update | exp.Delete)]
    for part in parts:
        found += _loose(part)
    return found


def _loose(part: Any) -> list[str]:
    """Of one SELECT, UPDATE or DELETE, without those inside of it."""
    tables = {
        table.alias_or_name: table.name
        for table in _own(part, exp.Table)
        if table.name in OF_GROUPS
    }
    bound: set[str] = set()
    joined: list[tuple[str, str]] = []
    for one, other in _equal(part):
        mine = _table_of(one, tables)
        if mine is None:
            continue
        theirs = _table_of(other, tables) if isinstance(other, exp.Column) else None
        if theirs is None:
            bound.add(mine)
        else:
            joined.append((mine, theirs))
    for _ in tables:
        for one, other in joined:
            if {one, other} & bound:
                bound |= {one, other}
    return [name for alias, name in tables.items() if alias not in bound]


def _own(part: Any, kind: Any) -> Iterator[Any]:
    """Nodes that belong to this part, and not to another one inside of it."""
    for node in part.find_all(kind):
        above = node.parent
        while above is not part and not isinstance(above, exp.Select | exp.Update | exp.Delete):
            above = above.parent
        if above is part:
            yield node


def _equal(part: Any) -> Iterator[tuple[Any, Any]]:
    for each in _own(part, exp.EQ):
        yield each.left, each.right
        yield each.right, each.left
    for each in _own(part, exp.In):
        yield each.this, each.args.get("query")


def _table_of(column: Any, tables: dict[str, str]) -> str | None:
    if not isinstance(column, exp.Column) or column.name != "group_id":
        return None
    if column.table:
        return column.table if column.table in tables else None
    return next(iter(tables)) if len(tables) == 1 else None


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        ("SELECT 1 FROM photos WHERE id = $1", ["photos"]),
        ("SELECT 1 FROM photos WHERE group_id = $1 AND id = $2", []),
        (
            "SELECT 1 FROM photos JOIN posts ON posts.id = post_id WHERE photos.group_id = 1",
            ["posts"],
        ),
        (
            "SELECT 1 FROM photos JOIN posts ON posts.group_id = photos.group_id"
            " AND posts.id = post_id WHERE photos.group_id = ANY($1)",
            [],
        ),
        ("DELETE FROM texts WHERE photo_id = $1", ["texts"]),
        ("UPDATE jobs SET due = 0 WHERE group_id = $1", []),
        ("INSERT INTO names (photo_id) VALUES ($1)", ["INSERT INTO names"]),
        (
            "SELECT 1 FROM photos WHERE group_id = $1 AND id IN (SELECT photo_id FROM names)",
            ["names"],
        ),
    ],
)
def test_the_check_finds_what_it_is_for(sql: str, wrong: list[str]) -> None:
    assert missing(sql) == wrong


async def test_no_statement_lacks_the_group(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()

    async def watched(db: Any) -> None:
        await register_vector(db)
        db.add_query_logger(lambda record: asked.add(record.query))

    monkeypatch.setattr(pool, "register_vector", watched)
    async with PostgresStore(postgres_url, indexed_from=20) as store:
        await use_everything(store)
    said = [sql for sql in asked if "pg_catalog" not in sql]  # the driver asks for types
    ours = [sql for sql in said if any(table in sql for table in OF_GROUPS)]
    assert len(ours) > 80, "most of what a memory says was said"
    wrong = {sql: missing(sql) for sql in ours if EVERY not in sql}
    assert not {sql: tables for sql, tables in wrong.items() if tables}


# --- what docs/scaling.md says of Citus

CITUS = """
CREATE FUNCTION create_reference_table(tab regclass) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION create_distributed_table(tab regclass, col text, colocate_with text)
    RETURNS void LANGUAGE sql AS '';
"""
"""It is not here: of its two functions only that their tables exist is checked."""


def said_of_citus() -> str:
    """The statements, as they stand there."""
    page = (ROOT / "docs/scaling.md").read_text("utf-8")
    (sql,) = re.findall(r"^```sql\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return str(sql)


async def test_citus_is_told_of_each_table_once(postgres_url: str) -> None:
    """Divided by group is what has the group in its key."""
    db = await asyncpg.connect(postgres_url)
    try:
        found = await db.fetch(
            "SELECT relname, EXISTS (SELECT 1 FROM pg_index JOIN pg_attribute"
            " ON attrelid = pg_class.oid AND attnum = ANY(indkey) WHERE indrelid = pg_class.oid"
            " AND indisprimary AND attname = 'group_id' AND attnotnull) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition"
        )
    finally:
        await db.close()
    tables = {str(name): bool(of_groups) for name, of_groups in found}
    assert tables.pop("schema_version") is False, "it stays where it is, and the page says so"
    whole = re.findall(r"create_reference_table\('(\w+)'\)", said_of_citus())
    divided = re.findall(r"create_distributed_table\('(\w+)', 'group_id'", said_of_citus())
    assert sorted(whole + divided) == sorted(tables)
    assert set(divided) == {name for name, of_groups in tables.items() if of_groups} == OF_GROUPS


async def test_the_statements_for_citus_are_sql_and_leave_a_memory(postgres_url: str) -> None:
    db = await asyncpg.connect(postgres_url)
    try:
        await db.execute(CITUS + said_of_citus())
        ties = await db.fetch(
            "SELECT conrelid::regclass::text, confrelid::regclass::text, confupdtype::text,"
            " (SELECT array_agg(attname::text) FROM pg_attribute"
            " WHERE attrelid = conrelid AND attnum = ANY(conkey))"
            " FROM pg_constraint WHERE contype = 'f'"
        )
        kinds = await db.fetch(
            "SELECT relname, atttypid::regtype::text FROM pg_attribute"
            " JOIN pg_class ON pg_class.oid = attrelid WHERE attidentity <> '' AND relkind = 'r'"
        )
    finally:
        await db.close()
    assert ("vectors", "photos") in {(each[0], each[1]) for each in ties}
    for table, referred, on_update, columns in ties:
        assert on_update == "a", f"{table}: Citus refuses to change what it distributes by"
        assert referred not in OF_GROUPS or (table in OF_GROUPS and "group_id" in columns)
    assert {kind for _, kind in kinds} == {"bigint"}
    now, random_ = datetime.now(UTC), np.random.default_rng(5)
    async with PostgresStore(postgres_url) as store:
        await store.models.answer(MODEL)
        (photo,) = (await store.remember(a_post(1, now))).added
        vector = unit(random_)
        await store.save_vectors(MODEL, [photo], vector[None])
        found = await store.search([GROUPS[1]], EVERYONE, ["cake"], [vector], MODEL, 3)
        assert found.total == 1
        await store.groups.erase(GROUPS[1])
        assert (await store.totals()).photos == 0


async def use_everything(store: PostgresStore) -> None:
    """Every verb at least once, with something to do."""
    random_ = np.random.default_rng(5)
    query, now = unit(random_), datetime.now(UTC)
    ids: list[int] = []
    for n in range(60):
        ids += (await store.remember(a_post(n, now))).added
    everyone, few = EVERYONE, Audience(frozenset({"c0", "c1"}), protected=False)
    await store.models.answer(MODEL)
    for task in Task:
        await store.take(task, 5, [ids[0]], Task.READ)
        await store.take(task, 5, [])
    await store.save_vectors(MODEL, ids, np.stack([unit(random_) for _ in ids]))
    await store.tend()
    await store.save_text(ids[1], "akai")
    await store.save_fingerprints({ids[1]: b"12345678"})
    await store.thumbnails.keep({ids[1]: b"small", ids[2]: b"small"})
    await store.thumbnails.of(ids[1])
    await store.thumbnails.drop(1)
    await store.names.give(ids[2], "goose", "Goose", "ann")
    await store.replies.hear(GROUPS[0], "c0", "0", "r1", "bob", "hello")
    await store.replies.heard(GROUPS[0], "c0", ["r1"])
    background = a_background(random_)
    holding = Only(holding=("cake",), authors=frozenset({"ann"}), after=now - timedelta(days=90))
    for audience in (everyone, few):
        for only in (ALL, holding):
            for vectors in ([], [query], [query, query]):
                await store.search(
                    *(GROUPS, audience, ["cake"], vectors, MODEL, 5, only, Meant(("goose",))),
                    background=background,
                )
    await store.scopes.people(GROUPS, few)
    await store.scopes.cosines(GROUPS, few, query, MODEL)
    await store.scopes.newest(GROUPS, few, holding, 5)
    await store.scopes.anniversaries(GROUPS, few, [(now.month, now.day)])
    await store.tallies.months(GROUPS, few)
    await store.tallies.posters(GROUPS, few, 3)
    await store.vector_of(GROUPS, PhotoRef("file", "k3", ""), MODEL)
    await store.looks(ids, MODEL)
    shown = await store.photos(ids[:5])
    await store.posted(GROUPS[0], "c0", "0")
    await store.copies(GROUPS[0], PhotoRef("file", "k0", ""))
    await store.unfinished(ids)
    await store.totals()
    await store.prove_sound(1)
    await store.prove_writable()
    hits = [Hit(1, shown[0], 0.5, (Signal.NAME,), "Goose")]
    for place in (GROUPS[0], None):
        token = await store.answers.keep(place, "ann", "cake", hits)
        await store.answers.page(token, place, "ann", GROUPS, few, 0)
    await store.answers.asked("ann", "c", 5)
    await store.names.of(GROUPS, few)
    await store.names.vector(ids[2], MODEL)
    await store.names.take_back(GROUPS[0], everyone, "goose", "ann")
    await store.postpone(ids[4], Task.READ, now, "no network")
    await store.refuse(ids[5], "a video", final=False)
    await store.backlog.waiting()
    for each in await store.backlog.failures(5, 5):
        await store.backlog.retry_all(each.kind)
    await store.backlog.retry(ids)
    await store.models.expect(OTHER)
    await store.models.require(OTHER)
    await store.models.overlook(ids[6], OTHER, "gone")
    await store.remember(a_post(6, now))
    await store.save_vectors(OTHER, ids, np.stack([query for _ in ids]))
    await store.models.succeed(OTHER)
    await store.models.clear(5)
    await store.groups.see(GROUPS[0], "ann")
    await store.groups.of("ann")
    await store.groups.present("discord:")
    await store.groups.take_note(GROUPS[0], "language", "zh")
    await store.groups.note(GROUPS[0], "language")
    await store.groups.noted("language")
    await store.groups.take_note(GROUPS[0], "language", None)
    await store.groups.status(GROUPS[0], few)
    await store.groups.status()
    await store.stand_ins.posted_at(GROUPS[0], "ann", now)
    await store.stand_ins.settle(a_post(99, now), "c1")
    await store.knows(GROUPS[0], "c0", "0")
    await store.channels(GROUPS[0])
    await store.revise(GROUPS[0], "c0", "0", "another cake", ["other"])
    await store.replies.unsay(GROUPS[0], "c0", ["r1"])
    await store.forget(GROUPS[0], "c2", "2")
    await store.drop(ids[8])
    await store.forget_channel(GROUPS[0], "c1")
    await store.forget_older(now - timedelta(days=50), 5)
    await store.people.photos_of(GROUPS[0], "ann")
    await store.people.refuse("bob", True)
    await store.people.refuses("bob")
    await store.people.forget(GROUPS[0], "ann", 3)
    await store.groups.move(GROUPS[1], GROUPS[0])
    await store.groups.leave(GROUPS[0], now)
    await store.groups.erase_left(now)
    await store.groups.erase(GROUPS[0])


def a_post(n: int, now: datetime) -> Post:
    ref = PhotoRef("file", f"k{n}", f"/p/{n}", f"{n}.jpg")
    at = now - timedelta(days=n)
    album = "album" if n < 4 else ""
    return Post(*(GROUPS[n % 2], f"c{n % 3}", str(n), "ann", "Ann", at, (ref,), f"cake {n}", album))
