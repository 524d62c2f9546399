"""Electrodes from files: BlueRecording's CSV and JSON, bmtk's CSV, probeinterface's JSON; and as a table of a lake."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary.space import ELECTRODES
from ...kernels.lfp.electrodes import DISK, LINE, PLANE, POINT, SPHERE, TYPES, Electrodes
from ...lake import Lake, Snapshot, Transaction
from ...lake.errors import IngestError, InputError
from ..outgoing import new_file

FORMATS = ("bluerecording", "bmtk", "probeinterface")


_UNKNOWN = ("", "NA")
_MICRONS = {"um": 1.0, "mm": 1e3, "m": 1e6}
# Numbers that follow an ObjectiveCSD type, as BlueRecording counts them.
_SIZES: Mapping[str, tuple[str, ...]] = {
    SPHERE: ("radius",),
    DISK: ("radius", "thickness"),
    PLANE: ("thickness",),
}
_ALL_SIZES = ("radius", "thickness")
_KEYS = ("name", *"xyz", "type", "layer", "region", "probe", *_ALL_SIZES)


def electrodes_table(electrodes: Electrodes) -> pa.Table:
    """Return the contacts as a table, documented as `ELECTRODES` is; NaN becomes null.

    Parameters
    ----------
    electrodes
        The contacts.
    """
    arrays = [pa.array(values, from_pandas=True) for values in electrodes.columns().values()]
    return pa.Table.from_arrays(
        [a.cast(f.type) for a, f in zip(arrays, ELECTRODES.schema, strict=True)], schema=ELECTRODES.schema
    )


def store_electrodes(
    lake: Lake, name: str, electrodes: Electrodes, *, branch: str = "main", message: str | None = None
) -> str:
    """Write the contacts as the table ``electrodes/<name>``, in one commit; return the node's name.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    name
        Name of the electrodes.
    electrodes
        The contacts.
    branch
        The branch to commit to.
    message
        Message of the commit; by default it names what is stored.
    """
    with lake.transaction(message or f"Store electrodes {name}", branch=branch) as transaction:
        return put_electrodes(transaction, name, electrodes)


def put_electrodes(transaction: Transaction, name: str, electrodes: Electrodes) -> str:
    """Write the contacts as the table ``electrodes/<name>``, in a transaction; return the node's name.

    Parameters
    ----------
    transaction
        Writes the nodes.
    name
        Name of the electrodes.
    electrodes
        The contacts.
    """
    node = ELECTRODES.of(probe=name)
    transaction.write_table(node, electrodes_table(electrodes), doc=ELECTRODES.doc)
    return node


def stored_electrodes(snapshot: Snapshot, name: str) -> Electrodes:
    """Return the contacts in a table of a lake; texts that are null are empty.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        Name of the electrodes.

    Raises
    ------
    NotFoundError
        There is no such table.
    InputError
        It is no table of contacts.
    """
    columns = snapshot.tables[name].to_arrow().to_pydict()
    for key in ("name", "type", "layer", "region", "probe"):
        if key in columns:
            columns[key] = ["" if value is None else value for value in columns[key]]
    try:
        return Electrodes.from_columns(columns)
    except (ValueError, TypeError) as error:
        raise InputError(f"table {name!r} cannot be read as contacts: {error}") from error


def read_electrodes(path: str | Path, format: str | None = None) -> Electrodes:
    """Read contacts from a file.

    Parameters
    ----------
    path
        The file.
    format
        ``"bluerecording"``: CSV with a header ``name,x,y,z`` and perhaps ``layer``, ``region``, ``type`` (and ours:
        ``probe``); the first column is the name, whatever it is called; or, since 0.7, JSON: a list of objects with
        these keys, and ``radius`` and ``thickness``. A thickness, in CSV the number after ``ObjectiveCSD_Plane`` or the
        second after ``ObjectiveCSD_Disk``, is half of the thickness there, and is doubled here.
        ``"bmtk"``: columns ``channel x_pos y_pos z_pos`` with blanks between; all are LineSource, as bmtk computes.
        ``"probeinterface"``: JSON; the y axis of probes of two dimensions is our z, contacts are PointSource.
        By default what the file looks like.

    Raises
    ------
    IngestError
        The file cannot be read or is none of these, a row has too few cells, a number is none, a type or a
        parameter of it is unknown, or a name is there twice; with the line, or the entry of JSON.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise IngestError(f"it cannot be read as text: {error}", file) from error
    known: Mapping[str, Callable[[str, Path], Electrodes]] = {
        "bluerecording": _bluerecording,
        "bmtk": _bmtk,
        "probeinterface": _probeinterface,
    }
    usual = "probeinterface" if text.lstrip().startswith("{") else "bluerecording"
    chosen = format or dialect_of(text) or usual
    if chosen not in known:
        raise IngestError(f"format {chosen!r} is none of {', '.join(FORMATS)}", file)
    return known[chosen](text, file)


