"""Whoever watches over the bot sees whether all is well, over real HTTP, and nothing that anybody
said or showed."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters import monitoring
from adapters.monitoring import Monitor
from bot.checkup import checkup
from bot.decoder import Decoder
from bot.errors import FetchFailed, NotAPhoto, PhotoGone, StoreError
from bot.health import Report, Watch
from bot.lock import IndexerLock
from bot.metrics import Asked, Failure
from bot.model_state import ModelState, Stage
from bot.photos import PhotoRef, Post, Task, Totals, Waiting
from bot.pulse import STUCK_SECONDS, Pulse
from bot.sandbox import SandboxBroken
from bot.settings import Settings
from storage.sqlite import SqliteStore
from tests.discordbot import working
from tests.pictures import photo
from tests.standins.discord import DiscordStandin
from tests.standins.telegram import TelegramWorld
from tests.telegram import ROOT, bot_process, serving, until
from tests.test_whole_path import free_port

DASHBOARD = ROOT / "deploy" / "grafana" / "shoebox.json"
CANARIES = ("Zwiebelkuchen", "Zwiebelbande", "Zwiebelfrau", "zwiebel.txt")
WELL = Report((), Stage.READY, None, ("m", "f"), {"web": True}, {}, Totals(1, 0, 1), 0)
Samples = dict[tuple[str, ...], float]


async def ask(port: int, raw: bytes) -> tuple[int, bytes]:
    """Status and body of what is answered to these bytes; 0: nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        answer = await reader.read()
    except ConnectionError:  # told before all was read
        answer = b""
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else 0), body


