"""One frozen settings object, read once from .env and the environment."""

from __future__ import annotations

import io
import ipaddress
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from bot import database_url, sharing
from bot.errors import SettingsError
from bot.language import ENGLISH, fitting, languages
from bot.sharing import Shards

DEFAULT_MODEL = "ViT-B-32-SigLIP2-256/webli"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("human", "json")
SQLITE_PREFIX = database_url.SQLITE

OWNER_IDS = {"discord": "OWNER_ID_DISCORD", "telegram": "OWNER_ID_TELEGRAM"}
"""Keys that tell who the owner is, by platform."""

KEYS = (
    "DISCORD_TOKEN",
    "TELEGRAM_TOKEN",
    "DATABASE_URL",
    "DATA_FOLDER",
    "MODEL",
    "LANGUAGE",
    "WEB_HOST",
    "WEB_PORT",
    "WEB_PASSWORD",
    "OWNER_PASSWORD",
    "OWNER_ID_DISCORD",
    "OWNER_ID_TELEGRAM",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "METRICS_HOST",
    "METRICS_PORT",
    "HF_ENDPOINT",
    "TELEGRAM_API_URL",
    "TELEGRAM_WEBHOOK_URL",
    "TELEGRAM_WEBHOOK_LISTEN",
    "TELEGRAM_INLINE",
    "DISCORD_API_URL",
    "KEEP_AFTER_LEAVING_DAYS",
    "QUESTIONS_PER_MINUTE",
    "RETENTION_DAYS",
    "SEARCH_CACHE_MB",
    "INDEXING_MB",
    "INDEX_FROM",
    "KEEP_THUMBNAILS",
    "DISCORD_SHARDS",
    "GATEWAY_LISTEN",
    "GATEWAY_URL",
    "GATEWAY_SECRET",
)
"""Every key that .env may hold."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the owner chose. Tokens and passwords never show in a repr."""

    discord_token: str = field(default="", repr=False)
    telegram_token: str = field(default="", repr=False)
    database_url: str = field(default=f"{SQLITE_PREFIX}data/shoebox.db", repr=False)
    folder: str = "data"
    """Where all other data lies, if the memory is not in a file."""
    model: str = DEFAULT_MODEL
    language: str = ENGLISH
    """What is spoken where no other language was chosen."""
    web_host: str = "127.0.0.1"
    web_port: int = 8080
    web_password: str = field(default="", repr=False)
    owner_password: str = field(default="", repr=False)
    """Opens the owner's page; empty: there is none."""
    owner_ids: Mapping[str, int] = field(default_factory=dict)
    """Who the owner is on chat platforms, by the platform's name."""
    log_level: str = "INFO"
    log_format: str = "human"
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9464
    """Where /healthz and /metrics are; 0: nowhere."""
    hub_url: str = "https://huggingface.co"
    telegram_api_url: str = "https://api.telegram.org"
    telegram_webhook_url: str = ""
    telegram_webhook_listen: tuple[str, int] = ("127.0.0.1", 8443)
    telegram_inline: bool = False
    discord_api_url: str = "https://discord.com/api/v10"
    keep_after_leaving_days: int = 7
    """How long a group's data is kept once the bot was sent away from it."""
    questions_per_minute: int = 20
    """Of one person; 0: as many as they like."""
    search_cache_mb: int = 1024
    """What searches may keep of the groups' photos in memory, in megabytes."""
    index_from: int = 50_000
    """Photos of a group in PostgreSQL from which on an index finds its nearest."""
    indexing_mb: int = 128
    """What files of photos that wait to be looked at may take in memory, in megabytes."""

    keep_thumbnails: bool = False
    """Whether small copies are kept, which another model can look at."""
    retention_days: int = 0
    """How old a post may become; 0: as old as it likes."""
    discord_shards: Shards | None = None
    """Of this process; None: all."""
    gateway_listen: tuple[str, int] | None = None
    """Where encoders get photos from this process; None: nowhere."""
    gateway_urls: tuple[str, ...] = ()
    """Where this process gets photos for which it has no token."""
    gateway_secret: str = field(default="", repr=False)

    @property
    def retention(self) -> timedelta | None:
        return timedelta(days=self.retention_days) if self.retention_days else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        known = (
            self.discord_token,
            self.telegram_token,
            self.web_password,
            self.owner_password,
            self.gateway_secret,
            *database_url.passwords(self.database_url),
        )
        return tuple(filter(None, known))

    @property
    def on_postgres(self) -> bool:
        """Whether a server has the memory, which several processes may share then."""
        return database_url.on_postgres(self.database_url)

    @property
    def database_path(self) -> Path:
        """The SQLite file. All other data lies beside it. Raises SettingsError where there is
        none."""
        if self.on_postgres:
            raise SettingsError(f"the memory is not in a file but in PostgreSQL at {self.place}")
        return Path(self.database_url.removeprefix(SQLITE_PREFIX))

    @property
    def place(self) -> str:
        """Where the memory is, without secrets."""
        return database_url.place(self.database_url)

    @property
    def data_folder(self) -> Path:
        return Path(self.folder) if self.on_postgres else self.database_path.parent

    @property
    def chat_path(self) -> Path:
        """The local web chat's own messages."""
        return self.data_folder / "web" / "chat.db"

    @property
    def models_folder(self) -> Path:
        return self.data_folder / "models"