def dialect_of(text: str) -> str | None:
    """Return the format of `read_electrodes` that a text looks like, by its beginning; None if none.

    Parameters
    ----------
    text
        Content of a file.
    """
    start = text.lstrip()
    if start.startswith("{"):
        return "probeinterface" if '"probeinterface"' in start else None
    if start.startswith("["):
        return "bluerecording" if all(f'"{key}"' in start for key in ("name", *"xyz")) else None
    header = next(iter(start.split("\n")), "")
    if "," not in header:
        return "bmtk" if {"x_pos", "y_pos", "z_pos"} <= set(header.split()) else None
    return "bluerecording" if set("xyz") <= {title.strip() for title in header.split(",")} else None


# CSV


@dataclass
class _Rows:
    """Cells that were read, a list for each column, and the line that each row came from."""

    path: Path
    columns: dict[str, list[Any]] = field(default_factory=dict)
    lines: dict[str, int | None] = field(default_factory=dict)

    def add(self, line: int | None, cells: Mapping[str, Any]) -> None:
        name = cells["name"]
        if not name:
            raise IngestError("the contact has no name", self.path, line)
        if name in self.lines:
            before = self.lines[name]
            where = "" if before is None else f" in line {before}"
            raise IngestError(f"contact {name!r} is there{where} already", self.path, line)
        self.lines[name] = line
        for key, cell in cells.items():
            self.columns.setdefault(key, []).append(cell)

    def electrodes(self) -> Electrodes:
        if not self.lines:
            raise IngestError("there are no contacts", self.path)
        return Electrodes.from_columns(self.columns)


