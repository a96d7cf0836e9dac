"""Whether a database knows which characters of the world are letters."""

from __future__ import annotations

import logging

from bot.errors import StoreError
from storage.pg.rows import Connection, value

log = logging.getLogger(__name__)


async def look_at_letters(db: Connection) -> None:
    """Warn where words in other scripts can't be found through an index (pg_trgm takes letters from
    the database's LC_CTYPE). Raises StoreError where they can't even be kept."""
    encoding = await value(db, "SHOW server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            f"the database keeps {encoding}, not all the world's scripts: make one with "
            "createdb --encoding UTF8 --template template0"
        )
    if not await value(db, "SELECT cardinality(show_trgm('蛋糕'))"):
        log.warning(
            "the database takes only a to z for letters, so that other scripts are found slowly: "
            "make one with createdb --locale C.UTF-8 --template template0, and move into it"
        )
