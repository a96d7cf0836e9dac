"""Which language each group is spoken to in."""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.language import ENGLISH, Language, fitting, language, languages, named, say, speak
from bot.stores import GroupStore

NOTE = "language"
"""Note on a group: the code of the language that was chosen for it."""
KEPT_SECONDS = 60.0
"""How long a choice is not looked up again, which another process may have been told."""


class LanguageChoice:
    """What was chosen for a group comes first, then what its platform tells, then the setting."""

    def __init__(
        self,
        groups: GroupStore,
        usual: str = ENGLISH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._groups = groups
        self._clock = clock
        self._chosen: dict[str, tuple[Language | None, float]] = {}
        """And when that was."""
        self.usual = language(usual)
        """LANGUAGE."""

    async def of(self, group: str | None, told: str | None = None) -> Language:
        """The language to speak in a group, or (None) in private; `told`: the platform's code of
        what is spoken there. Raises StoreError."""
        chosen = None if group is None else await self._choice(group)
        return chosen or fitting(told) or self.usual

    def guess(self, group: str, told: str | None = None) -> Language:
        """The same while the store can't be asked: as it was known last."""
        chosen, _ = self._chosen.get(group, (None, 0.0))
        return chosen or fitting(told) or self.usual

    async def choose(self, group: str, words: str) -> str:
        """An admin says which; what there is to say, in it. The group must have been met.
        Raises StoreError."""
        if (found := named(words) if words else None) is None:
            codes = [f"{each} ({language(each).name})" for each in languages()]
            return say("Say which language to speak here: {languages}", languages=", ".join(codes))
        await self._groups.take_note(group, NOTE, found.code)
        self._chosen[group] = found, self._clock()
        speak(found)
        return say("From now on I speak {language} here.", language=found.name)

    async def keep(self, group: str) -> None:
        """All else of a group was erased; how it is spoken to stays. Raises StoreError."""
        chosen, _ = self._chosen.get(group, (None, 0.0))
        if chosen is not None:
            await self._groups.take_note(group, NOTE, chosen.code)

    def moved(self, *groups: str) -> None:
        """A group has another id now, and its notes with it."""
        for group in groups:
            self._chosen.pop(group, None)

    async def _choice(self, group: str) -> Language | None:
        known = self._chosen.get(group)
        if known is None or self._clock() - known[1] > KEPT_SECONDS:
            known = fitting(await self._groups.note(group, NOTE)), self._clock()
            self._chosen[group] = known
        return known[0]