def _table(text: str, path: Path, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """Rows of cells with their lines, the header first; empty lines are left out."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            cells = (
                line.split()
                if delimiter is None
                else next(csv.reader([line], delimiter=delimiter, strict=True))
            )
        except csv.Error as error:
            raise IngestError(f"not a row of CSV: {error}", path, number) from error
        yield number, [cell.strip() for cell in cells]


def _cells(
    text: str, path: Path, delimiter: str | None, wanted: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows as cells by title, the first column being the name."""
    rows = _table(text, path, delimiter)
    line, titles = next(rows, (1, []))
    titles = ["name", *titles[1:]]
    missing = [title for title in wanted if title not in titles]
    if missing or len(set(titles)) < len(titles):
        what = f"no column {missing[0]!r}" if missing else "a column twice"
        raise IngestError(f"the header has {what}; expected name and {', '.join(wanted)}", path, line)
    for number, cells in rows:
        if len(cells) != len(titles):
            raise IngestError(
                f"{len(cells)} cells; expected {len(titles)}: {', '.join(titles)}", path, number
            )
        yield number, dict(zip(titles, cells, strict=True))


def _place(row: Mapping[str, str], titles: Sequence[str], path: Path, line: int) -> dict[str, float]:
    found = {}
    for axis, title in zip("xyz", titles, strict=True):
        found[axis] = _number(row[title], title, path, line)
    return found


def _number(token: str, what: str, path: Path, line: int | None) -> float:
    try:
        value = float(token)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise IngestError(f"{what} is {token!r}; expected a number of µm", path, line)
    return value


def _bluerecording(text: str, path: Path) -> Electrodes:
    if text.lstrip().startswith(("[", "{")):
        return _bluerecording_json(text, path)
    rows = _Rows(path)
    for line, row in _cells(text, path, ",", "xyz"):
        texts = {key: row.get(key, "") for key in ("layer", "region", "probe")}
        known = {key: "" if value in _UNKNOWN else value for key, value in texts.items()}
        kind = _type(row.get("type", LINE), path, line)
        rows.add(line, {"name": row["name"], **_place(row, "xyz", path, line), **known, **kind})
    return rows.electrodes()


def _type(text: str, path: Path, line: int) -> dict[str, Any]:
    """Type, radius and thickness of ``ObjectiveCSD_Disk_<radius>_<half thickness>`` and its like."""
    kind = next((kind for kind in TYPES if text == kind or text.startswith(f"{kind}_")), None)
    if kind is None:
        raise IngestError(f"type {text!r}; expected one of {', '.join(TYPES)}", path, line)
    names, tokens = _SIZES.get(kind, ()), text.removeprefix(kind).split("_")[1:]
    if len(tokens) > len(names):
        expected = " and ".join(names) or "no number"
        raise IngestError(f"type {text!r}: {len(tokens)} numbers; expected {expected}", path, line)
    return {"type": kind, **_sizes(dict(zip(names, tokens, strict=False)), repr(text), path, line)}


def _sizes(tokens: Mapping[str, str], of: str, path: Path, line: int | None) -> dict[str, float]:
    """Radius and thickness of ObjectiveCSD, NaN where they are missing; BlueRecording writes half of the thickness."""
    found = {"radius": np.nan, "thickness": np.nan}
    for name, token in tokens.items():
        size = _number(token, f"{name} of {of}", path, line)
        if size <= 0:
            raise IngestError(f"{name} of {of} is {token}; expected a number above 0", path, line)
        found[name] = 2 * size if name == "thickness" else size
    return found


def _bluerecording_json(text: str, path: Path) -> Electrodes:
    content = _json(text, path)
    if not isinstance(content, list):
        raise IngestError("expected a list of objects with name, x, y and z", path)
    rows = _Rows(path)
    for number, entry in enumerate(content):
        of = f"entry {number}"
        if not isinstance(entry, dict) or not {"name", *"xyz"} <= entry.keys():
            raise IngestError(f"{of} is not an object with name, x, y and z", path)
        if unknown := sorted(entry.keys() - _KEYS):
            raise IngestError(f"{of} has {unknown[0]!r}; expected {', '.join(_KEYS)}", path)
        kind = str(entry.get("type", LINE))
        if kind not in TYPES:
            raise IngestError(f"{of}: type {kind!r}; expected one of {', '.join(TYPES)}", path)
        told = {size: str(entry[size]) for size in _ALL_SIZES if entry.get(size) is not None}
        if strange := [size for size in told if size not in _SIZES.get(kind, ())]:
            raise IngestError(f"{of}: a {kind} has no {strange[0]}", path)
        place = {axis: _number(str(entry[axis]), f"{of}: {axis}", path, None) for axis in "xyz"}
        texts = {
            key: "" if entry.get(key) is None else str(entry[key]) for key in ("layer", "region", "probe")
        }
        known = {key: "" if value in _UNKNOWN else value for key, value in texts.items()}
        rows.add(
            None,
            {"name": str(entry["name"]), **place, **known, "type": kind, **_sizes(told, of, path, None)},
        )
    return rows.electrodes()


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise IngestError(f"it is not JSON: {error}", path, getattr(error, "lineno", None)) from error


def _bmtk(text: str, path: Path) -> Electrodes:
    rows = _Rows(path)
    for line, row in _cells(text, path, None, ("x_pos", "y_pos", "z_pos")):
        place = _place(row, ("x_pos", "y_pos", "z_pos"), path, line)
        rows.add(line, {"name": row["name"], **place, "type": LINE})
    return rows.electrodes()


def write_electrodes(path: str | Path, electrodes: Electrodes) -> None:
    """Write the contacts as BlueRecording's CSV or, for the suffix ``.json``, as the JSON that it reads since 0.7.

    Both have ``probe`` where one is known, which BlueRecording does not look at. A thickness is halved, as
    `read_electrodes` doubles it. In CSV a disk with a thickness but no radius gets BlueRecording's radius of 500 µm.

    Parameters
    ----------
    path
        The file to write: CSV, or JSON by its suffix.
    electrodes
        The contacts.

    Raises
    ------
    InputError
        There is something at *path* already.
    """
    write = _write_json if Path(path).suffix == ".json" else _write_csv
    with new_file(path) as partial:
        write(partial, electrodes)


def _write_csv(path: Path, electrodes: Electrodes) -> None:
    probes = ["probe"] if any(electrodes.probe) else []
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "x", "y", "z", "layer", "region", "type", *probes])
        for i, name in enumerate(electrodes.name):
            place = [repr(float(value)) for value in electrodes.position[i]]
            texts = [electrodes.layer[i] or "NA", electrodes.region[i] or "NA", _type_text(electrodes, i)]
            writer.writerow([name, *place, *texts, *(electrodes.probe[i] for _ in probes)])


