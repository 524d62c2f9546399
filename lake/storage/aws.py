"""Endpoint and credentials of S3, from the environment and the files of ``~/.aws``, as AWS's own tools read them.

Keys are handed on to the client and kept nowhere else.
"""

import configparser
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import StorageError

_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
_PLACES = {"region": "region", "endpoint_url": "endpoint"}
# With one of these in the environment, the keys of a profile are not used.
_OTHER_MEANS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_SERVER = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def profile_settings(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the settings of the profile ``AWS_PROFILE``, or ``default``, that the environment leaves open.

    Parameters
    ----------
    environment
        Environment variables, by name.

    Returns
    -------
    Some of ``access_key_id``, ``secret_access_key``, ``session_token``, ``region``, ``endpoint``.

    Raises
    ------
    StorageError
        A profile was asked for that has no keys, or a file cannot be read.
    """
    named = environment.get("AWS_PROFILE")
    written = _profile(named or "default", environment)
    settings = {}
    if not any(name in environment for name in _OTHER_MEANS):
        settings = {ours: written[theirs] for theirs, ours in _KEYS.items() if theirs in written}
        if named and "access_key_id" not in settings:
            raise StorageError(
                f"AWS_PROFILE names {named!r}, which has no access key in ~/.aws; for a profile with a role "
                "or single sign-on, evaluate `aws configure export-credentials --format env` first"
            )
    for theirs, taken in (("region", _REGIONS), ("endpoint_url", _ENDPOINTS)):
        if theirs in written and not any(name in environment for name in taken):
            settings[_PLACES[theirs]] = written[theirs]
    return settings


def endpoint(settings: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the server's URL; None for Amazon's own.

    Parameters
    ----------
    settings
        Settings of the profile, from `profile_settings`.
    environment
        Environment variables, by name.

    Raises
    ------
    StorageError
        It is none that can be used.
    """
    named = (environment[name] for name in _ENDPOINTS if environment.get(name))
    found = next(named, settings.get("endpoint"))
    if found is not None and not _SERVER.fullmatch(found):
        # It is not quoted: what does not belong there may be a password.
        raise StorageError("the endpoint of S3 is http://host:port or https://host:port, without credentials")
    return found


def _profile(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    home = Path("~/.aws").expanduser()
    config = Path(environment.get("AWS_CONFIG_FILE") or home / "config")
    credentials = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials")
    section = name if name == "default" else f"profile {name}"
    return _section(config, section) | _section(credentials, name)


def _section(path: Path, name: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, default_section="", strict=False)
    try:
        parser.read(path)
    except (configparser.Error, OSError, UnicodeDecodeError):
        # What the parser says quotes the line, and that may be a key.
        raise StorageError(f"{path} cannot be read as an AWS configuration") from None
    return dict(parser[name]) if parser.has_section(name) else {}
