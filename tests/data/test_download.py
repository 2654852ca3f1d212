"""Fetching from a server of our own that cuts, lies, stalls and refuses."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ropero.data import download
from ropero.data.download import FetchError, fetch, fetch_known
from ropero.data.known import Known

CONTENT = random.Random(0).randbytes(300_000)
PACKED = gzip.compress(CONTENT)
DIGEST = hashlib.sha256(CONTENT).hexdigest()

Answer = Callable[["Handler", int], None]  # the request, and how many came before it


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range", ""))
        self.server.paths.append(self.path)
        self.server.answer(self, len(self.server.ranges) - 1)

    def log_message(self, *_: object) -> None:
        pass

    def begin(self) -> int:
        """Where the client wants to begin."""
        return int((self.headers.get("Range") or "bytes=0-")[6:-1])

    def give(self, body: bytes, *, ranged: bool = True, stop: int | None = None) -> None:
        """The body from where it is wanted; `stop` cuts the connection before that byte."""
        start = self.begin() if ranged else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:stop])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str] = []
        self.paths: list[str] = []
        self.answer: Answer = lambda request, _: request.give(PACKED)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up is what some tests are about


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.mark.parametrize("digest", [hashlib.md5(CONTENT).hexdigest(), "0" * 32])
def test_a_publisher_may_give_an_md5(server: Server, tmp_path: Path, digest: str) -> None:
    if digest.strip("0"):
        assert _fetch(server, tmp_path, digest=digest, algorithm="md5").read_bytes() == PACKED
    else:
        with pytest.raises(FetchError, match=r"wrong content .*\(MD5 differs\)"):
            _fetch(server, tmp_path, digest=digest, algorithm="md5")
        assert _left(tmp_path) == []


def _fetch(server: Server, folder: Path, **how: object) -> Path:
    target = folder / "file.gz"
    fetch(server.url + "file.gz", target, **({"digest": DIGEST, "size": len(CONTENT)} | how))  # type: ignore[arg-type]
    return target


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_arrives_with_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    target = _fetch(server, tmp_path, progress=lambda *told: seen.append(told))
    assert target.read_bytes() == PACKED
    assert seen[-1] == ("file.gz", len(PACKED), len(PACKED))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert _left(tmp_path) == ["file.gz"]


def test_a_cut_connection_is_resumed_where_it_was_cut(server: Server, tmp_path: Path) -> None:
    server.answer = lambda request, before: request.give(PACKED, stop=100_000 if not before else None)
    assert _fetch(server, tmp_path).read_bytes() == PACKED
    assert server.ranges == ["", "bytes=100000-"]


def test_what_an_earlier_run_left_is_resumed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.gz.part").write_bytes(PACKED[:1234])
    assert _fetch(server, tmp_path).read_bytes() == PACKED
    assert server.ranges == ["bytes=1234-"]


def test_a_server_without_range_begins_anew(server: Server, tmp_path: Path) -> None:
    server.answer = lambda request, before: request.give(PACKED, ranged=False, stop=None if before else 5000)
    assert _fetch(server, tmp_path).read_bytes() == PACKED
    assert len(server.ranges) == 2


@pytest.mark.parametrize("left", [b"x" * 1000, PACKED + b"more"])
def test_wrong_leftovers_are_thrown_away(server: Server, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "file.gz.part").write_bytes(left)

    def answer(request: Handler, _: int) -> None:
        if request.begin() >= len(PACKED):
            request.send_error(416)
        else:
            request.give(PACKED)

    server.answer = answer
    assert _fetch(server, tmp_path).read_bytes() == PACKED
    assert server.ranges[-1] == ""


def test_cut_again_and_again_gives_up_and_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.answer = lambda request, _: request.give(PACKED, stop=request.begin() + 1000)
    with pytest.raises(FetchError, match="cut off at byte 3000"):
        _fetch(server, tmp_path)
    assert (tmp_path / "file.gz.part").read_bytes() == PACKED[:3000]
    assert _left(tmp_path) == ["file.gz.part"]


@pytest.mark.parametrize("body", [gzip.compress(b"something else"), b"<html>log in</html>", PACKED[:-100], b""])
def test_wrong_content_is_refused_and_removed(server: Server, tmp_path: Path, body: bytes) -> None:
    server.answer = lambda request, _: request.give(body)
    with pytest.raises(FetchError, match="wrong content"):
        _fetch(server, tmp_path)
    assert _left(tmp_path) == []


def test_the_content_counts_not_the_packing(server: Server, tmp_path: Path) -> None:
    server.answer = lambda request, _: request.give(gzip.compress(CONTENT, 1, mtime=5))
    assert gzip.decompress(_fetch(server, tmp_path).read_bytes()) == CONTENT


def test_too_large_is_stopped_and_removed(server: Server, tmp_path: Path) -> None:
    server.answer = lambda request, _: request.give(bytes(5_000_000))
    with pytest.raises(FetchError, match="larger than it should be"):
        _fetch(server, tmp_path)
    assert _left(tmp_path) == []


def test_not_found_is_not_tried_again(server: Server, tmp_path: Path) -> None:
    server.answer = lambda request, _: request.send_error(404)
    with pytest.raises(FetchError, match="answered 404"):
        _fetch(server, tmp_path)
    assert len(server.ranges) == 1


def test_a_tired_server_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.answer = lambda request, before: request.send_error(503) if before < 2 else request.give(PACKED)
    assert _fetch(server, tmp_path).exists()
    assert len(server.ranges) == 3


def test_a_silent_server_times_out(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.1)
    done = threading.Event()
    server.answer = lambda *_: done.wait(5) and None
    start = time.monotonic()
    with pytest.raises(FetchError, match="did not answer in time"):
        _fetch(server, tmp_path)
    assert time.monotonic() - start < 2
    done.set()


def test_a_stall_in_the_middle_times_out_and_is_resumed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.15)
    done = threading.Event()

    def answer(request: Handler, before: int) -> None:
        request.give(PACKED, stop=None if before else 2000)
        if not before:
            request.wfile.flush()
            done.wait(5)

    server.answer = answer
    assert _fetch(server, tmp_path).read_bytes() == PACKED
    assert server.ranges == ["", "bytes=2000-"]
    done.set()


def test_a_trickle_ends_at_the_deadline(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "DEADLINE_SECONDS", 0.0)
    with pytest.raises(FetchError, match="too slow"):
        _fetch(server, tmp_path)


def test_a_closed_door_and_an_unknown_host_are_told_at_once(tmp_path: Path) -> None:
    start = time.monotonic()
    for url in ("http://127.0.0.1:9/a.gz", "http://no-such-host.invalid/a.gz"):
        with pytest.raises(FetchError, match="cannot reach"):
            fetch(url, tmp_path / "a.gz", digest=DIGEST, size=1)
    assert time.monotonic() - start < 6


def test_a_resolver_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(download.socket, "getaddrinfo", lambda *_: done.wait(5))
    with pytest.raises(FetchError, match=r"cannot reach slow\.example"):
        fetch("http://slow.example/a.gz", tmp_path / "a.gz", digest=DIGEST, size=1)
    done.set()


def test_files_that_are_there_are_not_fetched_again(server: Server, tmp_path: Path) -> None:
    known = Known("a", ("x", "y"), files={name: (DIGEST, len(CONTENT)) for name in ("one", "two")})
    (tmp_path / "one.gz").write_bytes(PACKED)
    fetch_known(known, tmp_path, server.url)
    assert server.paths == ["/two.gz"]
    assert _left(tmp_path) == ["one.gz", "two.gz"]


def test_a_bomb_is_hashed_no_further_than_the_size(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(200 << 20), 1))
    start = time.process_time()
    assert not download.is_content(path, DIGEST, 1000)
    assert time.process_time() - start < 0.1