def _type_text(electrodes: Electrodes, i: int) -> str:
    kind, radius, thickness = electrodes.type[i], electrodes.radius[i], electrodes.thickness[i]
    if kind == DISK and np.isfinite(thickness) and np.isnan(radius):
        radius = 500.0
    sizes = [radius, thickness / 2]
    return "_".join([kind, *(f"{size!r}" for size in map(float, sizes) if np.isfinite(size))])


def _write_json(path: Path, electrodes: Electrodes) -> None:
    entries: list[dict[str, Any]] = []
    for i, name in enumerate(electrodes.name):
        place: dict[str, Any] = dict(zip("xyz", electrodes.position[i].tolist(), strict=True))
        texts = {key: getattr(electrodes, key)[i] or "NA" for key in ("region", "layer")}
        sizes = {"radius": float(electrodes.radius[i]), "thickness": float(electrodes.thickness[i]) / 2}
        told = {size: value for size, value in sizes.items() if np.isfinite(value)}
        probe = {"probe": electrodes.probe[i]} if electrodes.probe[i] else {}
        entries.append({"name": name} | place | {"type": electrodes.type[i]} | texts | told | probe)
    path.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


# probeinterface


def _probeinterface(text: str, path: Path) -> Electrodes:
    content = _json(text, path)
    probes = content.get("probes") if isinstance(content, dict) else None
    if not isinstance(probes, list) or not probes or content.get("specification") != "probeinterface":
        raise IngestError("expected a specification 'probeinterface' and a list of probes", path)
    rows = _Rows(path)
    for number, probe in enumerate(probes):
        try:
            _add_probe(rows, probe, number, len(probes))
        except IngestError:
            raise
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise IngestError(f"probes[{number}] cannot be read: {error!r}", path) from error
    return rows.electrodes()


def _add_probe(rows: _Rows, probe: Mapping[str, Any], number: int, count: int) -> None:
    unit = probe["si_units"]
    if unit not in _MICRONS:
        raise IngestError(
            f"probes[{number}]: si_units is {unit!r}; expected {', '.join(_MICRONS)}", rows.path
        )
    places = np.asarray(probe["contact_positions"], np.float64) * _MICRONS[unit]
    if places.ndim != 2 or places.shape[1] != probe["ndim"] or not np.isfinite(places).all():
        raise IngestError(
            f"probes[{number}]: contact_positions are not {probe['ndim']} numbers each", rows.path
        )
    if probe["ndim"] == 2:
        places = np.column_stack([places[:, 0], np.zeros(len(places)), places[:, 1]])
    title = str(probe.get("annotations", {}).get("name", "")) or (f"probe{number}" if count > 1 else "")
    ids = [str(own) for own in probe.get("contact_ids") or range(len(places))]
    ids = [own or str(i) for i, own in enumerate(ids)]
    if len(ids) != len(places):
        raise IngestError(f"probes[{number}]: {len(ids)} contact_ids for {len(places)} contacts", rows.path)
    for own, (x, y, z) in zip(ids, places.tolist(), strict=True):
        full = f"{title}-{own}" if count > 1 else own
        rows.add(None, {"name": full, "x": x, "y": y, "z": z, "type": POINT, "probe": title})
