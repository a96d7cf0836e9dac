"""Downloads from Discord's servers that can't be led elsewhere, drag on, or fill the memory."""

from __future__ import annotations

import aiohttp

from bot.errors import FetchFailed, PhotoGone

MOST_BYTES = 50 * 1024 * 1024
"""Larger files are judged by a rendition or not at all."""
TOO_LARGE = f"the file is larger than {MOST_BYTES // 2**20} MB"
SECONDS = aiohttp.ClientTimeout(total=120, sock_connect=15, sock_read=30)


class Downloader:
    """Gets files over one session, which is opened at the first and has to be closed."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> bytes:
        """The whole file. Raises PhotoGone when it is too large, FetchFailed for anything else
        that is not a complete answer, a redirect too: whoever asks has looked at the host."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=SECONDS, auto_decompress=False)
        try:
            async with self._session.get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise FetchFailed(f"Discord: {answer.status}", _seconds(answer))
                if (answer.content_length or 0) > MOST_BYTES:
                    raise PhotoGone(TOO_LARGE)
                data = bytearray()
                async for part in answer.content.iter_any():
                    data += part
                    if len(data) > MOST_BYTES:
                        raise PhotoGone(TOO_LARGE)
                return bytes(data)
        except TimeoutError:
            raise FetchFailed("Discord: no answer in time") from None
        except aiohttp.ClientConnectorError:
            raise FetchFailed("Discord: it can't be reached") from None
        except (aiohttp.ClientError, OSError) as error:
            name = type(error).__name__
            raise FetchFailed(f"Discord: the connection failed ({name})") from None

    async def close(self) -> None:
        """Safe to call twice, and before the first download."""
        if self._session is not None:
            await self._session.close()
        self._session = None


def _seconds(answer: aiohttp.ClientResponse) -> float | None:
    after = answer.headers.get("Retry-After", "")
    return float(after) if answer.status == 429 and after.isdecimal() else None
