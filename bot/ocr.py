"""Text inside photos: signs, packaging, screens. PP-OCR through RapidOCR, offline.

Runs in a process of its own (see bot.sandbox).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from bot.cores import cores
from bot.exported import session
from bot.images import for_reading

LONGEST_SIDE = 2000
"""Pixels; the recogniser scales larger pictures down to this itself."""
MIN_SCORE = 0.6
"""Confidence under which a line is more often noise than text."""

PARTS = {"Det": "*_det_*.onnx", "Cls": "*_cls_*.onnx", "Rec": "*_rec_*.onnx"}
"""RapidOCR's three networks, and their files in its wheel."""


class TextReader:
    """Reads Chinese and English (PP-OCRv6 small; the wheel carries the weights)."""

    def __init__(self) -> None:
        import rapidocr
        from omegaconf import flag_override

        logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
        settings = {"Global.log_level": "critical", "Global.text_score": MIN_SCORE}
        self._engine: Any = rapidocr.RapidOCR(params=settings)
        # Threads of RapidOCR's own sessions wait actively for each other: a fifth slower, at a
        # third more of the CPU's work, which everything else here needs.
        folder = Path(rapidocr.__file__).parent / "models"
        with flag_override(self._engine.cfg, "allow_objects", True):
            for part, name in PARTS.items():
                self._engine.cfg[part].session = session(_only(folder, name), cores())

    def read(self, data: bytes) -> str:
        """The lines of text in a photo, top to bottom, joined by newlines. Raises NotAPhoto."""
        pixels = for_reading(data, LONGEST_SIDE)
        lines = self._engine(pixels[:, :, ::-1]).txts or ()
        return "\n".join(line.strip() for line in lines if line.strip())


def _only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found
