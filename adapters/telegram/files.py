"""Photos' bytes, from Telegram's servers."""

from __future__ import annotations

import asyncio

from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter, TelegramError

from adapters.telegram.bot import MOST_BYTES, TelegramBot, reason, seconds_of
from adapters.telegram.posts import Original
from bot.errors import FetchFailed, PhotoGone
from bot.language import to_say
from bot.photos import PhotoRef

FETCH_SECONDS = 120
TOO_BIG = "too big"
UNKNOWN_FILE = ("wrong file", "invalid file", "file_id", "file reference", "file identifier")
"""How Telegram's refusals of a file id are worded."""


async def fetch(bot: TelegramBot, ref: PhotoRef) -> bytes:
    """The bytes of the first rendition that can be had.

    A public Bot API server gives out files of up to 20 MB
    (https://core.telegram.org/bots/api#getfile): of larger ones the thumbnail must do. Raises
    PhotoGone, FetchFailed.
    """
    for file_id in Original.of(ref).look_at:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                file = await bot.get_file(file_id)
                if (file.file_size or 0) > MOST_BYTES:
                    continue  # a Bot API server of one's own gives out files of 2 GB
                data = bytes(await file.download_as_bytearray())
            if data.lstrip()[:1] == b"<" and len(data) != file.file_size:
                raise FetchFailed(
                    to_say("something in between answered with a page, not with the file")
                )
            return data
        except BadRequest as error:
            if TOO_BIG in str(error):
                continue
            if "temporarily unavailable" in str(error) or not names_a_file(error):
                raise FetchFailed(f"Telegram: {reason(error, bot.token)}") from None
            raise PhotoGone(to_say("Telegram no longer has this file")) from None
        except RetryAfter as flood:
            raise FetchFailed(to_say("Telegram asks to wait"), seconds_of(flood)) from None
        except (InvalidToken, Forbidden):  # also how PTB reads a 404 for a file's address
            raise FetchFailed(to_say("Telegram does not give the file out now")) from None
        except TelegramError as error:
            raise FetchFailed(f"Telegram: {reason(error, bot.token)}") from None
        except TimeoutError:
            raise FetchFailed(f"Telegram took longer than {FETCH_SECONDS} s") from None
        except OSError as error:  # a Bot API server of one's own may name a path of this machine
            raise FetchFailed(f"the file can't be read: {error.strerror}") from None
    raise PhotoGone(
        to_say("the file is larger than the 20 MB that Telegram gives out, without a preview")
    )


async def is_there(bot: TelegramBot, ref: PhotoRef) -> bool:
    """Whether Telegram still knows the file that shows a photo; True when it can't be told."""
    try:
        await bot.get_file(Original.of(ref).show)
    except BadRequest as error:
        return TOO_BIG in str(error) or not names_a_file(error)
    except TelegramError:
        return True
    return True


def names_a_file(error: BadRequest) -> bool:
    """Whether a refusal is about a file id, not about anything else in the request."""
    text = str(error).lower()
    return any(words in text for words in UNKNOWN_FILE)
