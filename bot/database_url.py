"""DATABASE_URL: a SQLite file, or a database of a PostgreSQL server."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from bot.errors import SettingsError

SQLITE = "sqlite:///"
POSTGRES = "postgresql://"
SHORT = "postgres://"
"""The same, as many write it."""


def checked(url: str) -> str:
    """A URL that can be one. Raises SettingsError, without what may be a password in it."""
    if url.startswith((POSTGRES, SHORT)):
        return _of_a_server(POSTGRES + url.partition("://")[2])
    if url.startswith(SQLITE) and url != SQLITE:
        return url
    scheme = url.partition("://")[0] if "://" in url else "that"
    raise SettingsError(
        f"DATABASE_URL: {scheme!r} is not supported; write {SQLITE}path/to/file.db or "
        f"{POSTGRES}user:password@host/database"
    )


def on_postgres(url: str) -> bool:
    """Whether a server has the memory, so that several processes can share it."""
    return url.startswith(POSTGRES)


def passwords(url: str) -> tuple[str, ...]:
    """What of a URL must never be shown, as it is and as it stands there."""
    if not on_postgres(url):
        return ()
    parts = urlsplit(url)
    written = [parts.password or ""]
    written += [each.partition("=")[2] for each in parts.query.split("&") if "password=" in each]
    found = {form for each in written for form in (each, unquote(each)) if form}
    return tuple(sorted(found))


def place(url: str) -> str:
    """Where the memory is, without secrets: a file's path, or a server's host and database."""
    if not on_postgres(url):
        return url.removeprefix(SQLITE)
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    host = parts.netloc.rpartition("@")[2] or asked.get("host") or "localhost"
    return f"{host}{parts.path}"


def _of_a_server(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname  # read late, and refused only then
    except ValueError:
        # Not said why: a password with unquoted signs in it would be part of that.
        raise SettingsError(
            "DATABASE_URL: this can't be read; write signs like @ / : # % in the password as %40 "
            "%2F %3A %23 %25"
        ) from None
    if not parts.path.strip("/") or parts.fragment:
        raise SettingsError(
            f"DATABASE_URL: no database is named; write {POSTGRES}user:password@host/database, and "
            "signs like @ / : # % in the password as %40 %2F %3A %23 %25"
        )
    return url
