"""Is a token valid? The real SDKs ask loopback servers that answer as the real ones do."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from adapters import token_checks
from bot.errors import PlatformUnreachable, TokenRefused
from bot.settings import Settings
from tests.loopback import serving

GOOD = "123456:a-good-token"
BAD = "654321:a-bad-token"
NOBODY = "http://127.0.0.1:9"


def as_json(value: object, status: int = 200) -> web.Response:
    """Discord's own content type: discord.py parses nothing that names a charset too."""
    body = json.dumps(value).encode()
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json"})


@pytest.fixture
async def telegram() -> AsyncIterator[str]:
    routes = web.RouteTableDef()

    @routes.post("/bot{token}/getMe")
    async def get_me(request: web.Request) -> web.Response:
        if request.match_info["token"] != GOOD:
            refusal = {"ok": False, "error_code": 401, "description": "Unauthorized"}
            return as_json(refusal, status=401)
        user = {"id": 123456, "is_bot": True, "first_name": "Box", "username": "shoebox_bot"}
        return as_json({"ok": True, "result": user})

    async with serving(routes) as url:
        yield url


CONTENT = 1 << 19
"""https://docs.discord.com/developers/resources/application#application-object-application-flags"""


@pytest.fixture
def flags() -> list[int]:
    return [CONTENT]


@pytest.fixture
async def discord(flags: list[int]) -> AsyncIterator[str]:
    routes = web.RouteTableDef()

    @routes.get("/api/v10/users/@me")
    async def me(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bot {GOOD}":
            return as_json({"message": "401: Unauthorized", "code": 0}, status=401)
        user = {"id": "1", "username": "shoebox", "discriminator": "0", "avatar": None, "bot": True}
        return as_json(user)

    @routes.get("/api/v10/oauth2/applications/@me")
    async def application(request: web.Request) -> web.Response:
        return as_json(
            {
                "id": "1",
                "name": "shoebox",
                "description": "",
                "icon": None,
                "bot_public": True,
                "bot_require_code_grant": False,
                "summary": "",
                "verify_key": "",
                "flags": flags[0],
                "owner": {"id": "2", "username": "o", "discriminator": "0", "avatar": None},
            }
        )

    async with serving(routes) as url:
        yield f"{url}/api/v10"


async def test_only_tokens_that_are_set_are_checked() -> None:
    assert token_checks(Settings()) == {}
    both = Settings(discord_token=GOOD, telegram_token=GOOD)
    assert list(token_checks(both)) == ["DISCORD_TOKEN", "TELEGRAM_TOKEN"]


async def test_telegram_says_whose_token_it_is(telegram: str) -> None:
    checks = token_checks(Settings(telegram_token=GOOD, telegram_api_url=telegram))
    assert await checks["TELEGRAM_TOKEN"]() == "@shoebox_bot"


async def test_discord_says_whose_token_it_is(discord: str) -> None:
    checks = token_checks(Settings(discord_token=GOOD, discord_api_url=discord))
    said = await checks["DISCORD_TOKEN"]()
    assert re.fullmatch(r"shoebox; invite it with https://discord.com/oauth2/authorize\S+", said)
    assert "permissions=274878024704" in said
    assert "scope=bot+applications.commands" in said


async def test_discord_says_that_photos_are_hidden(discord: str, flags: list[int]) -> None:
    flags[0] = 0
    said = await token_checks(Settings(discord_token=GOOD, discord_api_url=discord))[
        "DISCORD_TOKEN"
    ]()
    assert "switch on Message Content Intent" in said


async def test_wrong_tokens_are_refused_and_never_told(telegram: str, discord: str) -> None:
    checks = token_checks(
        Settings(
            discord_token=BAD,
            telegram_token=BAD,
            telegram_api_url=telegram,
            discord_api_url=discord,
        )
    )
    for check in checks.values():
        with pytest.raises(TokenRefused, match="does not know this token") as refused:
            await check()
        assert BAD not in str(refused.value)


async def test_a_platform_out_of_reach_is_not_a_wrong_token() -> None:
    checks = token_checks(
        Settings(
            discord_token=GOOD,
            telegram_token=GOOD,
            telegram_api_url=NOBODY,
            discord_api_url=NOBODY,
        )
    )
    for check in checks.values():
        with pytest.raises(PlatformUnreachable, match="can't be reached") as unreachable:
            await check()
        assert GOOD not in str(unreachable.value)
