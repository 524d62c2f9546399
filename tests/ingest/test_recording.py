"""Recording of models that are not ours: what NEURON computed is what the lake has, and nothing else is touched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lake_vocabulary import strangers
from nerves import delete_all_sections

import neurolake
from neurolake import InputError
from neurolake.ingest.runs.recordings import record
from neurolake.ingest.simrun.export import export_simrun
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.query.circuits.reports import report


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return neurolake.create(tmp_path / "lake", durable=False)


KEPT: list[Any] = []


class BallAndStick:
    """A soma with squid channels, a passive dendrite, and a step of current."""

    def __init__(self, h: Any, name: str = "", points: bool = True) -> None:
        self.soma, self.dend = (h.Section(name=f"{name}{part}") for part in ("soma", "dend"))
        if points:
            for section, z in ((self.soma, (-10.0, 10.0)), (self.dend, (10.0, 110.0, 210.0))):
                for height in z:
                    section.pt3dadd(0, 0, height, 20.0 if section is self.soma else 2.0)
        else:
            self.soma.L = self.soma.diam = 20.0
            self.dend.L, self.dend.diam = 200.0, 2.0
        self.dend.connect(self.soma(1))
        self.dend.nseg = 5
        self.soma.insert("hh")
        self.dend.insert("pas")
        self.step = h.IClamp(self.soma(0.5))
        self.step.delay, self.step.dur, self.step.amp = 2.0, 20.0, 0.5
        # Sections live as long as something refers to them.
        KEPT.append(self)


@pytest.fixture
def h() -> Iterator[Any]:
    from neuron import h

    delete_all_sections()
    h.load_file("stdrun.hoc")
    solver = h.CVode()
    # Whatever other tests left.
    h.celsius, h.dt = 6.3, 0.025
    solver.use_fast_imem(False)
    yield h
    solver.active(False)
    KEPT.clear()
    delete_all_sections()


def simulate(h: Any, t_stop: float = 15.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, somatic and dendritic potentials of a run that nobody records."""
    soma, dend = h.allsec()
    vectors = [h.Vector().record(at) for at in (h._ref_t, soma(0.5)._ref_v, dend(0.9)._ref_v)]
    h.finitialize(-65)
    h.continuerun(t_stop)
    time, *voltages = (np.array(vector) for vector in vectors)
    return time, *voltages


@pytest.mark.parametrize("variable_steps", [False, True])
def test_what_neuron_computed_is_what_the_lake_has(lake: Any, h: Any, variable_steps: bool) -> None:
    cell = BallAndStick(h)
    h.CVode().active(variable_steps)
    time, soma, dend = simulate(h)
    with record(lake, "mine", variables=["v", "i_membrane"]) as recording:
        h.finitialize(-65)
        h.continuerun(15)
    head = lake.head
    assert (recording.trial_number, recording.commit) == (0, head.commit.id)
    node = "reports/mine/000000"
    assert np.array_equal(head.arrays[f"{node}/v.time"][...], time)
    voltage = head.arrays[f"{node}/v"][...]
    assert voltage.shape == (len(time), 6)
    assert np.array_equal(voltage[:, 0], soma.astype(np.float32))
    assert np.array_equal(voltage[:, 5], dend.astype(np.float32))
    # What leaves the cell is what the electrode puts in.
    current = head.arrays[f"{node}/i_membrane"][...].astype(float)
    expected = np.where((time > 2.001) & (time < 15), cell.step.amp, 0.0)
    steady = np.abs(time - 2.0) > 0.1
    assert np.allclose(current.sum(axis=1)[steady], expected[steady], atol=1e-5)
    assert np.array_equal(head.arrays["voltage/soma"][0], soma)
    crossings = time[1:][(soma[:-1] < 0) & (soma[1:] >= 0)].tolist()
    for table in ("spike_times", "recorded_spikes"):
        assert crossings and head.tables[table].to_arrow()["time"].to_pylist() == crossings
    if variable_steps:
        with pytest.raises(InputError, match="not equally far apart"):
            report(head, f"{node}/v")
    else:
        assert report(head, f"{node}/v").dt == 0.025
    assert list(strangers(lake)) == []


