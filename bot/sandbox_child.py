"""The child's side of bot.sandbox: `python -m bot.sandbox_child`, one request after another."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any, BinaryIO

from bot import images
from bot.errors import NotAPhoto
from bot.ocr import TextReader
from bot.photos import ImageSpec
from bot.sandbox import LENGTHS, SHARED, frame
from bot.sharedfile import SharedFile

Reply = tuple[dict[str, Any], bytes]


class Servant:
    """Answers the verbs of bot.decoder."""

    def __init__(self) -> None:
        self._reader: TextReader | None = None

    def answer(self, header: dict[str, Any], payload: bytes) -> Reply:
        """Run one verb; what goes wrong is told in the reply's header."""
        try:
            verb = header["verb"]
            if verb == "pixels":
                return {}, images.for_encoder(payload, _spec(header)).tobytes()
            if verb == "look":
                spec, longest = _spec(header), header["thumbnail"]
                pixels, fingerprint, thumbnail = images.looked_at(payload, spec, longest)
                return {}, fingerprint + pixels.tobytes() + thumbnail
            if verb == "fingerprint":
                return {}, images.fingerprint(payload)
            if verb == "preview":
                return {}, images.preview(payload, header["longest"])
            if verb == "taken":
                taken = images.taken_at(payload)
                return {"taken": taken and taken.isoformat()}, b""
            if verb == "read":
                if self._reader is None:
                    self._reader = TextReader()
                return {}, self._reader.read(payload).encode()
            return {"failed": f"unknown verb {verb}"}, b""
        except NotAPhoto as refusal:
            return {"refused": str(refusal)}, b""
        except MemoryError:
            return {"refused": "the picture needs too much memory to open"}, b""
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {error}"[:300]}, b""


def _spec(header: dict[str, Any]) -> ImageSpec:
    size = (header["height"], header["width"])
    return ImageSpec(size, header["resize_mode"], header["interpolation"], header["fill"])


def serve(requests: BinaryIO, replies: BinaryIO, shared: SharedFile | None = None) -> None:
    """Answer frames until the parent closes its end, which also happens when it dies."""
    servant = Servant()
    while lengths := requests.read(LENGTHS.size):
        header_length, payload_length = LENGTHS.unpack(lengths)
        header = json.loads(requests.read(header_length))
        if header.get(SHARED) and shared is not None:
            payload = shared.read(payload_length)
        else:
            payload = requests.read(payload_length)
        replies.writelines(frame(*servant.answer(header, payload), shared))
        replies.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", type=int, required=True)
    parser.add_argument("--nice", type=int, required=True)
    parser.add_argument("--shared", type=int)
    options = parser.parse_args()
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (options.memory, options.memory))
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.memory, options.memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.nice(options.nice)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is not a frame
    shared = None if options.shared is None else SharedFile(options.shared)
    serve(sys.stdin.buffer, replies, shared)


if __name__ == "__main__":
    main()