async def get(port: int, path: str, host: str = "localhost") -> tuple[int, bytes]:
    return await ask(port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


async def scraped(port: int) -> Samples:
    """What there is, by its name and the values of its labels."""
    status, body = await get(port, "/metrics")
    assert status == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


async def health(port: int) -> tuple[int, dict[str, object]]:
    try:
        status, body = await get(port, "/healthz")
    except OSError:
        return 0, {}
    return status, json.loads(body)


def promql_names(expression: str) -> set[str]:
    """The metrics in an expression: what is neither a label, a function nor a word of PromQL."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)", " ", expression)
    return set(re.findall(r"[A-Za-z_]\w*(?!\w*\s*\()(?![\w])", bare))


def test_what_is_a_metric_in_an_expression_is_known() -> None:
    told = 'histogram_quantile(0.5, sum by (le) (rate(a_b{c=~"$d"}[$__rate_interval]))) - time()'
    assert promql_names(told) == {"a_b"}


async def test_a_running_bot_is_watched(tmp_path: Path) -> None:
    """Also its log, as JSON, and the dashboard: everything in its expressions is exported."""
    port, world = free_port(), TelegramWorld()
    ann, bob = world.user(CANARIES[2]), world.user("Bob")
    family = world.group(CANARIES[1], [ann, bob])
    world.add_bot(family, ann)
    chosen = {"METRICS_PORT": str(port), "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"}
    async with serving(world) as api, bot_process(tmp_path, api, **chosen) as bot:
        await world.bot_sends(family)
        world.post_photo(family, ann, photo(1), f"{CANARIES[0]} with cream")
        world.post_document(family, bob, b"no picture", CANARIES[3], "image/png")
        indexed = "shoebox_photos_indexed_total"
        async with asyncio.timeout(60):
            now = await scraped(port)
            while not (now[indexed, "embed"] and now["shoebox_photos_refused",]):
                await asyncio.sleep(0.05)
                now = await scraped(port)
        world.say(family, bob, f"/find {CANARIES[0]}")
        await world.bot_sends(family)
        status, told = await health(port)
        assert (status, told["status"], told["problems"]) == (200, "ok", []), told
        assert told["model"] == {"state": "ready", "progress": None}
        settings = Settings(database_url=f"sqlite:///{tmp_path}/data/shoebox.db")
        assert await asyncio.to_thread(checkup, replace(settings, metrics_port=port)) == (
            True,
            "all is well",
        )

        now = await scraped(port)
        assert now["shoebox_healthy",] == now["shoebox_adapter_up", "telegram"] == 1
        assert now["shoebox_photos",] == now["shoebox_groups",] == 1
        assert now["shoebox_photos_refused",] == now["shoebox_errors_total", "not_a_photo"] == 1
        assert now["shoebox_photos_waiting", "embed"] == 0
        assert all(("shoebox_oldest_waiting_seconds", task) in now for task in Task)
        assert now[indexed, "fingerprint"] >= 1  # before there was a model, and along with it
        assert now["shoebox_query_seconds_count", "find"] == 1
        assert now["shoebox_model_state", "ready"] == 1
        assert now["process_resident_memory_bytes",] > 50e6
        names = {name for name, *_ in now}
        for target in targets(json.loads(DASHBOARD.read_text())):
            assert promql_names(target["expr"]) <= names, target
            assert promql_names(target["expr"]), "it shows something"

        _, body = await get(port, "/metrics")
        _, well = await get(port, "/healthz")
        for part in (*CANARIES, api.state.token, api.state.token.partition(":")[2]):
            assert part.encode() not in body + well

        await api.stop()
        async with asyncio.timeout(20):
            while (await health(port))[0] != 503:
                await asyncio.sleep(0.05)
        _, told = await health(port)
        assert told["problems"] == ["telegram is not connected"]
        assert (await scraped(port))["shoebox_adapter_up", "telegram"] == 0
        assert not (await asyncio.to_thread(checkup, replace(settings, metrics_port=port)))[0]
        await bot.kill()  # it would wait for Telegram to say goodbye

    said = [json.loads(line) for line in bot.said]
    assert {"timestamp", "level", "logger", "event"} <= said[0].keys()
    (refused,) = [line for line in said if "is not kept" in line["event"]]
    assert refused["photo"] in (1, 2)
    assert {line["logger"].partition(".")[0] for line in said} > {"bot", "adapters"}, "libraries'"
    for part in CANARIES:
        assert part not in "".join(bot.said), "ids, not what people said"


def targets(dashboard: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[dict[str, str]]:
    return [target for panel in dashboard["panels"] for target in panel["targets"]]


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert isinstance(board["schemaVersion"], int)
    assert isinstance(board["title"], str)
    assert "id" not in board, "Grafana gives one"
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert variables["instance"]["datasource"] == source
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert panel["type"] in ("stat", "timeseries", "state-timeline")
        assert panel["datasource"] == source
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, "panels don't cover each other"
        taken |= cells
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)
        assert all(target["datasource"] == source for target in panel["targets"])
        assert {"defaults", "overrides"} <= panel["fieldConfig"].keys()
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board)))
    assert used == {*variables, "__rate_interval"}


@asynccontextmanager
async def monitored(
    look: Callable[[], Report] = lambda: WELL, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """A server of the bot's alone, at a port."""

    async def looking() -> Report:
        return look()

    port = free_port()
    async with Monitor(Settings(metrics_host=host, metrics_port=port)).serving(looking):
        yield port


async def test_who_does_not_speak_http_gets_nothing_and_disturbs_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(monitoring, "SECONDS", 0.2)
    async with monitored() as port:
        for raw, status in (
            (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", (431, 0)),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", (431, 0)),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (400,)),
            (b"GET /metrics HTTP/1.1\r\n\r\n", (400,)),
            (b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n", (400,)),
            (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n", (405,)),
            (b"DELETE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", (405,)),
            (b"GET /../.env HTTP/1.1\r\nHost: localhost\r\n\r\n", (404,)),
            (b"GET /metrics HTT", (0,)),  # and nothing more
            (b"", (0,)),
        ):
            assert (await ask(port, raw))[0] in status, raw[:40]
            assert (await get(port, "/healthz"))[0] == 200
        assert (await get(port, "/metrics?x=1", "127.0.0.1:9464"))[0] == 200


async def test_many_who_are_slow_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "MOST", 3)
    monkeypatch.setattr(monitoring, "SECONDS", 0.3)
    async with monitored() as port:
        slow = [asyncio.create_task(ask(port, b"GET")) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert (await get(port, "/healthz"))[0] == 0, "shown the door"
        assert await asyncio.gather(*slow) == [(0, b"")] * 3
        assert (await get(port, "/healthz"))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9464", "127.0.0.1.evil.example"])
async def test_a_page_of_elsewhere_can_t_ask_by_rebinding_its_name(host: str) -> None:
    async with monitored() as port:
        assert await get(port, "/metrics", host) == (421, b"This address is not served here.\n")
    async with monitored(host="0.0.0.0") as port:  # opened on purpose: whoever is let in may ask
        assert (await get(port, "/metrics", host))[0] == 200


async def test_a_port_that_is_taken_stops_nothing_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def looking() -> Report:
        return WELL

    async with monitored() as port:
        chosen = Settings(metrics_port=port, database_url=f"sqlite:///{tmp_path}/box.db")
        async with Monitor(chosen).serving(looking):
            (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
            assert f"127.0.0.1:{port} is taken: set METRICS_PORT" in warning.getMessage()
            assert (await get(port, "/healthz"))[0] == 200, "the first one's"
        assert await asyncio.to_thread(checkup, chosen) == (
            False,
            f"no bot runs on {tmp_path}/box.db",
        )
        with IndexerLock(chosen.database_path):
            (tmp_path / "box.db.pid").write_text("1")
            well, line = await asyncio.to_thread(checkup, chosen)
            assert not well
            assert "another program than this bot (process 1) answers" in line, "two bots"
        async with Monitor(replace(chosen, metrics_port=0)).serving(looking):
            assert not (await asyncio.to_thread(checkup, replace(chosen, metrics_port=0)))[0]
    with IndexerLock(chosen.database_path):
        assert "does not answer" in (await asyncio.to_thread(checkup, chosen))[1]


async def test_why_it_is_not_well() -> None:
    report = replace(
        WELL, problems=("the database can't be read",), totals=None, stage=Stage.DOWNLOADING,
        progress=0.4, model=None,
    )  # fmt: skip
    async with monitored(lambda: report) as port:
        status, told = await health(port)
        assert (status, told["status"]) == (503, "failing")
        assert told["problems"] == ["the database can't be read"]
        assert told["model"] == {"state": "downloading", "progress": 0.4}
        now = await scraped(port)
        assert now["shoebox_healthy",] == 0
        assert now["shoebox_model_progress_ratio",] == 0.4
        assert ("shoebox_photos",) not in now, "what isn't known is not there"


def spoil(database: Path) -> None:
    """As far as watching goes."""
    with closing(sqlite3.connect(database)) as db:
        db.execute("DROP TABLE jobs")


class Chat:
    platform = "shelf"
    up = True


async def test_what_has_to_be_well(tmp_path: Path) -> None:
    """While a model is loading all is well, since words find; but not where a loop has ended."""
    now = [0.0]
    pulse, chat, model = Pulse(lambda: now[0]), Chat(), ModelState("m")
    chats: list[Chat] = []

    async def loop(ends: bool) -> None:
        with pulse.beating():
            pulse.round(well=not ends)
            if not ends:
                await asyncio.Event().wait()

    async with SqliteStore(tmp_path / "box.db") as store:
        watch = Watch(store, model, Decoder(), pulse, chats)
        embedding = asyncio.create_task(loop(ends=False), name="embed")
        assert (await watch.look()).problems == ("no chat is open yet",)
        chats.append(chat)
        report = await watch.look()
        assert (report.problems, report.stage) == ((), Stage.LOADING)
        model.loaded = 40, 1500
        assert ((report := await watch.look()).stage, report.progress) == (Stage.DOWNLOADING, 0.4)
        model.loaded, model.problem = None, "no"
        assert ((report := await watch.look()).stage, report.problems) == (Stage.MISSING, ())
        now[0] = STUCK_SECONDS + 1
        assert (await watch.look()).problems == ("indexing (embed) hangs",)
        await asyncio.create_task(loop(ends=True), name="read")
        embedding.cancel()
        await asyncio.gather(embedding, return_exceptions=True)
        chat.up = False
        assert (await watch.look()).problems == (
            "indexing (embed) has ended",
            "indexing (read) has ended",
            "shelf is not connected",
        )
        spoil(tmp_path / "box.db")
        report = await watch.look()
        assert report.problems[0] == "the database can't be read"
        assert report.totals is None


async def test_a_loop_that_fails_says_so_until_it_works_again() -> None:
    pulse = Pulse()
    with pulse.beating():
        pulse.round(well=False)
        assert len(pulse.problems) == 1
        assert pulse.problems[0].endswith("fails")
        pulse.round(well=True)
        assert pulse.problems == []


async def test_how_long_photos_wait(tmp_path: Path) -> None:
    """What was put off until later is counted, but has not waited before then."""
    ahead = [0.0]
    async with SqliteStore(tmp_path / "box.db", lambda: time.time() + ahead[0]) as store:
        assert await store.backlog.waiting() == dict.fromkeys(Task, Waiting())
        ref = PhotoRef("x", "k", "k", "n")
        post = Post("g", "c", "1", "a", "Ann", datetime(2001, 1, 1, tzinfo=UTC), (ref,), "")
        (added,) = (await store.remember(post)).added
        assert await store.totals() == Totals(1, 0, 1)
        ahead[0] = 100.0
        waiting = await store.backlog.waiting()
        assert waiting[Task.READ].photos == 1
        assert 100 <= waiting[Task.READ].oldest < 130, "since it was remembered, not posted"
        until = datetime.fromtimestamp(time.time() + 1000, UTC)
        await store.postpone(added, Task.READ, until, "away")
        assert (await store.backlog.waiting())[Task.READ] == Waiting(1, 0.0, 1)
        ahead[0] = 1050.0
        waiting = await store.backlog.waiting()
        assert 45 <= waiting[Task.READ].oldest < 80
        assert waiting[Task.READ].later == 0, "its time has come"
        await store.refuse(added, "no photo", final=True)
        assert await store.backlog.waiting() == dict.fromkeys(Task, Waiting())
        assert await store.totals() == Totals(0, 1, 1)


async def test_what_the_database_refuses_is_counted(tmp_path: Path) -> None:
    told: list[StoreError] = []
    async with SqliteStore(tmp_path / "box.db", refused=told.append) as store:
        spoil(tmp_path / "box.db")
        with pytest.raises(StoreError) as error:
            await store.backlog.waiting()
    assert told[0] is error.value
    assert Failure.of(told[0]) is Failure.STORE


async def test_everything_is_counted_under_its_kind() -> None:
    monitor = Monitor(Settings(metrics_port=free_port()))
    for error in (PhotoGone("x"), FetchFailed("x"), NotAPhoto("x"), SandboxBroken("x")):
        monitor.meter.failed(error)
    monitor.meter.failed(KeyError("x"))
    for asked in Asked:
        monitor.meter.answered(asked, 0.2)
    said = monitor.meter.exposition(replace(WELL, progress=0.4)).decode()
    for documented in set(re.findall(r"\bshoebox_\w+", (ROOT / "docs/monitoring.md").read_text())):
        assert f"\n# TYPE {documented} " in said
    for kind in set(Failure) - {Failure.STORE}:
        assert f'shoebox_errors_total{{kind="{kind}"}} 1.0' in said
    for asked in Asked:
        assert f'shoebox_query_seconds_bucket{{le="0.25",query="{asked}"}} 1.0' in said
        assert f'shoebox_query_seconds_bucket{{le="0.1",query="{asked}"}} 0.0' in said


async def test_discord_is_up_as_long_as_it_can_be_heard(tmp_path: Path) -> None:
    world = DiscordStandin()
    async with AsyncExitStack() as stack:
        standing = AsyncExitStack()
        url = await standing.enter_async_context(world.serving())
        at = await stack.enter_async_context(working(tmp_path, world, url))
        assert not at.chat.up, "it comes"
        await until(lambda: at.chat.up)
        await standing.aclose()
        await until(lambda: not at.chat.up)
    assert not at.chat.up
