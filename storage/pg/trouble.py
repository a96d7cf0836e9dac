"""What PostgreSQL and its driver complain of, as one line that says what to do about it."""

from __future__ import annotations

import asyncpg

from bot.errors import StoreError


class Clash(StoreError):
    """Two processes stood in each other's way; whoever is told begins again."""


class Busy(TimeoutError):
    """This process has no connection left."""


FOREIGN = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What comes of a server that can't be used."""
NO_ANSWER = (OSError, TimeoutError)
"""After which nobody knows what a connection is at."""
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)
"""What may be over in a moment."""
_CUT = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_ADVICE: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (asyncpg.InvalidPasswordError, "look at the user and the password in DATABASE_URL"),
    (asyncpg.InvalidAuthorizationSpecificationError, "look at the user in DATABASE_URL"),
    (asyncpg.InvalidCatalogNameError, "create it (createdb), or look at DATABASE_URL"),
    (asyncpg.DiskFullError, "its disk is full; free some space, and it goes on by itself"),
    (asyncpg.ReadOnlySQLTransactionError, "it is a standby; DATABASE_URL must name the primary"),
    (asyncpg.InsufficientPrivilegeError, "its owner must be the user of DATABASE_URL"),
    (asyncpg.TooManyConnectionsError, "raise its max_connections, or stop what else uses it"),
    (asyncpg.QueryCanceledError, "it took too long; look at what keeps the server busy"),
    (_CUT, "the connection was cut; it goes on as soon as the server can be reached"),
    (Busy, "look at what keeps the server busy"),
    (TimeoutError, "it does not answer in time; look at the server and the network"),
    (OSError, "it can't be reached; look whether it runs, and at DATABASE_URL"),
)


def trouble(place: str, what: str, error: BaseException) -> StoreError:
    """The one line. `place`: host and database; `what`: opened, read or written."""
    told = " ".join(str(error).split())[:200] or type(error).__name__
    advice = next((line for kind, line in _ADVICE if isinstance(error, kind)), None)
    line = f"the database {place} can't be {what}: {told}"
    kind = Clash if isinstance(error, asyncpg.TransactionRollbackError) else StoreError
    return kind(f"{line}: {advice}" if advice else line)
