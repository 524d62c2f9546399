"""Partial reads of reports and weights: what libsonata gives, from the chunks that hold it."""

from pathlib import Path
from typing import Any

import libsonata
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sonata_files import write_report

import neurolake
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.lake.errors import InputError, NotFoundError
from neurolake.query.circuits.reports import report, weights


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A lake of all real reports, and libsonata's readers by the names of the arrays."""
    lake = neurolake.create(tmp_path_factory.mktemp("reports") / "lake", durable=False)
    readers = {}
    files = [path for name in ("sonata", "lfp") for path in sorted((shared_data / name).rglob("*.h5"))]
    for path in files:
        try:
            reader = libsonata.ElementReportReader(str(path))
            populations = reader.get_population_names()
        except (RuntimeError, libsonata.SonataError):
            continue
        ingest_sonata(lake, path, name=path.parent.name)
        for population in populations:
            name = f"reports/{path.parent.name}/{path.stem}/{population}"
            if name in lake.head.arrays and lake.head.arrays[name].dtype == np.float32:
                readers[name] = reader[population]
    return lake.head, readers


def same(found: Any, expected: Any) -> None:
    assert found.data.tobytes() == np.asarray(expected.data).tobytes()
    assert found.data.shape == np.asarray(expected.data).shape or not found.data.size
    np.testing.assert_array_equal(found.ids.reshape(-1), np.asarray(expected.ids).reshape(-1))
    # libsonata adds the step again and again, which ends a few units in the last place away.
    np.testing.assert_allclose(found.times, expected.times, rtol=0, atol=1e-9)


def test_every_real_report_is_what_libsonata_reads(real: Any) -> None:
    snapshot, readers = real
    assert len(readers) > 20
    for name, reader in readers.items():
        mine = report(snapshot, name)
        same(mine.get(), reader.get())
        ids = [int(node) for node in mine.node_ids]
        step, start = mine.dt, mine.t_start
        for wanted in ([], ids[-1:], ids[::-1], [ids[0], 10**6, ids[0]]):
            for stride in (1, 2, 3):
                window = (start + 1.4 * step, start + 3.9 * step)
                expected = reader.get(node_ids=wanted, tstart=window[0], tstop=window[1], tstride=stride)
                same(mine.get(wanted, *window, stride), expected)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A report of several chunks both ways, nodes in no order, some without elements."""
    folder = tmp_path_factory.mktemp("wide")
    data = np.random.default_rng(1).standard_normal((700, 2500), dtype=np.float32)
    nodes, pointers = (9, 3, 7, 1, 5), (0, 1, 1, 1200, 2049, 2500)
    path = write_report(folder / "wide.h5", data, nodes, pointers, np.arange(2500) % 7)
    lake = neurolake.create(folder / "lake", durable=False)
    ingest_sonata(lake, path, name="w")
    assert all(n > 1 for n in np.array(data.shape) // lake.head.arrays["reports/w/wide/cells"].chunks)
    return report(lake.head, "reports/w/wide"), libsonata.ElementReportReader(str(path))["cells"], data


@settings(max_examples=60, deadline=None)
@given(
    nodes=st.none() | st.lists(st.integers(0, 10), max_size=6),
    window=st.tuples(st.floats(0, 69), st.floats(0, 75)).map(sorted),
    stride=st.integers(1, 400),
)
def test_any_part_is_what_libsonata_reads(wide: Any, nodes: Any, window: Any, stride: int) -> None:
    mine, reader, _ = wide
    try:
        expected = reader.get(node_ids=nodes, tstart=window[0], tstop=window[1], tstride=stride)
    except libsonata.SonataError:
        with pytest.raises(InputError, match="has no frame"):
            mine.get(nodes, *window, stride)
        return
    same(mine.get(nodes, *window, stride), expected)


def test_only_the_chunks_in_question_are_read(wide: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, _, data = wide
    boxes = []
    kind = type(mine.array)
    read = kind.read_box

    def watched(self: Any, box: Any = None, out: Any = None) -> Any:
        boxes.append(box)
        return read(self, box, out)

    monkeypatch.setattr(kind, "read_box", watched)
    found = mine.get([1], 0.0, 0.3)
    np.testing.assert_array_equal(found.data, data[:4, 1200:2049])
    assert boxes == [[(0, 4), (1200, 2049)]]
    boxes.clear()
    mine.get([9], 0.0, 69.9, 600)
    assert [box[0] for box in boxes] == [(0, 1), (600, 601)]


def test_labels(wide: Any) -> None:
    mine, _, data = wide
    frame = mine.to_pandas([5, 1], t_stop=1.0)
    assert frame.index.name == "time" and frame.columns.names == ["node_id", "element_id"]
    np.testing.assert_array_equal(frame[5].to_numpy(), data[:11, 2049:])
    array = mine.to_xarray(t_start=69.0)
    assert array.dims == ("time", "element") and array.attrs["units"] == "mV"
    np.testing.assert_array_equal(array.sel(element=array.node_id == 9).values, data[690:, :1])


def test_what_cannot_be_read_is_told(wide: Any, tmp_path: Path) -> None:
    mine, _, _ = wide
    with pytest.raises(InputError, match="t_stride must be 1 or more"):
        mine.get(t_stride=0)
    with pytest.raises(InputError, match=r"its frames are 0 to 69\.9 ms by 0\.1"):
        mine.get(t_start=70.5)
    with pytest.raises(InputError, match="whole numbers"):
        mine.get([0.5])
    empty = neurolake.create(tmp_path / "empty", durable=False)
    with pytest.raises(NotFoundError, match="there are: none"):
        report(empty.head, "reports/x")


def test_weights_are_what_libsonata_reads(shared_data: Path, tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    path = shared_data / "lfp" / "br_e2e" / "coeffs.h5"
    ingest_sonata(lake, path, name="e", electrodes="bluerecording")
    mine = weights(lake.head, "electrodes/e/coeffs")
    reader = libsonata.ElectrodeReader(str(path)).open_population("S1nonbarrel_neurons")
    for nodes, columns in ((None, None), ([2, 0], [3, 1]), ([7], None)):
        expected = reader.get(node_ids=nodes, electrode_ids=columns)
        found = mine.get(nodes, columns)
        np.testing.assert_array_equal(found.data.reshape(-1), np.asarray(expected.data).reshape(-1))
        np.testing.assert_array_equal(found.ids.reshape(-1), np.asarray(expected.ids).reshape(-1))
    np.testing.assert_array_equal(mine.get(units="mV/nA").data, mine.get().data * 1000)
    assert mine.get().units == "V/nA"
    with pytest.raises(InputError, match="has columns 0 to 12"):
        mine.get(columns=[13])
    with pytest.raises(InputError, match="units of weights"):
        mine.get(units="V")
