"""DuckDB's own reader of S3, if its extension ``httpfs`` is installed and asked for.

``NEUROLAKE_HTTPFS=1`` lets DuckDB itself read the large Parquet files of lakes on S3. That is faster than handing it
ranges from Python, and what is read so is never verified, however much of a file it is; hence it is a choice.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from ..lake.errors import InputError
from ..lake.storage.aws import endpoint, profile_settings
from .schema import literal

WANTED = "NEUROLAKE_HTTPFS"
_KEYS = {
    "key_id": ("AWS_ACCESS_KEY_ID", "access_key_id"),
    "secret": ("AWS_SECRET_ACCESS_KEY", "secret_access_key"),
    "session_token": ("AWS_SESSION_TOKEN", "session_token"),
}


@dataclass(frozen=True)
class Httpfs:
    """How DuckDB reads the objects below *root*, an S3 URL; *secret* is the statement that tells it the keys."""

    root: str
    secret: str = field(repr=False)

    @classmethod
    def of(cls, url: str, environment: Mapping[str, str] = os.environ) -> "Httpfs | None":
        """Return the extension for a lake; None where the lake is not on S3, or the extension is not asked for.

        Parameters
        ----------
        url
            URL of the lake.
        environment
            Environment variables, by name.
        """
        if environment.get(WANTED) != "1" or not url.startswith("s3://"):
            return None
        settings = profile_settings(environment)
        server = endpoint(settings, environment)
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
        options = {
            **{name: environment.get(theirs) or settings.get(ours) for name, (theirs, ours) in _KEYS.items()},
            "region": region or settings.get("region"),
            "scope": f"{url}/objects/",
        }
        if server is not None:
            scheme, _, host = server.rstrip("/").partition("://")
            options |= {"endpoint": host, "url_style": "path", "use_ssl": str(scheme == "https").lower()}
        said = ", ".join(f"{name} {literal(value)}" for name, value in options.items() if value)
        return cls(url, f"create secret lake (type s3, {said})")

    def begin(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Load the extension, and set its keys.

        Parameters
        ----------
        connection
            An open connection of DuckDB.

        Raises
        ------
        InputError
            It is not installed for this DuckDB.
        """
        try:
            connection.execute("load httpfs")
        except duckdb.Error as error:
            raise InputError(
                f"{WANTED}=1, but DuckDB {duckdb.__version__} cannot load httpfs (INSTALL httpfs in a DuckDB shell of "
                f"that version gets it): {str(error).splitlines()[0]}"
            ) from error
        try:
            connection.execute(self.secret)
        except duckdb.Error:
            # What DuckDB says quotes the statement, and that has the keys.
            raise InputError("the AWS_… variables hold a setting that DuckDB's httpfs cannot use") from None