def read_env_file(path: Path) -> dict[str, str]:
    """The keys of a .env file; a missing file is an empty one.

    Raises SettingsError when it is there and can't be read.
    """
    from dotenv import dotenv_values

    try:
        if not path.exists():
            return {}
        text = io.StringIO(path.read_text(encoding="utf-8"))
        values = dotenv_values(stream=text, interpolate=False)
        return {key: value or "" for key, value in values.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} can't be read: {error}") from error


def load(env_file: Path = Path(".env"), environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from `env_file`, overruled by the environment. Raises SettingsError."""
    values = read_env_file(env_file)
    values.update(os.environ if environ is None else environ)
    return from_mapping(values)


def from_mapping(values: Mapping[str, str]) -> Settings:
    """Settings from plain strings; an empty value means the default. Raises SettingsError."""

    def get(key: str, default: str) -> str:
        return values.get(key, "").strip() or default

    defaults = Settings()
    settings = Settings(
        discord_token=get("DISCORD_TOKEN", ""),
        telegram_token=get("TELEGRAM_TOKEN", ""),
        database_url=database_url.checked(get("DATABASE_URL", defaults.database_url)),
        folder=get("DATA_FOLDER", defaults.folder),
        model=get("MODEL", defaults.model),
        language=_language(get("LANGUAGE", defaults.language)),
        web_host=get("WEB_HOST", defaults.web_host),
        web_port=_port("WEB_PORT", get("WEB_PORT", str(defaults.web_port))),
        web_password=get("WEB_PASSWORD", ""),
        owner_password=get("OWNER_PASSWORD", ""),
        owner_ids={
            platform: _person(key, number)
            for platform, key in OWNER_IDS.items()
            if (number := get(key, ""))
        },
        log_level=_log_level(get("LOG_LEVEL", defaults.log_level)),
        log_format=_log_format(get("LOG_FORMAT", defaults.log_format)),
        metrics_host=get("METRICS_HOST", defaults.metrics_host),
        metrics_port=_metrics_port(get("METRICS_PORT", str(defaults.metrics_port))),
        hub_url=_http_url("HF_ENDPOINT", get("HF_ENDPOINT", defaults.hub_url)),
        telegram_api_url=_http_url(
            "TELEGRAM_API_URL", get("TELEGRAM_API_URL", defaults.telegram_api_url)
        ),
        discord_api_url=_http_url(
            "DISCORD_API_URL", get("DISCORD_API_URL", defaults.discord_api_url)
        ),
        telegram_webhook_url=_webhook_url(get("TELEGRAM_WEBHOOK_URL", "")),
        telegram_webhook_listen=_host_and_port(
            "TELEGRAM_WEBHOOK_LISTEN",
            get("TELEGRAM_WEBHOOK_LISTEN", "{}:{}".format(*defaults.telegram_webhook_listen)),
        ),
        telegram_inline=_switch("TELEGRAM_INLINE", get("TELEGRAM_INLINE", "off")),
        keep_after_leaving_days=_days(
            "KEEP_AFTER_LEAVING_DAYS",
            get("KEEP_AFTER_LEAVING_DAYS", str(defaults.keep_after_leaving_days)),
        ),
        questions_per_minute=_questions(
            get("QUESTIONS_PER_MINUTE", str(defaults.questions_per_minute))
        ),
        retention_days=_days("RETENTION_DAYS", get("RETENTION_DAYS", "0")),
        search_cache_mb=_megabytes(
            "SEARCH_CACHE_MB", get("SEARCH_CACHE_MB", str(defaults.search_cache_mb))
        ),
        keep_thumbnails=_switch("KEEP_THUMBNAILS", get("KEEP_THUMBNAILS", "off")),
        index_from=_photos(get("INDEX_FROM", str(defaults.index_from))),
        indexing_mb=_megabytes("INDEXING_MB", get("INDEXING_MB", str(defaults.indexing_mb))),
        discord_shards=sharing.shards(get("DISCORD_SHARDS", "")),
        gateway_listen=_gateway_listen(get("GATEWAY_LISTEN", "")),
        gateway_urls=sharing.gateways(get("GATEWAY_URL", "")),
        gateway_secret=sharing.secret(
            get("GATEWAY_SECRET", ""), bool(get("GATEWAY_LISTEN", "") or get("GATEWAY_URL", ""))
        ),
    )
    chats = bool(settings.discord_token or settings.telegram_token)
    closed = settings.web_password or (chats and settings.owner_password)  # no web chat beside them
    if not is_loopback(settings.web_host) and not closed:
        raise SettingsError(
            f"WEB_HOST={settings.web_host} opens the web chat to the network: "
            "set WEB_PASSWORD too, or remove WEB_HOST"
        )
    if settings.owner_password and settings.owner_password == settings.web_password:
        raise SettingsError(
            "OWNER_PASSWORD is the same as WEB_PASSWORD, which everybody in the chat knows: "
            "choose another"
        )
    divided = settings.discord_shards
    if divided is not None and not divided.all and not settings.on_postgres:
        raise SettingsError(
            f"DISCORD_SHARDS={divided} leaves shards to other processes, which a file can't be "
            "shared with: set DATABASE_URL=postgresql://… too, or remove DISCORD_SHARDS"
        )
    return settings


def others_can_read(path: Path) -> bool:
    """Whether a file is open to other users of this machine."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def readable(path: Path) -> str:
    """What is said of such a file."""
    return f"others on this machine can read {path}: chmod 600 {path}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _port(key: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise SettingsError(f"{key}={text!r}: write a port number from 1 to 65535")
    return int(text)


def _metrics_port(text: str) -> int:
    return 0 if text == "0" else _port("METRICS_PORT", text)


def _host_and_port(key: str, text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host:
        raise SettingsError(f"{key}={text!r}: write an address and a port, e.g. 127.0.0.1:8443")
    return host.removeprefix("[").removesuffix("]"), _port(key, port)


def _gateway_listen(text: str) -> tuple[str, int] | None:
    return sharing.listening(*_host_and_port("GATEWAY_LISTEN", text)) if text else None


def _switch(key: str, text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise SettingsError(f"{key}={text!r}: write on or off")
    return text.lower() == "on"


def _days(key: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 3650:
        raise SettingsError(f"{key}={text!r}: write a number of days from 0 to 3650")
    return int(text)


def _person(key: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise SettingsError(
            f"{key}={text!r}: write your own user id, a number (not your name); "
            ".env.example says where to find it"
        )
    return int(text)


def _questions(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 1000:
        raise SettingsError(f"QUESTIONS_PER_MINUTE={text!r}: write a number from 0 to 1000")
    return int(text)


def _photos(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1000 <= int(text) <= 10**9:
        raise SettingsError(
            f"INDEX_FROM={text!r}: write a number of photos, 1000 or more, e.g. 50000"
        )
    return int(text)


def _megabytes(key: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 1_000_000:
        raise SettingsError(f"{key}={text!r}: write a number of megabytes, e.g. 1024")
    return int(text)


def _language(text: str) -> str:
    found = fitting(text)
    if found is None:
        raise SettingsError(f"LANGUAGE={text!r}: write one of {', '.join(languages())}")
    return found.code


def _log_level(text: str) -> str:
    if text.upper() not in LOG_LEVELS:
        raise SettingsError(f"LOG_LEVEL={text!r}: write one of {', '.join(LOG_LEVELS)}")
    return text.upper()


def _log_format(text: str) -> str:
    if text.lower() not in LOG_FORMATS:
        raise SettingsError(f"LOG_FORMAT={text!r}: write one of {', '.join(LOG_FORMATS)}")
    return text.lower()


def _http_url(key: str, url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"{key}: {url!r} is not an http:// or https:// address")
    return url.rstrip("/")


def _webhook_url(url: str) -> str:
    if not url:
        return url
    parts = urlsplit(_http_url("TELEGRAM_WEBHOOK_URL", url))
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise SettingsError(
            f"TELEGRAM_WEBHOOK_URL: {url!r}: Telegram calls https:// addresses only"
        )
    return parts.geturl()
