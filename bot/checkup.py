"""Asks the bot that runs on this machine how it is, as a container's healthcheck does."""

from __future__ import annotations

import ipaddress
import json
from http.client import HTTPConnection, HTTPException

from bot.lock import IndexerLock
from bot.settings import Settings

SECONDS = 10.0
LARGEST = 65536


def checkup(chosen: Settings) -> tuple[bool, str]:
    """Whether the bot is well, and a line about it."""
    if not chosen.metrics_port:
        return False, "METRICS_PORT=0: nobody can see whether the bot is well"
    owner = None if chosen.on_postgres else IndexerLock(chosen.database_path).owner()
    if owner == "?":
        return False, f"no bot runs on {chosen.place}"
    where = f"{chosen.metrics_host}:{chosen.metrics_port}"
    try:
        told = _ask(_reached(chosen.metrics_host), chosen.metrics_port)
    except (OSError, HTTPException, ValueError) as error:
        return False, f"the bot does not answer at {where} ({type(error).__name__})"
    if owner is not None and str(told.get("pid")) != owner:
        return False, (
            f"another program than this bot (process {owner}) answers at {where}: "
            "set METRICS_PORT to another one"
        )
    model = told.get("model")
    stage = model.get("state") if isinstance(model, dict) else None
    about = "" if stage == "ready" else f"; the model: {stage}"
    problems = told.get("problems")
    if told.get("status") == "ok":
        return True, f"all is well{about}"
    return False, "; ".join(map(str, problems if isinstance(problems, list) else [])) + about


def _reached(host: str) -> str:
    """Where a server that listens there is reached from this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def _ask(host: str, port: int) -> dict[str, object]:
    """Raises OSError, HTTPException, ValueError."""
    connection = HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        found = json.loads(connection.getresponse().read(LARGEST))
    finally:
        connection.close()
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
