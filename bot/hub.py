"""Fetches the files of one repository from the model hub over plain HTTP.

It knows nothing of models. `huggingface_hub` says what a repository holds and how to ask for it;
the bytes are streamed here, because a download of gigabytes has to resume, to tell how far it is,
to give up in bounded time and to be checked against the hub's own hashes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from bot.errors import HubUnreachable, ModelUnavailable

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all). What it raises stops the download, to be resumed later."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of one commit as the hub describes it."""

    repository: str
    commit: str
    name: str
    size: int
    sha256: str | None
    """What large files are known by."""
    git_blob: str | None
    """What small files are known by."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a hub, in seconds."""

    first_answer: float = 15
    """From asking what a repository holds to knowing it, name resolution and retries included."""
    silence: float = 10
    """On an open connection."""
    pauses: tuple[float, ...] = (0.5, 1, 2, 4)
    """Before each further try; the count starts again whenever bytes arrived."""


class Hub:
    """The model hub at `url`. Every method raises ModelUnavailable with one line of why."""

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        self._url = url.rstrip("/")
        self._patience = patience or Patience()
        address = urlsplit(self._url)
        self._shown = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"

    def files(self, repository: str) -> dict[str, RemoteFile]:
        """What a repository holds now, by name, with sizes and hashes."""
        # Importing happens before the clock starts.
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HFValidationError

        api = HfApi(endpoint=self._url)
        try:
            info = _within(
                self._patience.first_answer,
                lambda: self._again(
                    lambda: api.model_info(
                        repository, files_metadata=True, timeout=self._patience.silence
                    ),
                    progressed=lambda: False,
                ),
            )
        except HFValidationError:
            raise ModelUnavailable(f"{repository!r} is not the name of a repository") from None
        except _foreign() as error:
            raise self._translated(repository, error) from error
        return {
            file.rfilename: RemoteFile(
                repository=repository,
                commit=info.sha or "main",
                name=file.rfilename,
                size=file.size or 0,
                sha256=file.lfs.sha256 if file.lfs else None,
                git_blob=None if file.lfs else file.blob_id,
            )
            for file in info.siblings or ()
        }

    def download(
        self, files: Sequence[RemoteFile], folder: Path, progress: Progress
    ) -> dict[str, str]:
        """Put files into `folder`, resuming what an earlier run left; returns their SHA-256.

        What is there already and has the right hash is kept. A file is either complete and
        checked, or has a name that ends in `.incomplete`.
        """
        total = sum(file.size for file in files)
        done = 0
        hashes: dict[str, str] = {}
        for file in files:
            progress(done, total)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                known = _sha256_if_intact(folder / file.name, file)
                if known is None:
                    self._require_space(folder, total - done)
                    known = self._download_one(file, folder, _shifted(progress, done, total))
            except _foreign() as error:
                raise self._translated(f"{file.name} of {file.repository}", error) from error
            hashes[file.name] = known
            done += file.size
        progress(done, total)
        return hashes

    def _download_one(self, file: RemoteFile, folder: Path, told: Callable[[int], None]) -> str:
        mark = (file.sha256 or file.git_blob or file.commit)[:16]
        part = folder / f"{file.name}.{mark}.incomplete"
        for _ in range(2):
            reached = _size(part)

            def progressed() -> bool:
                nonlocal reached
                before, reached = reached, _size(part)
                return reached > before

            self._again(lambda: self._stream(file, part, told), progressed)
            sha256 = _sha256_if_intact(part, file)
            if sha256 is not None:
                part.replace(folder / file.name)
                return sha256
            part.unlink()
        raise ModelUnavailable(
            f"{file.name} of {file.repository} came damaged from {self._shown} twice "
            "(its hash is not the one the hub names); try again later"
        )

    def _stream(self, file: RemoteFile, part: Path, told: Callable[[int], None]) -> None:
        """Append to `part` until it has the file's size or the connection ends."""
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils import (  # type: ignore[attr-defined]
            build_hf_headers,
            hf_raise_for_status,
        )

        start = _size(part)
        if start >= file.size:
            part.touch()
            return
        url = hf_hub_url(file.repository, file.name, revision=file.commit, endpoint=self._url)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with get_session().stream(
            "GET", url, headers=headers, timeout=self._patience.silence
        ) as response:
            if response.status_code >= 400:
                response.read()
            hf_raise_for_status(response)
            if response.status_code != 206:
                start = 0
            with part.open("ab" if start else "wb") as out:
                told(start)
                for chunk in response.iter_bytes():
                    out.write(chunk)
                    start += len(chunk)
                    told(min(start, file.size))
                    if start > file.size:
                        break
                out.flush()
                os.fsync(out.fileno())
        if start < file.size:
            raise ConnectionResetError("the connection ended early")

    def _again(self, call: Callable[[], T], progressed: Callable[[], bool]) -> T:
        """Call until it works; give up after all pauses, or at once when it can't heal."""
        tries = 0
        while True:
            try:
                return call()
            except Exception as error:
                tries = 0 if progressed() else tries + 1
                if not _may_heal(error) or tries > len(self._patience.pauses):
                    raise
            time.sleep(self._patience.pauses[max(tries - 1, 0)] if self._patience.pauses else 0)

    def _require_space(self, folder: Path, needed: int) -> None:
        free = shutil.disk_usage(folder).free
        held = sum(part.stat().st_size for part in folder.glob("*.incomplete"))
        if needed - held > free:
            raise OSError(errno.ENOSPC, f"{_mb(needed - held)} needed, {_mb(free)} free")

    def _translated(self, name: str, error: Exception) -> ModelUnavailable:
        """The one place where the errors of HTTP, the hub and the disk become a line."""
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        tried = f"{name} could not be fetched from {self._shown}"
        if isinstance(error, OfflineModeIsEnabled):
            return HubUnreachable(f"{tried}: HF_HUB_OFFLINE is set; remove it")
        if isinstance(error, HfHubHTTPError):
            status = error.response.status_code
            code = error.response.headers.get("X-Error-Code", "")
            if status in (401, 403) and code != "RepoNotFound":
                return ModelUnavailable(
                    f"{tried}: it is private or gated ({status}); accept its terms there and put "
                    "a token into the environment as HF_TOKEN"
                )
            if status in (401, 404):
                return ModelUnavailable(
                    f"{tried}: there is no such repository or file ({status}), or it is private; "
                    "check the name"
                )
            return HubUnreachable(f"{tried}: the hub answers {status}; try again later")
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            detail = error.strerror if error.strerror and "needed" in error.strerror else ""
            return ModelUnavailable(
                f"{tried}: the disk is full{f' ({detail})' if detail else ''}; free some space "
                "and start again"
            )
        if isinstance(error, OSError) and error.filename is not None:
            return ModelUnavailable(f"{tried}: {error.filename}: {error.strerror}")
        return HubUnreachable(f"{tried}: {_why(error)}; check the network and try again")


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Bound what no socket timeout bounds: name resolution, and many addresses in turn."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=work, name="hub", daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"no answer within {seconds:g} s") from None


