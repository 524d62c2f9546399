"""Finders of templates, in the order in which they are asked."""

import json
from collections.abc import Mapping
from typing import Any

from ..errors import ModelError
from ..network.templates import CellTemplate, Finder, Search
from .allen import find_allen
from .documented import DOCUMENTED
from .files import file_named
from .hoc import find_hoc
from .parameters import ParameterTemplate
from .points import find_point


def find_parameters(name: str, search: Search) -> ParameterTemplate | None:
    """Return the template in a file ``NAME.param`` of a folder that the user has named: simrun's cell parameters.

    Parameters
    ----------
    name
        Name of the template.
    search
        The folders.

    Raises
    ------
    ModelError
        The file is no JSON object.
    """
    path = file_named(name, search, (".param",))
    if path is None:
        return None
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"no JSON: {error}", path) from error
    if not isinstance(tree, Mapping):
        raise ModelError("expected a JSON object", path)
    return ParameterTemplate(name, tree, path)


def find_documented(name: str, search: Search) -> ParameterTemplate | None:
    """Return a template of ours.

    Parameters
    ----------
    name
        Name of the template.
    search
        Not looked at.
    """
    return DOCUMENTED.get(name)


FINDERS: Mapping[str, Finder] = {
    "point processes (nrn:NAME)": find_point,
    "cells of the Allen Institute (ctdb:Biophys1.hoc, nml:FILE)": find_allen,
    "NAME.param in the folders": find_parameters,
    "hoc in the folders": find_hoc,
    f"neurolake's own ({', '.join(DOCUMENTED)})": find_documented,
}
"""A user's templates are found before ours of the same name."""


def find_template(name: str, search: Search) -> CellTemplate:
    """Return the template of a name: one that the search was given, or what the first finder makes that knows the name.

    Parameters
    ----------
    name
        What the circuit calls it.
    search
        Where to look.

    Raises
    ------
    ModelError
        There is none; says where it was looked for.
    """
    if name in search.given:
        return search.given[name]
    for finder in FINDERS.values():
        found = finder(name, search)
        if found is not None:
            return found
    folders = ", ".join(map(str, search.folders)) or "no folder was named"
    raise ModelError(
        f"there is no template {name!r} among: {'; '.join(FINDERS)}; folders of templates: {folders}{search.hint}"
    )