def test_geometry_is_neurons(lake: Any, h: Any) -> None:
    cell = BallAndStick(h)
    with record(lake, "mine"):
        simulate(h, 1.0)
    sections = lake.head.tables["sections/mine"].to_pandas()
    segments = lake.head.tables["segments/mine"].to_pandas()
    assert sections.name.tolist() == ["soma", "dend"]
    assert sections.label.tolist() == ["Soma", "Dendrite"]
    assert (sections.parent_id.tolist(), sections.parent_x[1]) == ([-1, 0], 1.0)
    assert sections.area[1] == pytest.approx(sum(segment.area() for segment in cell.dend))
    assert segments.start_z.tolist() == pytest.approx([-10, 10, 50, 90, 130, 170])
    assert segments.end_z.tolist() == pytest.approx([10, 50, 90, 130, 170, 210])
    assert segments.diameter.tolist() == [20.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    frames = report(lake.head, "reports/mine/000000/v").get()
    assert frames.ids[:, 1].tolist() == segments.section_id.tolist()


def test_frames_at_an_interval(lake: Any, h: Any) -> None:
    BallAndStick(h)
    h.CVode().active(True)
    with record(lake, "mine", dt=0.5):
        simulate(h, 10.0)
    asked = report(lake.head, "reports/mine/000000/v").get(t_start=1.0, t_stop=2.0)
    assert asked.times.tolist() == [1.0, 1.5, 2.0]
    # The soma is kept at every step.
    assert (
        lake.head.arrays["voltage/soma"].shape[1] > 21 == lake.head.arrays["reports/mine/000000/v"].shape[0]
    )


def test_netcons_and_cells_without_points(lake: Any, h: Any) -> None:
    cells = [BallAndStick(h, f"c{number}_", points=False) for number in range(2)]
    cells[1].step.delay = 6.0
    source = h.NetStim()
    source.start, source.interval, source.number, source.noise = 3.0, 2.0, 3, 0
    listening = [h.NetCon(source, None), h.NetCon(cells[0].dend(1)._ref_v, None, sec=cells[0].dend)]
    listening[1].threshold = -40.0
    with record(lake, "net", netcons=listening, sections=h.allsec()):
        h.finitialize(-65)
        h.continuerun(10)
    rows = lake.head.tables["recorded_spikes"].to_pandas()
    assert rows.time[rows.source == "NetStim[0]"].tolist() == [3.0, 5.0, 7.0]
    first = {name: own.time.iloc[0] for name, own in rows.groupby("source")}
    assert first["c1_soma"] == pytest.approx(first["c0_soma"] + 4.0, abs=0.15)
    assert rows.threshold[rows.source == "c0_dend(1)"].isna().all()
    # Two cells have no one soma.
    assert "voltage/soma" not in lake.head.arrays
    segments = lake.head.tables["segments/net"].to_pandas()
    assert segments.groupby("node_id").size().tolist() == [6, 6]
    assert np.isfinite(segments.start_x).all()
    assert report(lake.head, "reports/net/000000/v").node_ids.tolist() == [0, 1]


def test_a_variable_that_some_segments_lack(lake: Any, h: Any) -> None:
    BallAndStick(h)
    with record(lake, "mine", variables=["m_hh", "g_pas"]):
        simulate(h, 1.0)
    gate, leak = (lake.head.arrays[f"reports/mine/000000/{name}"][...] for name in ("m_hh", "g_pas"))
    assert np.isfinite(gate[:, 0]).all() and np.isnan(gate[:, 1:]).all()
    assert np.isnan(leak[:, 0]).all() and (leak[:, 1:] == np.float32(0.001)).all()


def test_nothing_is_stored_if_the_block_raises(lake: Any, h: Any) -> None:
    BallAndStick(h)
    before = lake.head.commit.id
    with pytest.raises(RuntimeError, match="mine"), record(lake, "mine", variables=["v", "i_membrane"]):
        simulate(h, 1.0)
        raise RuntimeError("mine")
    assert lake.head.commit.id == before
    assert not h.CVode().use_fast_imem()


def test_it_leaves_thresholds_and_results_alone(lake: Any, h: Any) -> None:
    cell = BallAndStick(h)
    mine = h.NetCon(cell.soma(0.5)._ref_v, None, sec=cell.soma)
    mine.threshold = -20.0
    before = simulate(h)
    with record(lake, "mine", netcons=[mine], variables=["v", "i_membrane"]):
        inside = simulate(h)
    assert mine.threshold == -20.0
    after = simulate(h)
    assert all(
        np.array_equal(x, y) and np.array_equal(y, z) for x, y, z in zip(before, inside, after, strict=True)
    )
    assert len(lake.head.tables["recorded_spikes"].to_pandas().source.unique()) == 2


def test_each_block_is_a_trial_and_one_commit(lake: Any, h: Any) -> None:
    cell = BallAndStick(h)
    for number, amplitude in enumerate((0.1, 0.5)):
        cell.step.amp = amplitude
        commits = len(lake.log())
        with record(lake, "scan", parameters={"amplitude": amplitude, "shape": {"soma": [20, 20]}}) as done:
            simulate(h)
        assert (done.trial_number, len(lake.log())) == (number, commits + 1)
    counts = lake.sql(
        "select number, count(s.time) from trials t join parameters p on p.file = t.neuron_parameters "
        "left join spike_times s using (trial_id) where path = 'amplitude' group by all order by all"
    ).fetchall()
    assert [(amplitude, bool(spikes)) for amplitude, spikes in counts] == [(0.1, False), (0.5, True)]
    (row,) = lake.head.tables["simulations"].to_arrow().to_pylist()
    assert row["kind"] == "record" and len(row["mechanisms"]) == 64 and row["code_commit"]


def test_it_can_be_written_as_simrun_would(lake: Any, h: Any, tmp_path: Path) -> None:
    BallAndStick(h)
    for _ in range(2):
        with record(lake, "lab/mine", parameters={"amp": 0.5}):
            simulate(h)
    export_simrun(lake.head, tmp_path / "copy")
    other = neurolake.create(tmp_path / "other", durable=False)
    ingest_simrun(other, tmp_path / "copy", processes=1)
    assert np.array_equal(other.head.arrays["voltage/soma"][...], lake.head.arrays["voltage/soma"][...])
    for name in ("spike_times", "traces"):
        assert other.head.tables[name].to_arrow().equals(lake.head.tables[name].to_arrow())


def test_another_model_needs_another_name(lake: Any, h: Any) -> None:
    cell = BallAndStick(h)
    with record(lake, "mine"):
        simulate(h, 1.0)
    synapse = h.ExpSyn(cell.dend(0.5))
    with pytest.raises(InputError, match=r"run 'mine' that differs.*mechanisms"), record(lake, "mine"):
        simulate(h, 1.0)
    assert synapse.tau > 0
    cell.dend.nseg = 7
    with record(lake, "other"):
        simulate(h, 1.0)
    cell.dend.nseg = 9
    with pytest.raises(InputError, match=r"run 'other' that differs.*geometry"), record(lake, "other"):
        simulate(h, 1.0)


def test_what_cannot_be_recorded(lake: Any, h: Any) -> None:
    with pytest.raises(InputError, match="no section"), record(lake, "mine"):
        pass
    BallAndStick(h)
    with (
        pytest.raises(InputError, match="no segment has a variable 'cai'"),
        record(lake, "mine", variables=["cai"]),
    ):
        pass
    with pytest.raises(InputError, match="nothing was simulated"), record(lake, "mine"):
        pass
    with pytest.raises(InputError, match="dt 0"), record(lake, "mine", dt=0):
        pass
    with pytest.raises(InputError, match="parts between"), record(lake, "../mine"):
        pass
    assert len(lake.log()) == 1
