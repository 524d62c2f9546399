"""Voltage traces of a simrun: `*_vm_all_traces.csv`, `.npz` and `*_vm_dend_traces.csv`.

Tab separated text: a header `t`, `Vm run 00`, ...; then one line per time step with the time in ms and the
membrane potential of each trial in mV.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...lake.errors import IngestError
from ..text.delimited import join_lines, number, number_texts, read_columns, shown, split_header, unix_lines
from ..trials.rows import SiteTraces

# A recording is regular where nearly all steps are the same within the error of summed time steps (ms).
_STEP_TOLERANCE = 1e-6
_REGULAR = 0.99
_STEPS_PER_BLOCK = 4096


def trace_header(n_trials: int) -> tuple[str, ...]:
    """Return the titles that the framework writes: `t`, `Vm run 00`, `Vm run 01`, ...

    Parameters
    ----------
    n_trials
        Number of trials.
    """
    return ("t", *(f"Vm run {trial:02d}" for trial in range(n_trials)))


def parse_traces(data: bytes, path: str | Path) -> SiteTraces:
    """Read a trace file of text.

    Parameters
    ----------
    data
        The bytes of the file.
    path
        Its name, for messages.

    Raises
    ------
    IngestError
        An empty, cut or undecodable file, a header without `t` and at least one trial, a line with another
        number of fields, a field that is no number (nan and inf are voltages but not times), times that do
        not increase, or a gap in times that are otherwise regular.
    """
    text = unix_lines(data, path)
    header = split_header(text)
    if header[0].strip() != "t" or len(header) < 2:
        raise IngestError("expected the header 't<TAB>Vm run 00<TAB>...'", path, 1)
    samples = _read_with_arrow(text, len(header))
    if samples is None:
        samples = _read_with_python(text, header, path)
    _check_times(samples[0], path, first_line=2)
    # A caller that keeps only the times must not keep the voltages with them.
    return SiteTraces(samples[0].copy(), samples[1:], header)


def _read_with_arrow(text: bytes, n_columns: int) -> NDArray[np.float64] | None:
    table = read_columns(text, {str(column): pa.float64() for column in range(n_columns)}, header=True)
    if table is None:
        return None
    samples = np.empty((n_columns, table.num_rows))
    for row, column in zip(samples, table.columns, strict=True):
        row[:] = column.to_numpy()
    return samples


def _read_with_python(text: bytes, header: tuple[str, ...], path: str | Path) -> NDArray[np.float64]:
    rows = []
    for line_number, line in enumerate(text.decode().split("\n")[1:-1], 2):
        fields = line.split("\t")
        if len(fields) != len(header):
            raise IngestError(f"expected {len(header)} fields, found {len(fields)}", path, line_number)
        try:
            rows.append([number(field) for field in fields])
        except ValueError as error:
            raise IngestError(_not_a_number(header, fields), path, line_number) from error
    return np.ascontiguousarray(np.array(rows, np.float64).reshape(-1, len(header)).T)


def _not_a_number(header: tuple[str, ...], fields: list[str]) -> str:
    for title, field in zip(header, fields, strict=True):
        try:
            number(field)
        except ValueError:
            return f"expected a number for {title!r}, found {shown(field)}"
    raise AssertionError("all fields are numbers")


def _check_times(time: NDArray[np.float64], path: str | Path, *, first_line: int | None) -> None:
    def fail(reason: str, index: int) -> IngestError:
        if first_line is None:
            return IngestError(f"sample {index}: {reason}", path)
        return IngestError(reason, path, first_line + index)

    if time.size == 0:
        raise IngestError("no samples, only a header", path, first_line)
    if (bad := np.flatnonzero(~np.isfinite(time))).size:
        raise fail(f"expected a finite time, found {time[bad[0]]}", int(bad[0]))
    if (bad := np.flatnonzero(time[1:] <= time[:-1])).size:
        at = int(bad[0]) + 1
        raise fail(f"times must increase: {time[at]} follows {time[at - 1]}", at)
    if time.size == 1:
        return
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(time)
        step = float(np.median(steps))
        agree = np.abs(steps - step) <= _STEP_TOLERANCE
    if _REGULAR <= agree.mean() < 1:
        at = int(np.argmin(agree)) + 1
        raise fail(f"line missing near time {time[at]} ms: a step of {steps[at - 1]:g}, not {step:g} ms", at)


def parse_traces_npz(data: bytes, path: str | Path) -> SiteTraces:
    """Read a trace file of NumPy's archive format, key `arr_0`.

    The framework saves the matrix of the text file, [n_time, 1 + n_trials] with the times in the first
    column; its transpose is accepted too. The axis is the one that holds strictly increasing times. These are
    kept (the framework's own loader drops them and assumes 0.025 ms). Nothing is unpickled.

    Parameters
    ----------
    data
        Bytes of the file.
    path
        The file, for messages.

    Raises
    ------
    IngestError
        No such archive, no numeric matrix, no axis or two axes that could be time, or a gap in the times.
    """
    matrix = _load_matrix(data, path)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
        raise IngestError(
            f"expected a numeric matrix [n_time, 1 + n_trials], found {matrix.dtype} {matrix.shape}", path
        )
    stored = [way for way in (matrix, matrix.T) if way.shape[1] > 1 and _increases(way[:, 0])]
    if len(stored) != 1:
        fault = (
            "neither the first column nor the first row" if not stored else "both first column and first row"
        )
        raise IngestError(f"cannot tell the time axis: {fault} of {matrix.shape} increase", path)
    samples = np.ascontiguousarray(stored[0].T, np.float64)
    _check_times(samples[0], path, first_line=None)
    return SiteTraces(samples[0].copy(), samples[1:], trace_header(len(samples) - 1))


def _load_matrix(data: bytes, path: str | Path) -> NDArray[Any]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return np.asarray(archive["arr_0"])
    # A damaged archive fails in zipfile, zlib, struct or numpy, each in its own way.
    except Exception as error:
        raise IngestError(f"expected a NumPy archive with an array 'arr_0': {error}", path) from error


def _increases(values: NDArray[Any]) -> bool:
    return values.size > 0 and bool(np.all(values[1:] > values[:-1]))


def format_traces(traces: SiteTraces) -> bytes:
    """Write traces as the framework does; `parse_traces` reads back the same values.

    Parameters
    ----------
    traces
        Traces of one site.

    Raises
    ------
    ValueError
        Titles that would not read back: the first is not `t`, or one holds a tab or a line end.
    """
    if traces.header[0].strip() != "t" or any(set(title) & set("\t\r\n") for title in traces.header):
        raise ValueError("the first title must be 't', and no title may hold tabs or line ends")
    samples = np.vstack([traces.time, traces.voltage])
    blocks = [
        samples[:, start : start + _STEPS_PER_BLOCK] for start in range(0, samples.shape[1], _STEPS_PER_BLOCK)
    ]
    lines = [join_lines([number_texts(row) for row in block], "\n") for block in blocks]
    return b"".join([("\t".join(traces.header) + "\n").encode(), *lines])
