"""The guarded GET: it reaches what is public, never what is inside, and never waits or reads for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from server import fetching
from server.errors import Invalid, Unavailable
from server.fetching import fetch


@contextmanager
def answering(status: int, body: bytes = b"{}", location: str | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/api/v2/summary.json"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_page_that_may_be_asked_is_read() -> None:
    with answering(200, b'{"page": 1}') as url:
        assert await fetch(url, allow_private=True) == b'{"page": 1}'


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://0.0.0.0/x",
    ],
)
async def test_what_is_inside_is_not_asked(url: str) -> None:
    with pytest.raises(Invalid, match="private network"):
        await fetch(url)


@pytest.mark.parametrize(
    "url", ["http://status.example/x", "file:///etc/passwd", "ftp://status.example", "https://"]
)
async def test_only_https_is_asked(url: str) -> None:
    with pytest.raises(Invalid, match="starts with https://"):
        await fetch(url)


async def test_a_redirect_is_not_followed() -> None:
    with (
        answering(302, location="http://127.0.0.1/secret") as url,
        pytest.raises(Unavailable, match="answers 302"),
    ):
        await fetch(url, allow_private=True)


async def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MAX_BYTES", 1000)
    with answering(200, b"x" * 5000) as url, pytest.raises(Invalid, match="more than 1,000 bytes"):
        await fetch(url, allow_private=True)
