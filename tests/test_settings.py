"""Settings: one clear line for what can't be, and .env.example tells the truth."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.settings import KEYS, Settings, from_mapping, is_loopback, load, read_env_file
from bot.sharing import is_global

ROOT = Path(__file__).parent.parent


def test_nothing_set_means_the_defaults() -> None:
    assert from_mapping({}) == Settings()
    assert from_mapping({"MODEL": "", "WEB_PORT": "  "}) == Settings()


def test_the_environment_overrules_the_file(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("MODEL=local-dir:/a\nWEB_PORT=9000\n# comment\n")
    chosen = load(env, {"MODEL": "local-dir:/b"})
    assert (chosen.model, chosen.web_port) == ("local-dir:/b", 9000)


def test_all_data_lies_beside_the_database() -> None:
    chosen = from_mapping({"DATABASE_URL": "sqlite:////srv/box/memory.db"})
    assert chosen.database_path == Path("/srv/box/memory.db")
    assert chosen.data_folder == Path("/srv/box")
    assert chosen.models_folder == Path("/srv/box/models")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"WEB_PORT": "http"}, "WEB_PORT='http'.*1 to 65535"),
        ({"WEB_PORT": "70000"}, "WEB_PORT"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL='loud'.*DEBUG"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL.*mysql"),
        ({"DATABASE_URL": "sqlite:///"}, "DATABASE_URL"),
        ({"HF_ENDPOINT": "hub"}, "HF_ENDPOINT"),
        ({"WEB_HOST": "0.0.0.0"}, "WEB_PASSWORD"),
        ({"WEB_HOST": "example.org"}, "WEB_PASSWORD"),
        ({"WEB_HOST": "example.org", "OWNER_PASSWORD": "x"}, "WEB_PASSWORD"),
        ({"WEB_PASSWORD": "x", "OWNER_PASSWORD": "x"}, "OWNER_PASSWORD is the same"),
        ({"OWNER_ID_DISCORD": "@ann"}, "OWNER_ID_DISCORD='@ann'.*a number"),
        ({"OWNER_ID_TELEGRAM": "-12"}, "OWNER_ID_TELEGRAM"),
        ({"DATABASE_URL": "postgresql://a:canary@b"}, r"no database is named.*%40"),
        ({"DATABASE_URL": "postgresql://a:can#ary@b/c"}, r"DATABASE_URL: .*%23"),
        ({"DATABASE_URL": "postgres://a:canary/x@b:5432/c"}, r"DATABASE_URL: this can't be read"),
        ({"DISCORD_SHARDS": "0-8/8"}, r"DISCORD_SHARDS='0-8/8'.*e\.g\. 0-3/8"),
        ({"DISCORD_SHARDS": "3-2/8"}, "DISCORD_SHARDS"),
        ({"DISCORD_SHARDS": "all"}, "DISCORD_SHARDS"),
        ({"DISCORD_SHARDS": "0-3/8"}, r"DISCORD_SHARDS=0-3/8 .*DATABASE_URL=postgresql://"),
        ({"GATEWAY_LISTEN": "127.0.0.1:9465"}, "GATEWAY_SECRET: .*16 characters"),
        ({"GATEWAY_URL": "http://a:1", "GATEWAY_SECRET": "canary"}, "GATEWAY_SECRET: .*16"),
        ({"GATEWAY_LISTEN": "9465"}, "GATEWAY_LISTEN='9465'"),
        ({"GATEWAY_LISTEN": "8.8.8.8:1", "GATEWAY_SECRET": "x" * 16}, "reached from the Internet"),
        ({"GATEWAY_LISTEN": "[::ffff:8.8.8.8]:1", "GATEWAY_SECRET": "x" * 16}, "the Internet"),
        ({"GATEWAY_URL": "http://8.8.8.8:1", "GATEWAY_SECRET": "x" * 16}, "unencrypted"),
        ({"GATEWAY_URL": "http://a:b@c:1", "GATEWAY_SECRET": "x" * 16}, r"GATEWAY_URL: .*e\.g\."),
        ({"GATEWAY_URL": "ftp://c:1", "GATEWAY_SECRET": "x" * 16}, "GATEWAY_URL"),
        ({"GATEWAY_URL": "http://c:1/path", "GATEWAY_SECRET": "x" * 16}, "GATEWAY_URL"),
    ],
)
def test_what_cannot_be_is_one_line(values: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as error:
        from_mapping(values)
    assert "\n" not in str(error.value)
    assert "can" + "ary" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "place", "secret"),
    [
        ("postgres://ann:canary%40word@db:5433/box", "db:5433/box", "canary@word"),
        ("postgresql://ann:canary%40word@db:5433/box", "db:5433/box", "canary%40word"),
        ("postgresql://db/box?user=ann&password=canary%2Fword", "db/box", "canary/word"),
        ("postgresql:///box?host=db", "db/box", ""),
        ("postgresql://ann@/box", "localhost/box", ""),
    ],
)
def test_a_memory_in_postgres(url: str, place: str, secret: str) -> None:
    chosen = from_mapping({"DATABASE_URL": url, "DATA_FOLDER": "/srv/box"})
    assert chosen.on_postgres
    assert chosen.database_url == url.replace("postgres://", "postgresql://")
    assert chosen.place == place
    assert secret in chosen.secrets or not secret
    assert "canary" not in repr(chosen)
    assert chosen.data_folder == Path("/srv/box")
    assert chosen.chat_path == Path("/srv/box/web/chat.db")
    with pytest.raises(SettingsError, match="not in a file but in PostgreSQL") as error:
        _ = chosen.database_path
    assert "canary" not in str(error.value)


def test_what_processes_share() -> None:
    chosen = from_mapping(
        {
            "DATABASE_URL": "postgresql://db/box",
            "DISCORD_SHARDS": "2-3/8",
            "GATEWAY_LISTEN": "0.0.0.0:9465",
            "GATEWAY_URL": "http://10.0.0.5:9465/, https://gateway.example",
            "GATEWAY_SECRET": "canary-0123456789",
        }
    )
    assert chosen.discord_shards is not None
    assert (chosen.discord_shards.ids, chosen.discord_shards.count) == ([2, 3], 8)
    assert chosen.gateway_listen == ("0.0.0.0", 9465), "of a container; see originals_server"
    assert chosen.gateway_urls == ("http://10.0.0.5:9465", "https://gateway.example")
    assert "canary-0123456789" in chosen.secrets
    assert "canary" not in repr(chosen)
    one = from_mapping({"DISCORD_SHARDS": "0/1"}).discord_shards
    assert one is not None
    assert one.all


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.1.1", False),
        ("fd00::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:192.168.1.1", False),
        ("gateway", False),
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
    ],
)
def test_addresses_of_the_internet(host: str, expected: bool) -> None:
    assert is_global(host) is expected


def test_open_to_the_network_with_a_password() -> None:
    assert from_mapping({"WEB_HOST": "0.0.0.0", "WEB_PASSWORD": "x"}).web_host == "0.0.0.0"
    beside = {"WEB_HOST": "0.0.0.0", "OWNER_PASSWORD": "x", "TELEGRAM_TOKEN": "1:a"}
    assert from_mapping(beside).web_host == "0.0.0.0", "there is no web chat beside a platform"


def test_who_the_owner_is() -> None:
    chosen = from_mapping({"OWNER_ID_DISCORD": "12", "OWNER_PASSWORD": "hush"})
    assert chosen.owner_ids == {"discord": 12}
    assert "hush" in chosen.secrets
    assert "hush" not in repr(chosen)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("a.b", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_secrets_never_show() -> None:
    chosen = from_mapping(
        {"DISCORD_TOKEN": "canary1", "TELEGRAM_TOKEN": "canary2", "WEB_PASSWORD": "canary3"}
    )
    assert "canary" not in repr(chosen)


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        read_env_file(tmp_path)
    (tmp_path / "latin1").write_bytes(b"MODEL=caf\xe9")
    with pytest.raises(SettingsError, match="can't be read"):
        read_env_file(tmp_path / "latin1")


def test_the_example_names_every_key_with_its_default() -> None:
    text = (ROOT / ".env.example").read_text()
    shown = dict(re.findall(r"^#?\s?([A-Z_]+)=(.*)$", text, re.MULTILINE))
    assert tuple(shown) == KEYS
    assert from_mapping(shown) == Settings(), "a copied example changes nothing"
    for block in text.strip().split("\n\n")[1:]:
        assert block.startswith("# "), "every key has a line of explanation"


def test_from_how_many_photos_on_an_index_is_made() -> None:
    assert from_mapping({}).index_from == 50_000
    assert from_mapping({"INDEX_FROM": "2000"}).index_from == 2000
    for text in ("999", "many", "-1"):
        with pytest.raises(SettingsError, match=r"INDEX_FROM.*1000 or more"):
            from_mapping({"INDEX_FROM": text})
