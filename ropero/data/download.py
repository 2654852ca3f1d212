"""Fetching the files of a known source over HTTP: bounded, resumed, checked, whole or not there.

Knows addresses and digests; knows nothing of what the files mean or of where else they may lie (`finder.py`).
"""

from __future__ import annotations

import hashlib
import http.client
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from ropero.data.known import FASHION, Known
from ropero.data.raw import Progress, opened
from ropero.errors import DataError
from ropero.storage import CHUNK_BYTES
from ropero.texts import t

# Folders on the web that hold the .gz files of a source, tried in this order.
MIRRORS: Mapping[str, tuple[str, ...]] = {
    FASHION: (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    )
}
TIMEOUT_SECONDS = 5.0  # to connect, and for each wait for more bytes
DEADLINE_SECONDS = 900.0  # for one file, however slowly it trickles
ATTEMPTS = 3
PAUSE_SECONDS = 0.3  # before the second attempt; doubled before the third
_SHOWN = {"sha256": "SHA-256", "md5": "MD5"}
_AGENT = "ropero (https://pypi.org/project/ropero)"


class FetchError(Exception):
    """Why a file could not be fetched from one place; the finder tries the next one. `again`: worth another try."""

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


def fetch_known(known: Known, folder: Path, mirror: str, progress: Progress | None = None) -> None:
    """Fetch the files of a source that `folder` lacks from one mirror, as .gz.

    Raises:
        FetchError: with the reason, in words for the user.
    """
    for name, (digest, size) in known.files.items():
        target = folder / f"{name}.gz"
        if not target.exists():
            fetch(mirror + target.name, target, digest=digest, size=size, progress=progress)


def fetch(
    url: str, target: Path, *, digest: str, size: int, progress: Progress | None = None, algorithm: str = "sha256"
) -> None:
    """Fetch one file to `target`. What arrived before a cut is kept beside it as .part and resumed, here or next time.

    Args:
        url: http or https.
        target: appears whole and checked, or not at all.
        digest: of the content, unpacked when it is gzip.
        size: bytes of the content, unpacked, or somewhat more.
        progress: called with (file name, bytes done, total or None).
        algorithm: what the digest is: "sha256", or "md5" where a publisher gives no better one.

    Raises:
        FetchError: no answer, an error status, cut off again and again, or wrong content (which is removed).
    """
    part = target.with_name(target.name + ".part")
    _check_host(url)
    end = time.monotonic() + DEADLINE_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        resumed = part.exists()
        try:
            _transfer(url, part, size + CHUNK_BYTES, end, progress)
            if is_content(part, digest, size, algorithm):
                part.replace(target)
                return
            part.unlink()
            # What an earlier run left may have been the wrong half.
            message = t("wrong content at {url} ({digest} differs); removed", url=url, digest=_SHOWN[algorithm])
            raise FetchError(message, again=resumed)
        except FetchError as error:
            if not error.again or attempt == ATTEMPTS:
                raise
        except OSError as error:  # the disk: full, read-only, not ours
            raise FetchError(str(error)) from error
        time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))


def is_content(path: Path, digest: str, size: int, algorithm: str = "sha256") -> bool:
    """Whether a file, unpacked when it is gzip, has these bytes. Reads no further than `size`."""
    found, read = hashlib.new(algorithm, usedforsecurity=False), 0
    try:
        with opened(path) as file:
            while read <= size and (chunk := file.read(min(CHUNK_BYTES, size + 1 - read))):
                found.update(chunk)
                read += len(chunk)
    except DataError:
        return False
    return found.hexdigest() == digest


def _check_host(url: str) -> None:
    """Refuses a name that does not resolve within the time; the system's own resolver may take a minute."""
    parts = urlsplit(url)
    if parts.scheme in urllib.request.getproxies():
        return  # the proxy resolves
    answer: list[OSError | None] = []

    def ask() -> None:
        try:
            socket.getaddrinfo(parts.hostname, parts.port or 80)
            answer.append(None)
        except (OSError, UnicodeError) as error:
            answer.append(OSError(str(error)))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(TIMEOUT_SECONDS)
    if not answer or answer[0] is not None:
        raise FetchError(t("cannot reach {host}", host=parts.hostname))


def _transfer(url: str, part: Path, limit: int, end: float, progress: Progress | None) -> None:
    """Bring `part` up to the whole file. Raises FetchError, with `again` where another attempt may help."""
    held = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"})
    if held:
        request.add_header("Range", f"bytes={held}-")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            start, total = _span(response, held)
            with part.open("ab" if start else "wb") as file:
                done = start
                while chunk := response.read1(1 << 16):
                    file.write(chunk)
                    done += len(chunk)
                    if done > limit:
                        part.unlink()
                        raise FetchError(t("{url} is larger than it should be; removed", url=url))
                    if time.monotonic() > end:
                        raise FetchError(t("{url} is too slow", url=url))
                    if progress:
                        progress(part.stem, done, total)
            if total is not None and done < total:
                raise FetchError(t("{url} was cut off at byte {n}", url=url, n=done), again=True)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what is held does not fit what is there: begin anew
            part.unlink(missing_ok=True)
        error.close()
        again = error.code == 416 or error.code >= 500
        raise FetchError(t("{url} answered {code}", url=url, code=error.code), again=again) from error
    except TimeoutError as error:
        raise FetchError(t("{url} did not answer in time", url=url), again=True) from error
    except (http.client.HTTPException, ConnectionError) as error:
        raise FetchError(t("{url} was cut off: {reason}", url=url, reason=error), again=True) from error
    except urllib.error.URLError as error:
        late = isinstance(error.reason, TimeoutError)
        raise FetchError(t("cannot reach {url}: {reason}", url=url, reason=error.reason), again=late) from error


def _span(response: http.client.HTTPResponse, held: int) -> tuple[int, int | None]:
    """Where the answer begins in the file, and the whole file's bytes if told. A server without Range begins at 0."""
    length = response.headers.get("Content-Length")
    coming = int(length) if length and length.isdigit() else None
    if response.status == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not span or int(span[1]) != held:
            raise FetchError(t("{url} answered with another part of the file", url=response.url))
        return held, None if coming is None else held + coming
    return 0, coming


def remove_parts(folder: Path) -> None:
    """Remove the unfinished files of a folder, once the finished ones are there."""
    for part in folder.glob("*.part"):
        with suppress(OSError):
            part.unlink()
