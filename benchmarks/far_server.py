"""An S3 server that is far away: moto behind a proxy that answers late, and notes what was asked when."""

import contextlib
import http.client
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BUCKET = "lakes"
_SERVER = """
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
print(server.port, flush=True)
server.serve_forever()
"""


@dataclass(frozen=True)
class Request:
    """One request, and when it came and was answered, in seconds."""

    method: str
    path: str
    began: float
    ended: float


def waits(requests: Sequence[Request]) -> int:
    """How many requests waited for one another, one after the other: the round trips that more threads do not shorten.

    It is the largest number of requests of which each began after the one before had ended.
    """
    count, last = 0, float("-inf")
    for one in sorted(requests, key=lambda one: one.ended):
        if one.began >= last:
            count, last = count + 1, one.ended
    return count


class FarServer(ThreadingHTTPServer):
    """A proxy that holds every request back for *latency* seconds."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.latency = latency
        self.requests: list[Request] = []


@contextlib.contextmanager
def far_server(latency: float) -> Iterator[FarServer]:
    """The server; the environment of this process says how to get there."""
    # One request at a time, because moto looks and then writes.
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        with urllib.request.urlopen(urllib.request.Request(f"{url}/{BUCKET}", method="PUT"), timeout=30):
            pass
        server = FarServer(url, latency)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ |= {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
        }
        yield server
        server.shutdown()
    finally:
        process.terminate()
        process.wait()


class _Handler(BaseHTTPRequestHandler):
    server: FarServer
    protocol_version = "HTTP/1.1"
    # Else the body would wait for the client to acknowledge the head, which it does after 40 ms.
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        began = time.monotonic()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(self.server.latency)
        connection = http.client.HTTPConnection(self.server.upstream, timeout=60)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            status, headers, data = answer.status, dict(answer.getheaders()), answer.read()
        headers = {name.title(): value for name, value in headers.items() if name.title() != "Connection"}
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        # Noted before the client can ask again.
        self.server.requests.append(Request(self.command, self.path, began, time.monotonic()))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass
