"""JSON as Discord sends it: clients read it only if the content type says nothing more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web


def json_response(
    data: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer; no charset may stand behind the content type."""
    body = json.dumps(data).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def error_response(status: int, code: int, message: str, **more: Any) -> web.Response:
    """An error as Discord writes it."""
    return json_response({"message": message, "code": code, **more}, status)
