"""moto's S3 in a process of its own, one request at a time.

One at a time because moto looks and then writes: with threads, two conditional writes could both succeed.
Run as a program it prints its port and serves until it is ended.
"""

import contextlib
import importlib.util
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

BUCKET = "lakes"


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """The server's URL; it has the bucket `BUCKET`, and takes any credentials."""
    missing = [name for name in ("moto", "flask", "flask_cors") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"no S3 server: {', '.join(missing)} not installed (pip install -e '.[dev]')")
    # Its log of requests is of no use, and a full pipe would stop it.
    process = subprocess.Popen(
        [sys.executable, __file__], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        make = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
        with urllib.request.urlopen(make, timeout=30):
            yield url
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def main() -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
