"""Brings every catalog up to date with what the code says; each new one is made whole.

    python -m bot.locale [CODE]

CODE, e.g. de, begins a new one.
The same could be done with pybabel: `pybabel extract -k say -k _say -k to_say -k count:2,3`.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from bot.language import CATALOGS

ROOT = CATALOGS.parent.parent
ROOMS = ("adapters", "bot", "storage")
KEYWORDS = {"say": None, "_say": None, "to_say": None, "count": (2, 3)}
"""Functions that take English texts: their first argument, or singular and plural."""
_NEEDLESS = re.compile(rb"(?m)^\"(Project|Report|POT|PO|Last|Language-Team|Generated)[\w-]*: .*\n")
"""Lines of a catalog's header that change without anything having changed, or say nothing."""
HEADER = "# Translations of what Shoebox says. See docs/translating.md.\n#"


def extracted() -> Catalog:
    """Everything that the code says."""
    found = Catalog(project="shoebox", charset="utf-8", header_comment=HEADER)
    for room in ROOMS:
        for file, _, message, comments, _ in extract_from_dir(
            ROOT / room,
            method_map=[("**.py", "python")],
            keywords=KEYWORDS,
            comment_tags=("Translators:",),
            strip_comment_tags=True,
        ):
            found.add(
                message,
                locations=[((Path(room) / file).as_posix(), 0)],
                auto_comments=comments,
            )
    return found


def read(path: Path) -> Catalog:
    """A catalog, empty or not; its file's name is its language."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def update(path: Path, current: Catalog) -> bool:
    """Add what is new to a catalog and take out what is gone; whether anything changed."""
    before = path.read_bytes()
    catalog = read(path)
    catalog.header_comment = HEADER
    catalog.update(current, no_fuzzy_matching=True, update_header_comment=False)
    catalog.obsolete.clear()
    catalog.fuzzy = False  # its header is not
    written = io.BytesIO()
    write_po(written, catalog, width=96, include_lineno=False, sort_by_file=True)
    path.write_bytes(_NEEDLESS.sub(b"", written.getvalue()))
    return path.read_bytes() != before


def main() -> None:
    current = extracted()
    for code in sys.argv[1:]:
        if not (path := CATALOGS / f"{code}.po").exists():
            with path.open("wb") as file:
                write_po(file, Catalog(locale=code, project="shoebox", charset="utf-8"))
    for path in sorted(CATALOGS.glob("*.po")):
        update(path, current)
        catalog = read(path)
        missing = sum(1 for each in catalog if each.id and not _is_there(each.string))
        fuzzy = sum(1 for each in catalog if each.id and each.fuzzy)
        sys.stdout.write(
            f"{path.name}: {len(catalog)} texts, {missing} not translated, {fuzzy} fuzzy\n"
        )


def _is_there(string: object) -> bool:
    return all(string) if isinstance(string, tuple | list) else bool(string)


if __name__ == "__main__":
    main()
