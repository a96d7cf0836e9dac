"""Text inside photos: signs, packaging, screens. PP-OCR through RapidOCR, offline.

Runs in a process of its own (see bot.sandbox).
"""

from __future__ import annotations

import logging
import os
from typing import Any

from bot.images import for_reading

LONGEST_SIDE = 2000
"""Pixels; the recogniser scales larger pictures down to this itself."""
MIN_SCORE = 0.6
"""Confidence under which a line is more often noise than text."""


class TextReader:
    """Reads Chinese and English (PP-OCRv6 small; the wheel carries the weights)."""

    def __init__(self, threads: int | None = None) -> None:
        from rapidocr import RapidOCR

        logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.text_score": MIN_SCORE,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads or os.cpu_count() or 1,
            }
        )

    def read(self, data: bytes) -> str:
        """The lines of text in a photo, top to bottom, joined by newlines. Raises NotAPhoto."""
        pixels = for_reading(data, LONGEST_SIDE)
        lines = self._engine(pixels[:, :, ::-1]).txts or ()
        return "\n".join(line.strip() for line in lines if line.strip())
