"""The numbered migrations of a schema."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from bot.errors import StoreError


def steps(schema: str) -> list[tuple[int, Traversable]]:
    """(the version that it leads to, its SQL), oldest first, of the package that holds them."""
    return sorted(
        (
            (int(file.name.partition("_")[0]), file)
            for file in resources.files(schema).iterdir()
            if file.name.endswith(".sql")
        ),
        key=lambda step: step[0],
    )


def refuse_newer(path: Path, version: int, schema: str) -> None:
    """Raises StoreError for a file that this program is too old for."""
    newest = steps(schema)[-1][0]
    if version > newest:
        raise StoreError(
            f"the database {path} was written by a newer version of this program "
            f"(schema {version}, this one knows {newest}): update the program"
        )
