"""Fixtures: S3 servers, and the environment in which they are found. A plugin of pytest."""

import uuid
from collections.abc import Iterator

import pytest
from meddler import Meddler, meddler
from moto_server import BUCKET, moto_server

KEY, SECRET = "AKIDEXAMPLEKEY", "an/example+secret"


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """URL of a moto server."""
    with moto_server() as url:
        yield url


@pytest.fixture
def s3(moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An S3 URL below which there is nothing, on moto; the environment says how to get there."""
    pytest.importorskip("obstore", reason="lakes on S3 need obstore: pip install -e '.[dev]'")
    set_environment(monkeypatch, moto, KEY, SECRET)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def meddled(s3: str, moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Meddler]:
    """The proxy between this test and the server."""
    with meddler(moto) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def set_environment(patch: pytest.MonkeyPatch, endpoint: str, key: str, secret: str) -> None:
    """Forget what this machine knows of AWS, and name *endpoint* and the credentials."""
    patch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    patch.delenv("AWS_PROFILE", raising=False)
    patch.setenv("AWS_ENDPOINT_URL", endpoint)
    patch.setenv("AWS_REGION", "us-east-1")
    patch.setenv("AWS_ACCESS_KEY_ID", key)
    patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
