"""Fixtures: S3 servers, and the environment in which they are found. A plugin of pytest."""

import os
import uuid
import warnings
from collections.abc import Iterator

import pytest
import radosgw as ceph
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


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of Ceph's S3 gateway; started only where ``NEUROLAKE_RADOSGW=1`` asks for it."""
    if os.environ.get("NEUROLAKE_RADOSGW") != "1":
        pytest.skip("tests on Ceph's radosgw run with NEUROLAKE_RADOSGW=1 (make test-s3)")
    if missing := ceph.missing_programs():
        pytest.skip(
            f"no radosgw: {', '.join(missing)} not installed (apt-get install ceph-mon ceph-mgr ceph-osd radosgw)"
        )
    with ceph.radosgw_server(tmp_path_factory.mktemp("ceph")) as url:
        _make_bucket(url)
        yield url


@pytest.fixture
def radosgw(gateway: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An S3 URL below which there is nothing, on radosgw."""
    set_environment(monkeypatch, gateway, ceph.KEY, ceph.SECRET)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


def _make_bucket(url: str) -> None:
    with warnings.catch_warnings():
        # boto3 warns of versions of Python to come.
        warnings.simplefilter("ignore")
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=ceph.KEY,
            aws_secret_access_key=ceph.SECRET,
        )
        client.create_bucket(Bucket=BUCKET)


def set_environment(patch: pytest.MonkeyPatch, endpoint: str, key: str, secret: str) -> None:
    """Forget what this machine knows of AWS, and name *endpoint* and the credentials."""
    patch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    patch.delenv("AWS_PROFILE", raising=False)
    patch.setenv("AWS_ENDPOINT_URL", endpoint)
    patch.setenv("AWS_REGION", "us-east-1")
    patch.setenv("AWS_ACCESS_KEY_ID", key)
    patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
