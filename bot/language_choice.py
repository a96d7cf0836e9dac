"""Which language each group is spoken to in."""

from __future__ import annotations

from bot.language import ENGLISH, Language, fitting, language, languages, named, say, speak
from bot.ports import GroupStore

NOTE = "language"
"""Note on a group: the code of the language that was chosen for it."""


class LanguageChoice:
    """What was chosen for a group comes first, then what its platform tells, then the setting."""

    def __init__(self, groups: GroupStore, usual: str = ENGLISH) -> None:
        self._groups = groups
        self._chosen: dict[str, Language | None] = {}
        self.usual = language(usual)
        """LANGUAGE."""

    async def of(self, group: str | None, told: str | None = None) -> Language:
        """The language to speak in a group, or (None) in private; `told`: the platform's code of
        what is spoken there. Raises StoreError."""
        chosen = None if group is None else await self._choice(group)
        return chosen or fitting(told) or self.usual

    async def choose(self, group: str, words: str) -> str:
        """An admin says which; what there is to say, in it. The group must have been met.
        Raises StoreError."""
        if (found := named(words) if words else None) is None:
            codes = [f"{each} ({language(each).name})" for each in languages()]
            return say("Say which language to speak here: {languages}", languages=", ".join(codes))
        await self._groups.take_note(group, NOTE, found.code)
        self._chosen[group] = found
        speak(found)
        return say("From now on I speak {language} here.", language=found.name)

    async def keep(self, group: str) -> None:
        """All else of a group was erased; how it is spoken to stays. Raises StoreError."""
        if (chosen := self._chosen.get(group)) is not None:
            await self._groups.take_note(group, NOTE, chosen.code)

    def moved(self, *groups: str) -> None:
        """A group has another id now, and its notes with it."""
        for group in groups:
            self._chosen.pop(group, None)

    async def _choice(self, group: str) -> Language | None:
        if group not in self._chosen:
            self._chosen[group] = fitting(await self._groups.note(group, NOTE))
        return self._chosen[group]
