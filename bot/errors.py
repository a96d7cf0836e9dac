"""The project's own errors.

ShoeboxError                 anything a person should read as one line
├── SettingsError            .env or the command line is wrong
├── StoreError               the database can't be opened, read or written
├── LeadershipLost           another process may do now what only one is to do
├── UnknownGroup             no group of that name
├── ModelUnavailable         there is no encoder to find by meaning with
│   └── HubUnreachable       ... because the hub did not answer
├── AnswerGone               buttons under an answer lead nowhere any more
├── NameRefused              that can't be a name, or there are too many
├── TokenRefused             the platform does not know the token
├── PlatformUnreachable      the platform could not be asked about it
├── NotAPhoto                these bytes can't become a photo, now or later
└── FetchFailed              the original could not be had this time
    └── PhotoGone            ... and never will be again
"""

from __future__ import annotations


class ShoeboxError(Exception):
    """Base of everything that is told to a person in one line, without a traceback."""


class SettingsError(ShoeboxError):
    """A key in .env or an argument has a value that can't be used."""


class StoreError(ShoeboxError):
    """The database can't be opened, read or written."""


class LeadershipLost(ShoeboxError):
    """This process is no longer the one that does what only one may do; another may be by now."""


class UnknownGroup(ShoeboxError):
    """A group was named that the store has never seen."""


class ModelUnavailable(ShoeboxError):
    """No encoder can be loaded; photos wait and are found by their words alone."""


class HubUnreachable(ModelUnavailable):
    """No model, and only because the hub did not answer: another time it may."""


class AnswerGone(ShoeboxError):
    """The answer under which somebody pressed a button is not kept, or was not theirs."""


class NameRefused(ShoeboxError):
    """What somebody wants to call a photo can't be a name; the message says why."""


class TokenRefused(ShoeboxError):
    """The platform does not know this token."""


class PlatformUnreachable(ShoeboxError):
    """The platform could not be asked; the token may well be right."""


class NotAPhoto(ShoeboxError):
    """These bytes can't become a photo; the message is the reason that `status` shows."""


class FetchFailed(ShoeboxError):
    """The original could not be fetched this time; it will be tried again."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds the platform asked us to wait, if it did."""


class PhotoGone(FetchFailed):
    """The original no longer exists where it was posted."""


def line_of(error: BaseException) -> str:
    """A foreign error in one line of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}…"
