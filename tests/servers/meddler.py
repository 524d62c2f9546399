"""A proxy between client and S3 server that loses answers, forgets conditions, or answers itself."""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Meddler(ThreadingHTTPServer):
    """What it is to do with requests is set by its attributes, at any time.

    Attributes
    ----------
    lose
        How many of the next conditional writes are carried out without an answer: the connection ends.
    fail
        How many are carried out and answered with status 500.
    unconditional
        Whether conditions are forgotten on the way.
    answer
        Status and body to answer every request with.
    seen
        Method and path of the requests so far.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.lose = self.fail = 0
        self.unconditional = False
        self.answer: tuple[int, str] | None = None
        self.seen: list[tuple[str, str]] = []


@contextlib.contextmanager
def meddler(upstream: str) -> Iterator[Meddler]:
    """A `Meddler` in front of the server at the URL *upstream*."""
    server = Meddler(upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Meddler

    def handle_any(self) -> None:
        meddler = self.server
        meddler.seen.append((self.command, self.path))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if meddler.answer is not None:
            self.reply(meddler.answer[0], {}, meddler.answer[1].encode())
            return
        conditional = self.headers.get("If-None-Match") == "*"
        if meddler.unconditional:
            del self.headers["If-None-Match"]
        answer = self.forward(body)
        if conditional and meddler.lose:
            meddler.lose -= 1
        elif conditional and meddler.fail:
            meddler.fail -= 1
            self.reply(500, {}, b"")
        else:
            self.reply(*answer)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

    def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=30)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        headers = {name.title(): value for name, value in headers.items()}
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