def _may_heal(error: Exception) -> bool:
    """Cuts, silence and a busy hub may; a refused connection, a wrong name, a full disk don't."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in (408, 429, 500, 502, 503, 504)
    if isinstance(error, httpx2.ConnectError):
        return False
    return isinstance(error, httpx2.TransportError | ConnectionError)


def _foreign() -> tuple[type[Exception], ...]:
    import httpx2
    from huggingface_hub.errors import OfflineModeIsEnabled

    return (OSError, httpx2.HTTPError, httpx2.InvalidURL, OfflineModeIsEnabled)


def _why(error: Exception) -> str:
    text = " ".join(str(error).split())
    return "no answer in time" if "timed out" in text else text or type(error).__name__


def _sha256_if_intact(path: Path, file: RemoteFile) -> str | None:
    """The SHA-256 of a file that is what the hub describes, else None."""
    if not path.is_file() or path.stat().st_size != file.size:
        return None
    sha256 = hashlib.sha256()
    git = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    with path.open("rb") as source:
        while chunk := source.read(1 << 20):
            sha256.update(chunk)
            if file.git_blob:
                git.update(chunk)
    if file.sha256 not in (None, sha256.hexdigest()):
        return None
    if file.git_blob not in (None, git.hexdigest()):
        return None
    return sha256.hexdigest()


def _shifted(progress: Progress, done: int, total: int) -> Callable[[int], None]:
    return lambda now: progress(done + now, total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
