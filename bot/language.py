"""What the bot says, in the language of whom it speaks to.

English stands in the code and is the key to all others (gettext's way); `bot/locale/zh.po` and its
like hold translations. Who begins to answer somebody says in which language (`speak`); from there
on it belongs to the task, and whatever is said on the way is said in it. Without that it is
English: on the command line, in logs. What is missing in a catalog, or marked as uncertain
(fuzzy), is English too.

What is said holds words of others only as values; making those harmless is the edge's part.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from functools import cache
from pathlib import Path

ENGLISH = "en"
CATALOGS = Path(__file__).parent / "locale"

_DATES = {ENGLISH: "en_GB"}
"""Where a language alone does not say how dates are written: `12 May 2024`."""


def to_say(msgid: str) -> str:
    """Marks a text that is said later on: translators get it, here it stays as it is."""
    return msgid


class Language:
    """One language, by its code. Get it from `language`."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._known: gettext.NullTranslations | None = None

    def say(self, msgid: str, **values: object) -> str:
        """A text of the code in this language, with its values in it."""
        if not msgid:
            return ""
        return _filled(self._translations.gettext(msgid), msgid, values)

    def count(self, number: int, one: str, many: str, **values: object) -> str:
        """A text about `{count}` things in the form that the language has for so many."""
        values["count"] = self.number(number)
        said = self._translations.ngettext(one, many, number)
        return _filled(said, one if number == 1 else many, values)

    def number(self, number: int) -> str:
        """1,234"""
        from babel.numbers import format_decimal

        return format_decimal(number, locale=self._locale)

    def day(self, moment: datetime) -> str:
        """12 May 2024, here."""
        from babel.dates import format_date

        return format_date(moment.astimezone().date(), "medium", locale=self._locale)

    def month(self, day: date) -> str:
        """May 2024"""
        from babel.dates import format_skeleton

        return format_skeleton("yMMM", day, locale=self._locale)

    def listed(self, items: Sequence[str]) -> str:
        """a, b and c"""
        from babel.lists import format_list

        return format_list(list(items), locale=self._locale)

    def span(self, seconds: float) -> str:
        """3 days"""
        from babel.dates import format_timedelta

        return format_timedelta(int(seconds), locale=self._locale)

    @property
    def name(self) -> str:
        """As it calls itself."""
        from babel import Locale

        return Locale.parse(self.code, sep="_").get_display_name(self.code) or self.code

    @property
    def _locale(self) -> str:
        return _DATES.get(self.code, self.code)

    @property
    def _translations(self) -> gettext.NullTranslations:
        if self._known is None:
            self._known = _read(CATALOGS / f"{self.code}.po")
        return self._known


def _read(path: Path) -> gettext.NullTranslations:
    """A catalog as translators write it. The compiled form is made in memory: it leaves out what
    is fuzzy or missing."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    if not path.is_file():
        return gettext.NullTranslations()
    with path.open("rb") as file:
        catalog = read_po(file, locale=path.stem)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _filled(said: str, english: str, values: dict[str, object]) -> str:
    if not values:
        return said
    try:
        return said.format(**values)
    except (LookupError, ValueError):  # a translation with a value that there isn't
        return english.format(**values)


@cache
def language(code: str) -> Language:
    """The language of a code that `languages` has."""
    return Language(code)


def languages() -> list[str]:
    """Codes of the languages that can be spoken: English, and those that have a catalog."""
    return [ENGLISH, *sorted(path.stem for path in CATALOGS.glob("*.po"))]


def fitting(code: str | None) -> Language | None:
    """The language that a platform's code means (`zh-CN`, `pt_BR`, `en`); None: not spoken here.

    Of languages of which there are several a catalog may have one (`zh_Hant`), else the main
    one stands for all.
    """
    parts = (code or "").replace("-", "_").split("_")
    known = {each.casefold(): each for each in languages()}
    for length in range(len(parts), 0, -1):
        if (found := known.get("_".join(parts[:length]).casefold())) is not None:
            return language(found)
    return None


def named(words: str) -> Language | None:
    """The language that somebody means: by its code, or by its name in itself or in English."""
    from babel import Locale

    wanted = words.strip().casefold()
    for code in languages():
        english = Locale.parse(code, sep="_").get_display_name(ENGLISH) or ""
        if wanted in (code.casefold(), english.casefold(), language(code).name.casefold()):
            return language(code)
    return fitting(wanted)


_spoken: ContextVar[Language | None] = ContextVar("language", default=None)


def spoken() -> Language:
    """The language that is spoken now."""
    return _spoken.get() or language(ENGLISH)


def speak(now: Language) -> None:
    """From here on this task speaks that language."""
    _spoken.set(now)


@contextmanager
def speaking(now: Language) -> Iterator[None]:
    """For a while."""
    before = _spoken.set(now)
    try:
        yield
    finally:
        _spoken.reset(before)


def say(msgid: str, /, **values: object) -> str:
    """A text of the code in the language that is spoken now, with its values in it."""
    return spoken().say(msgid, **values)


def count(number: int, one: str, many: str, /, **values: object) -> str:
    """A text about `{count}` things, likewise."""
    return spoken().count(number, one, many, **values)


def photos(number: int) -> str:
    """What is counted the most."""
    return count(number, "{count} photo", "{count} photos")
