"""Limits of Discord that simcord does not check
(https://docs.discord.com/developers/interactions/application-commands)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from simcord.backend import errors
from simcord.components import walk_components

NAME = re.compile(r"[-_'\w\u0900-\u097f\u0e00-\u0e7f]{1,32}")
SUBCOMMANDS = (1, 2)
SLASH = 1
AUTOCOMPLETE_RESULT = 8
LINK_SCHEMES = ("http://", "https://", "attachment://")


def check(method: str, path: str, body: Any) -> None:
    """Refuse what Discord refuses."""
    if method == "PUT" and path.endswith("/commands") and isinstance(body, list):
        _commands(body)
    elif path.endswith("/callback") and isinstance(body, dict):
        data = body.get("data") or {}
        if body.get("type") == AUTOCOMPLETE_RESULT:
            _choices(data.get("choices") or [], "data")
        _media(data)
    elif isinstance(body, dict) and method in ("POST", "PATCH"):
        _media(body)
        if isinstance(body.get("message"), dict):
            _media(body["message"])


def _refuse(where: str, why: str) -> None:
    raise errors.invalid_form_body(f"{where}: {why}")


def _commands(commands: list[Any]) -> None:
    of_kind = [command.get("type", SLASH) for command in commands]
    if of_kind.count(SLASH) > 100 or any(of_kind.count(kind) > 15 for kind in (2, 3)):
        _refuse("commands", "too many")
    named = [(command.get("name"), command.get("type", SLASH)) for command in commands]
    if len(set(named)) != len(named):
        _refuse("commands", "names must be unique")
    for command in commands:
        name = command.get("name", "")
        if command.get("type", SLASH) != SLASH:
            if not 1 <= len(name) <= 32:
                _refuse(name, "the name must have between 1 and 32 characters")
            if command.get("description") or command.get("options"):
                _refuse(name, "context menus have no description and no options")
            continue
        _described(command, name)
        _options(command.get("options") or [], name)


def _described(thing: dict[str, Any], where: str) -> None:
    name, text = thing.get("name", ""), thing.get("description", "")
    if not NAME.fullmatch(name) or name != name.lower():
        _refuse(where, f"{name!r} can't be a name")
    if not 1 <= len(text) <= 100:
        _refuse(where, "the description must have between 1 and 100 characters")


def _options(options: list[Any], where: str) -> None:
    if len(options) > 25 or len({option["name"] for option in options}) != len(options):
        _refuse(where, "at most 25 options, each with its own name")
    late = False
    for option in options:
        inside = f"{where}.{option['name']}"
        _described(option, inside)
        if option["type"] in SUBCOMMANDS:
            _options(option.get("options") or [], inside)
            continue
        if option.get("required") and late:
            _refuse(inside, "required options come first")
        late = late or not option.get("required")
        if option.get("choices") and option.get("autocomplete"):
            _refuse(inside, "choices or autocomplete, not both")
        _choices(option.get("choices") or [], inside)


def _choices(choices: list[Any], where: str) -> None:
    if len(choices) > 25:
        _refuse(where, "at most 25 choices")
    for choice in choices:
        if not 1 <= len(choice.get("name", "")) <= 100:
            _refuse(where, "a choice's name must have between 1 and 100 characters")
        value = choice.get("value")
        if isinstance(value, str) and not 1 <= len(value) <= 100:
            _refuse(where, "a choice's value must have between 1 and 100 characters")


def _media(message: dict[str, Any]) -> None:
    """Pictures need an address that a browser could open."""
    for where, url in _addresses(message):
        if not isinstance(url, str) or not url.startswith(LINK_SCHEMES) or len(url) > 2048:
            _refuse(where, f"not a well formed URL: {url!r}")


def _addresses(message: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for embed in message.get("embeds") or []:
        for part in ("image", "thumbnail"):
            if isinstance(embed.get(part), dict):
                yield f"embeds.{part}", embed[part].get("url")
    for component in walk_components(message.get("components") or []):
        for item in component.get("items") or [component]:
            if isinstance(item.get("media"), dict):
                yield "components.media", item["media"].get("url")
