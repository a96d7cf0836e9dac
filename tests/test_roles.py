"""Roles as processes: gateways take part in chats, encoders look at photos; with one memory in
PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bot import settings
from bot.__main__ import main
from bot.errors import SettingsError
from bot.roles import Role, make_sure
from bot.settings import from_mapping
from tests.pictures import photo
from tests.standins.telegram import TelegramWorld
from tests.telegram import bot_process, serving
from tests.test_monitoring import health
from tests.test_whole_path import free_port

SECRET = "a-secret-of-the-test's-own"
POSTGRES = "postgresql://ann:canary%40word@10.0.0.9:5433/box"


async def ask(url: str, sql: str) -> Any:
    db = await asyncpg.connect(url)
    try:
        return await db.fetchval(sql)
    finally:
        await db.close()


async def looked_at(url: str, photos: int) -> None:
    """So many photos are there, and nothing waits."""
    async with asyncio.timeout(90):
        while True:
            embedded = await ask(url, "SELECT count(*) FROM vectors")
            if embedded == photos and not await ask(url, "SELECT count(*) FROM jobs"):
                return
            await asyncio.sleep(0.1)


async def test_gateways_and_encoders_share_a_memory(postgres_url: str, tmp_path: Path) -> None:
    """Encoders without a token get photos from a gateway. When the gateway that polls is killed the
    other one takes over; when an encoder is, what it had begun is done by the next."""
    world, ports = TelegramWorld(), [free_port() for _ in range(3)]
    ann = world.user("Ann")
    family = world.group("Family", [ann])
    world.add_bot(family, ann)
    shared = {"DATABASE_URL": postgres_url, "GATEWAY_SECRET": SECRET}
    one = {**shared, "GATEWAY_LISTEN": f"127.0.0.1:{ports[0]}"}
    other = {**shared, "GATEWAY_LISTEN": f"127.0.0.1:{ports[1]}"}
    urls = ",".join(f"http://127.0.0.1:{port}" for port in ports[:2])
    looks = {**shared, "TELEGRAM_TOKEN": "", "GATEWAY_URL": urls, "METRICS_PORT": str(ports[2])}
    async with (
        serving(world) as api,
        bot_process(tmp_path, api, "run", "--role", "gateway", **one) as first,
    ):
        await world.bot_sends(family, timeout=60)
        world.post_photo(family, ann, photo(1), "cake")
        async with (
            bot_process(tmp_path, api, "run", "--role", "gateway", **other) as second,
            bot_process(tmp_path, api, "run", "--role", "encoder", **looks) as encoder,
        ):
            await looked_at(postgres_url, 1)
            status, told = await health(ports[2])
            assert (status, told["adapters"], told["problems"]) == (200, {}, [])
            await second.says("is here")
            await first.kill()
            world.post_photo(family, ann, photo(2), "another cake")
            world.say(family, ann, "/find cake")
            await world.bot_sends(family, 3, timeout=60)
            await looked_at(postgres_url, 2)
            await encoder.kill()
            world.post_photo(family, ann, photo(3), "third cake")
            async with bot_process(tmp_path, api, "run", "--role", "encoder", **looks):
                await looked_at(postgres_url, 3)
            log = "".join([*first.said, *second.said, *encoder.said])
            assert "secret-word" not in log
            assert SECRET not in log
    assert await ask(postgres_url, "SELECT count(*) FROM photos") == 3


@pytest.mark.parametrize(
    ("role", "values", "words"),
    [
        (Role.GATEWAY, {}, "--role gateway.*needs PostgreSQL.*DATABASE_URL=postgresql://"),
        (Role.ENCODER, {"TELEGRAM_TOKEN": "1:a"}, "--role encoder.*needs PostgreSQL"),
        (Role.ENCODER, {"DATABASE_URL": POSTGRES}, "gets no photos: set GATEWAY_URL"),
    ],
)
def test_a_role_that_can_not_be_is_one_line(role: Role, values: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        make_sure(role, from_mapping(values))


@pytest.fixture
def on_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> str:
    monkeypatch.chdir(tmp_path)
    for key in settings.KEYS:
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("MODEL", "starter")
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    return postgres_url


def test_the_command_line_on_postgres(
    on_postgres: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = on_postgres.partition("@")[2]
    assert main(["check"]) == 0
    told = capfd.readouterr()
    assert f"PostgreSQL at {place} can be written, and is sound" in told.out
    assert "secret-word" not in told.out + told.err
    for command, program in (("backup", "pg_dump"), ("restore", "pg_restore")):
        assert main([command, "copy.db"]) == 2
        told = capfd.readouterr()
        assert told.err.count("\n") == 1
        assert program in told.err
        assert place in told.err
        assert "secret-word" not in told.err
    assert main(["status"]) == 0
    assert main(["health"]) == 1
    assert not list(tmp_path.glob("**/*.lock")), "no file is locked for it"


def test_what_an_import_brings_is_left_to_encoders(
    on_postgres: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from adapters import importing

    monkeypatch.setattr(importing, "STALLED_SECONDS", 0.2)
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "a.jpg").write_bytes(photo(1))
    assert main(["import", "album", "--group", "fam"]) == 0
    assert capfd.readouterr().out.startswith("1 added")
    assert asyncio.run(ask(on_postgres, "SELECT count(*) FROM jobs WHERE worker IS NULL")) == 3
