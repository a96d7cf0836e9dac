"""Who is meant by a request: against DNS rebinding, by which pages of elsewhere reach servers on
this machine."""

from __future__ import annotations

from urllib.parse import urlsplit


def host_name(header: str) -> str:
    """The name in a Host header, without its port; empty where there is none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""
