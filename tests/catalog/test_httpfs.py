"""DuckDB's own reader of S3: asked for, told no more than it needs, and right where it can be loaded."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import neurolake
from neurolake import InputError, QueryError
from neurolake.catalog import filesystem
from neurolake.catalog.httpfs import Httpfs

ENVIRONMENT = {
    "NEUROLAKE_HTTPFS": "1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9000/",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "it's secret",
    "AWS_CONFIG_FILE": "/nonexistent/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
}


def missing() -> str | None:
    """Why DuckDB does not load the extension here, if it does not."""
    with duckdb.connect() as connection:
        try:
            connection.execute("load httpfs")
        except duckdb.Error as error:
            return str(error).splitlines()[0]
    return None


@pytest.fixture
def lake(s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NEUROLAKE_HTTPFS", "1")
    monkeypatch.setattr(filesystem, "WHOLE", 0)
    lake = neurolake.create(s3)
    with lake.transaction("fill") as tx:
        tx.write_table("numbers", pa.table({"x": range(1000), "y": [n % 7 for n in range(1000)]}))
    return lake


def test_the_lake_answers_through_it(lake: Any) -> None:
    if reason := missing():
        pytest.skip(f"DuckDB {duckdb.__version__} cannot load httpfs: {reason}")
    found = lake.sql("select y, sum(x) from numbers group by y order by y").fetchall()
    assert found == [(y, sum(range(y, 1000, 7))) for y in range(7)]
    assert not any(folder.exists() for folder in lake.objects.folders)
    secrets = str(lake.sql("from duckdb_secrets()").fetchall())
    assert "an/example+secret" not in secrets
    for place in ("s3://lakes/other/x.parquet", f"{lake.url}/neurolake.json"):
        with pytest.raises(QueryError, match="Permission Error"):
            lake.sql(f"from read_text('{place}')").fetchall()


def test_who_asks_for_it_is_told_where_it_is_not(lake: Any) -> None:
    if missing() is None:
        pytest.skip(f"DuckDB {duckdb.__version__} can load httpfs")
    with pytest.raises(InputError, match=r"NEUROLAKE_HTTPFS=1, but DuckDB .* cannot load httpfs"):
        lake.sql("from numbers")


def test_it_is_told_the_keys_for_the_lake_alone() -> None:
    found = Httpfs.of("s3://bucket/my/lake", ENVIRONMENT)
    assert found is not None
    assert found.secret == (
        "create secret lake (type s3, key_id 'key', secret 'it''s secret', region 'eu-west-1', "
        "scope 's3://bucket/my/lake/objects/', endpoint '127.0.0.1:9000', url_style 'path', use_ssl 'false')"
    )
    assert "secret" not in repr(found)


def test_amazon_needs_no_endpoint() -> None:
    environment = {name: text for name, text in ENVIRONMENT.items() if name != "AWS_ENDPOINT_URL"}
    found = Httpfs.of("s3://bucket", environment)
    assert found is not None and "endpoint" not in found.secret and "url_style" not in found.secret


@pytest.mark.parametrize(("url", "wanted"), [("/data/lake", "1"), ("s3://bucket", "0"), ("s3://bucket", "")])
def test_it_is_a_choice(url: str, wanted: str) -> None:
    assert Httpfs.of(url, {**ENVIRONMENT, "NEUROLAKE_HTTPFS": wanted}) is None
