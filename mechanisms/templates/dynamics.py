"""``dynamics_params``: values of a model that nodes and edges of SONATA circuits have, in a file or of their own."""

import json
from collections.abc import Mapping
from typing import Any

from ..entries import is_number
from ..errors import ModelError

KEY = "dynamics_params"


def dynamics_of(attributes: Mapping[str, Any], files: Mapping[str, bytes], what: str) -> dict[str, Any]:
    """Return the parameters of a node or an edge: those of the file that it names, and over them its own.

    Parameters
    ----------
    attributes
        What is known of it. ``dynamics_params`` names a JSON file or is a mapping; columns ``dynamics_params/NAME`` are values of
        its own.
    files
        Content of files by name.
    what
        The node or edge, for messages.

    Raises
    ------
    ModelError
        The file is not there, or is no JSON object.
    """
    said = attributes.get(KEY)
    found: dict[str, Any] = {}
    if isinstance(said, Mapping):
        found.update(said)
    elif isinstance(said, str) and said not in ("", "NULL"):
        found.update(json_object(said, files, what))
    for name, value in attributes.items():
        if name.startswith(f"{KEY}/") and value is not None:
            found[name.removeprefix(f"{KEY}/")] = value
    return found


def json_object(name: str, files: Mapping[str, bytes], what: str) -> dict[str, Any]:
    """Return the JSON object in a file that something names.

    Parameters
    ----------
    name
        Name of the file, with or without ``.json``.
    files
        Content of files by name.
    what
        Who names it, for messages.

    Raises
    ------
    ModelError
        The file is not there, or is no JSON object.
    """
    data = files.get(name, files.get(f"{name}.json"))
    if data is None:
        raise ModelError(f"{what}: {name} is not among the files that were given for it")
    try:
        content = json.loads(data)
    except ValueError as error:
        raise ModelError(f"{what}: no JSON: {error}", name) from error
    if not isinstance(content, dict):
        raise ModelError(f"{what}: expected a JSON object", name)
    return content


def numbers_of(told: Mapping[str, Any], what: str) -> dict[str, float]:
    """Return the parameters that are numbers; texts, which describe the model, are passed over.

    Parameters
    ----------
    told
        Parameters by name.
    what
        Whose, for messages.

    Raises
    ------
    ModelError
        One is neither a number nor a text.
    """
    found = {}
    for name, value in told.items():
        if is_number(value):
            found[name] = float(value)
        elif not isinstance(value, str | bool):
            raise ModelError(f"{what}: {name} is {value!r}, expected a number")
    return found
