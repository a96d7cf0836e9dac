"""Settings of a memory that several processes share: which shards one serves, and where encoders
get photos from."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.errors import SettingsError

MOST_SHARDS = 16_384
SHORTEST_SECRET = 16
_SHARDS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?/(\d{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shards:
    """The part of Discord that one process serves
    (https://docs.discord.com/developers/events/gateway#sharding)."""

    first: int
    last: int
    count: int
    """Of all processes together."""

    @property
    def ids(self) -> list[int]:
        return list(range(self.first, self.last + 1))

    @property
    def all(self) -> bool:
        """Whether none is left to another process."""
        return len(self.ids) == self.count

    def __str__(self) -> str:
        return f"{self.first}-{self.last}/{self.count}"


def shards(text: str) -> Shards | None:
    """`0-3/8`, `5/8`; empty: all of them, as many as Discord wants. Raises SettingsError."""
    if not text:
        return None
    found = _SHARDS.fullmatch(text)
    if found is not None:
        first, last, count = int(found[1]), int(found[2] or found[1]), int(found[3])
        if first <= last < count <= MOST_SHARDS:
            return Shards(first, last, count)
    raise SettingsError(
        f"DISCORD_SHARDS={text!r}: write the first and the last of this process, counted from 0, "
        "and how many there are in all, e.g. 0-3/8"
    )


def is_global(host: str) -> bool:
    """Whether an address is one of the Internet; a name may be anything, and is not."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_global
    return address.is_global


def listening(host: str, port: int) -> tuple[str, int]:
    """Where encoders may ask. Raises SettingsError for an address that everybody reaches."""
    if is_global(host):
        raise SettingsError(
            f"GATEWAY_LISTEN={host}:{port} is reached from the Internet: write this machine's "
            "address in the private network, or 127.0.0.1 behind a proxy that speaks https"
        )
    return host, port


def gateways(text: str) -> tuple[str, ...]:
    """Addresses of gateways, with commas between them. Raises SettingsError."""
    found = [each.strip().rstrip("/") for each in text.split(",")]
    return tuple(_gateway(each) for each in found if each)


def _gateway(url: str) -> str:
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        plain = False
    if not plain or parts.username or parts.path or parts.query or parts.fragment:
        raise SettingsError(
            "GATEWAY_URL: write what GATEWAY_LISTEN says there, e.g. http://10.0.0.5:9465; of "
            "several, with commas between them"
        )
    if parts.scheme == "http" and is_global(parts.hostname or ""):
        raise SettingsError(
            f"GATEWAY_URL: {url}: photos don't cross the Internet unencrypted; write an address in "
            "the private network, or https://"
        )
    return url


def secret(text: str, is_needed: bool) -> str:
    """What gateways and encoders know, and nobody else. Raises SettingsError."""
    if is_needed and len(text) < SHORTEST_SECRET:
        raise SettingsError(
            f"GATEWAY_SECRET: with GATEWAY_LISTEN or GATEWAY_URL it needs {SHORTEST_SECRET} "
            "characters or more, the same in all processes; `openssl rand -hex 32` makes one"
        )
    return text
