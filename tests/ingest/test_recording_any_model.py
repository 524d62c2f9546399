"""Any model can be recorded, what is recorded is what NEURON computed, and the model is as if nobody had looked."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lake_vocabulary import strangers
from scripts import KEEP, Cell, clamp, neuron_alone, run, section

import neurolake as nl
from neurolake.ingest.runs.recordings import record
from neurolake.lake.errors import InputError
from neurolake.mechanisms.library import load
from neurolake.mechanisms.live.tree import SomaDistances, borders, cells_of, connection, root_of, stable_names

MODELS = 5000 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 100
BATCH = 100


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return nl.create(tmp_path / "lake", durable=False)


@pytest.fixture
def h() -> Iterator[Any]:
    with neuron_alone() as h:
        yield h


def state(h: Any) -> list[Any]:
    """Every number of the model that looking could change."""
    solver = h.CVode()
    found: list[Any] = [
        solver.use_fast_imem(),
        solver.active(),
        solver.use_local_dt(),
        # With variable steps it is what the last step was.
        None if solver.active() else h.dt,
        h.celsius,
        h.tstop,
    ]
    for one in h.allsec():
        points = [(one.x3d(i), one.y3d(i), one.z3d(i), one.diam3d(i)) for i in range(one.n3d())]
        found.append((one.name(), one.L, one.Ra, one.nseg, points, str(one.parentseg()), one.orientation()))
        found += [(segment.diam, segment.cm, segment.area(), segment.ri()) for segment in one]
    return found


# Random models


def random_model(h: Any, rng: random.Random) -> list[Any]:
    """Trees of sections with either end attached anywhere, named and shaped by chance, perhaps joined by gap junctions."""
    made: list[Any] = []
    owner = Cell()
    KEEP.append(owner)
    for number in range(rng.randint(1, 10)):
        name = rng.choice(["soma", "dend", "Soma", "apic", "axon", f"comp_{number}", f"x[{number}]"])
        own = rng.choice([None, None, owner]) if "[" not in name else None
        one = section(
            h, name, cell=own, mechanism=rng.choice(["hh", "pas", "hh"]), nseg=rng.choice([1, 1, 3, 4])
        )
        one.L, one.Ra = rng.uniform(5, 150), rng.uniform(50, 200)
        if rng.random() < 0.5:
            for at in range(rng.randint(2, 5)):
                one.pt3dadd(rng.uniform(-50, 50), 20.0 * at, rng.uniform(-50, 50), rng.uniform(0.5, 20))
        else:
            for segment in one:
                segment.diam = rng.uniform(0.5, 20)
        made.append(one)
    order = made[:]
    rng.shuffle(order)
    for at, one in enumerate(order[1:], 1):
        if rng.random() < 0.75:
            one.connect(rng.choice(order[:at])(rng.choice([0, 1, 1, 0.5, 0.3])), rng.choice([0, 0, 1]))
    for _ in range(rng.randint(1, 2)):
        clamp(rng.choice(made)(0.5), rng.uniform(0, 2), rng.uniform(0.5, 3), rng.uniform(-0.2, 1.0))
    return made


GAP = """NEURON { THREADSAFE POINT_PROCESS RandomGap NONSPECIFIC_CURRENT i RANGE g, i, vgap }
PARAMETER { g = 0.0005 (uS) }
ASSIGNED { v (mV) vgap (mV) i (nA) }
BREAKPOINT { i = g * (v - vgap) }
"""


def joined(h: Any, rng: random.Random, made: list[Any]) -> None:
    """Put gap junctions between sections, half of each on either side."""
    context = h.ParallelContext()
    for number in range(rng.randint(1, 2)):
        places = [rng.choice(made)(0.5) for _ in range(2)]
        for side in (0, 1):
            own, other = places[side], places[1 - side]
            context.source_var(own._ref_v, 2 * number + side, sec=own.sec)
            gap = h.RandomGap(own)
            context.target_var(gap, gap._ref_vgap, 2 * number + 1 - side)
            KEEP.extend((gap, other))
    context.setup_transfer()


def settled(h: Any, rng: random.Random) -> bool:
    """Choose a solver: fixed steps with one or two threads, or CVODE with settings of its own; whether it is that."""
    solver = h.CVode()
    h.dt = rng.choice([0.025, 0.025, 0.0125, 0.05])
    h.steps_per_ms = 1 / h.dt
    solver.active(rng.random() < 0.3)
    solver.atol(rng.choice([1e-2, 1e-3, 1e-5]))
    solver.condition_order(rng.choice([1, 2]))
    solver.use_fast_imem(rng.random() < 0.3)
    varying = bool(solver.active())
    h.ParallelContext().nthread(1 if varying else rng.choice([1, 1, 2]))
    return varying


class Script:
    """What a script does itself: potentials of all segments at every step, and spikes of one source, in one of several ways."""

    def __init__(self, h: Any, rng: random.Random, made: list[Any], t_stop: float) -> None:
        self.h, self.t_stop = h, t_stop
        self.segments = [segment for one in h.allsec() for segment in one]
        self.vectors = [h.Vector().record(h._ref_t)]
        self.vectors += [h.Vector().record(segment._ref_v) for segment in self.segments]
        source = rng.choice(made)(0.5)
        self.netcon = h.NetCon(source._ref_v, None, sec=source.sec)
        self.netcon.threshold = -20
        self.spikes, self.called = h.Vector(), []
        # With several threads a source has one way only to tell what it does.
        alone = h.ParallelContext().nthread() > 1
        self.ways = () if alone else rng.choice([(), ("vector",), ("callback",), ("vector", "callback")])

    def listen(self) -> None:
        if "vector" in self.ways:
            self.netcon.record(self.spikes)
        if "callback" in self.ways:
            self.netcon.record((lambda self: self.called.append(self.h.t), self))

    def run(self) -> None:
        self.called.clear()
        run(self.h, self.t_stop)

    @property
    def traces(self) -> list[Any]:
        return [*map(np.array, self.vectors)]

    @property
    def heard(self) -> list[Any]:
        found = {"vector": np.array(self.spikes), "callback": np.array(self.called)}
        return [found[way].tolist() for way in self.ways]


def check_model(h: Any, lake: Any, seed: int) -> None:
    rng = random.Random(seed)
    made = random_model(h, rng)
    varying = settled(h, rng)
    if rng.random() < 0.3:
        joined(h, rng, made)
    # Ends of steps and of intervals, which are rounded, too.
    script = Script(h, rng, made, rng.choice([rng.uniform(1, 6), 3.0, 4.7]))
    script.netcon.record(script.spikes)
    script.run()
    script.netcon.record()
    spikes, before, alone = list(script.spikes), state(h), script.traces
    script.listen()
    name, dt = f"run{seed}", rng.choice([None, None, 0.1])
    several = h.ParallelContext().nthread() > 1
    variables = ["v", "i_membrane"] if rng.random() < 0.5 and not several else ["v"]
    with record(lake, name, variables=variables, dt=dt, netcons=[script.netcon] * 2) as recording:
        if rng.random() < 0.3 and not varying:
            run(h, 1.0)
        late = h.Vector().record(script.segments[-1]._ref_v)
        script.run()
        end = h.t
    beside, heard = script.traces, script.heard
    assert np.array_equal(np.array(late), beside[-1])
    after = state(h)
    assert after == before, (
        f"the model was changed: {[pair for pair in zip(after, before, strict=True) if pair[0] != pair[1]][:3]}"
    )
    if varying:
        # CVODE's steps depend on what it did before: the same script twice does not take the same ones.
        alone, spikes = beside, next(iter(heard), None)
    assert all(map(np.array_equal, alone, beside)), "recorded, it ran otherwise, or its Vectors were taken"
    assert all(own == spikes for own in heard), "spikes were taken"
    if not varying:
        script.run()
        assert all(map(np.array_equal, alone, script.traces)), "after the block it runs otherwise"
        assert all(own == spikes for own in script.heard), "after the block spikes are taken"
    node = f"reports/{name}/{recording.trial_number:06d}"
    if "i_membrane" in variables and not varying:
        h.CVode().use_fast_imem(True)
        currents = [h.Vector().record(segment._ref_i_membrane_) for segment in script.segments]
        script.run()
        found, currents = lake.head.arrays[f"{node}/i_membrane"][...], np.array(currents, np.float32).T
        if dt is not None:
            steps = np.abs(alone[0][:, None] - dt * np.arange(len(found))).argmin(axis=0)
            on_step = np.abs(alone[0][steps] - dt * np.arange(len(found))) < 1e-6
            found, currents = found[on_step], currents[steps[on_step]]
        assert np.array_equal(found, currents), "membrane currents are others"
    check_lake(h, lake.head, node, name, script.segments, alone, spikes, dt, end)


def check_lake(
    h: Any,
    head: Any,
    node: str,
    name: str,
    segments: list[Any],
    alone: list[Any],
    spikes: list[float] | None,
    dt: float | None,
    end: float,
) -> None:
    time, voltage = alone[0], np.stack(alone[1:], axis=1).astype(np.float32)
    report, frames = head.arrays[f"{node}/v"][...], head.arrays[f"{node}/v.time"][...]
    if dt is None:
        assert np.array_equal(frames, time) and np.array_equal(report, voltage)
    else:
        assert np.allclose(frames, dt * np.arange(len(frames)))
        assert len(frames) == int(max(end, time[-1]) / dt + 1e-6) + 1
        nearest = np.abs(time[:, None] - frames).argmin(axis=0)
        on_step = np.abs(time[nearest] - frames) < 1e-6
        assert np.allclose(report[on_step], voltage[nearest[on_step]], atol=1e-3)
        assert report.shape == (len(frames), len(segments))
    if f"{node}/i_membrane" in head.arrays:
        assert np.isfinite(head.arrays[f"{node}/i_membrane"][...]).all()
    geometry = head.tables[f"segments/{name}"].to_pandas()
    sections = head.tables[f"sections/{name}"].to_pandas()
    elements = head.tables[f"{node}/v.elements"].to_pandas()
    assert len(geometry) == len(elements) == len(segments) == report.shape[1]
    assert geometry.x.tolist() == [segment.x for segment in segments]
    assert geometry.area.tolist() == [segment.area() for segment in segments]
    assert geometry.diameter.tolist() == [segment.diam for segment in segments]
    assert sections.name.is_unique and not sections.name.str.contains("0x").any()
    chord = np.sqrt(sum((geometry[f"end_{a}"] - geometry[f"start_{a}"]) ** 2 for a in "xyz"))
    assert (chord <= geometry.length * (1 + 1e-4) + 1e-4).all()
    found = head.tables["recorded_spikes"].to_pandas()
    trial = head.tables["trials"].to_pandas().set_index("run").trial_id[name]
    own = found[(found.trial_id == trial) & found.threshold.isna()]
    assert own.source.nunique() <= 1 and (spikes is None or own.time.tolist() == spikes)
    roots = [one for one in h.allsec() if one.parentseg() is None]
    assert sorted(set(geometry.node_id)) == list(range(len(roots)))


def clear(h: Any) -> None:
    """Take a random model away."""
    KEEP.clear()
    h.ParallelContext().gid_clear()
    for one in list(h.allsec()):
        h.delete_section(sec=one)
    h.ParallelContext().nthread(1)


def batch(first: int, count: int) -> None:
    """Check random models in this process."""
    import tempfile

    from neuron import h

    h.load_file("stdrun.hoc")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "RandomGap.mod").write_text(GAP)
        load(folder, own=False)
    with tempfile.TemporaryDirectory() as folder:
        lake = nl.create(Path(folder) / "lake", durable=False)
        for seed in range(first, first + count):
            h.CVode().active(False)
            h.CVode().use_fast_imem(False)
            try:
                check_model(h, lake, seed)
            except BaseException as error:
                raise AssertionError(f"model {seed}: {error!r}") from error
            clear(h)
        assert list(strangers(lake)) == []


@pytest.mark.parametrize("first", range(0, MODELS, BATCH))
def test_random_models(first: int) -> None:
    """In a process of their own: what is left of a model cannot touch the next ones of other tests."""
    code = f"from test_recording_any_model import batch; batch({first}, {BATCH})"
    paths = [str(Path(__file__).parent), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_distances_are_neurons(h: Any) -> None:
    for seed in range(30):
        rng = random.Random(seed)
        made = random_model(h, rng)
        for cell in cells_of(made):
            root = root_of(cell[0])
            distances = SomaDistances([root])
            for one in cell:
                if one == root:
                    continue
                way = one
                while connection(way).parent != root:
                    way = connection(way).parent
                for x in (0, 0.5, 1) if one.nseg % 2 else (0, 1):
                    assert distances.at(one, x) == pytest.approx(
                        h.distance(root(connection(way).parent_x), one(x)), abs=1e-6
                    )
        KEEP.clear()
        for one in list(h.allsec()):
            h.delete_section(sec=one)


# Faults that were seen, and what is right


def test_cells_of_one_name_are_told_apart(lake: Any, h: Any) -> None:
    cells = []
    for number in range(3):
        soma = section(h, "soma", mechanism="hh")
        dend = section(h, "dend", soma(1), nseg=3, L=100.0, diam=1.0)
        cells.append((soma, dend))
        clamp(soma(0.5), 5 + 3 * number, 1, 0.5 * (number > 0))
    netcons = [h.NetCon(soma(0.5)._ref_v, None, sec=soma) for soma, _ in cells]
    with record(lake, "three", netcons=netcons):
        run(h, 30)
    assert "voltage/soma" not in lake.head.arrays and lake.head.tables["spike_times"].rows == 0
    found = lake.sql(
        "select distinct source, node_id, section_id from recorded_spikes order by all"
    ).fetchall()
    assert len({row[0] for row in found if row[1] is not None}) >= 2 and {row[1] for row in found} == {1, 2}
    names = lake["sections/three"].to_pandas().name
    assert names.tolist() == [
        "cell[0].soma",
        "cell[0].dend",
        "cell[1].soma",
        "cell[1].dend",
        "cell[2].soma",
        "cell[2].dend",
    ]


def test_names_have_no_addresses(h: Any) -> None:
    cells = [Cell(), Cell()]
    made = [section(h, name, cell=cell) for cell in cells for name in ("soma", "dend")]
    assert stable_names(made) == ["Cell[0].soma", "Cell[0].dend", "Cell[1].soma", "Cell[1].dend"]


def test_a_tapering_section_keeps_its_diameters(lake: Any, h: Any) -> None:
    dend = section(h, "dend", nseg=8, L=100.0, mechanism="hh")
    for at, segment in enumerate(dend):
        segment.diam = 4 - 3 * at / 7
    clamp(dend(0.1))
    areas = [segment.area() for segment in dend]
    for _ in range(2):
        with record(lake, "r"):
            run(h)
    one, other = (lake.head.arrays[f"reports/r/00000{number}/v"][...] for number in (0, 1))
    assert np.array_equal(one, other) and [segment.area() for segment in dend] == areas
    assert lake["segments/r"].to_pandas().area.tolist() == areas


def test_a_section_attached_by_its_1_end(h: Any) -> None:
    soma = section(h, "soma", L=20.0, diam=20.0)
    for x in (-10, 10):
        soma.pt3dadd(x, 0, 0, 20)
    child = section(h, "dend", soma(1), 1, nseg=4)
    for at, diameter in enumerate((1, 2, 3, 4)):
        child.pt3dadd(30 + 80 * at / 3, 0, 0, diameter)
    placed = borders([[soma, child]])[child]
    assert placed[:, 0] == pytest.approx([110, 90, 70, 50, 30], abs=1e-4)
    far, near = SomaDistances([soma]).at(child, 0), SomaDistances([soma]).at(child, 1)
    assert (far, near) == (pytest.approx(child.L), 0)


@pytest.mark.parametrize("names", [("dend", "Soma"), ("dend", "comp_1")])
def test_the_soma_is_the_root_whatever_it_is_called(lake: Any, h: Any, names: tuple[str, str]) -> None:
    dend = section(h, names[0], nseg=3, L=100.0, diam=2.0)
    root = section(h, names[1], mechanism="hh")
    dend.connect(root(1))
    clamp(root(0.5))
    voltage = h.Vector().record(root(0.5)._ref_v)
    with record(lake, "r"):
        run(h)
    assert np.array_equal(lake["voltage/soma"][0], np.array(voltage))
    distance = lake["segments/r"].to_pandas().soma_distance
    assert distance.tolist() == pytest.approx([100 / 6, 50, 500 / 6, 0])


def test_the_script_keeps_its_spikes(lake: Any, h: Any) -> None:
    soma = section(h, "soma", mechanism="hh")
    clamp(soma(0.5))
    context = h.ParallelContext()
    context.set_gid2node(7, context.id())
    netcon = h.NetCon(soma(0.5)._ref_v, None, sec=soma)
    context.cell(7, netcon)
    times, ids = h.Vector(), h.Vector()
    context.spike_record(7, times, ids)
    own = h.NetCon(soma(0.5)._ref_v, None, sec=soma)
    try:
        with record(lake, "r", netcons=[own, netcon]):
            run(h)
        expected = list(times)
        assert len(expected) == 1 and lake.sql(
            "select time from recorded_spikes where threshold is null"
        ).fetchall() == [(expected[0],)]
        run(h)
        assert list(times) == expected
    finally:
        context.gid_clear()


def test_local_steps_are_refused_before_anything_runs(lake: Any, h: Any) -> None:
    section(h, "soma", mechanism="hh")
    h.CVode().active(True)
    h.CVode().use_local_dt(True)
    with pytest.raises(InputError, match="use_local_dt"), record(lake, "r"):
        pytest.fail("the block began")
    h.CVode().use_local_dt(False)
    with pytest.raises(InputError, match="use_local_dt"), record(lake, "r"):
        h.CVode().use_local_dt(True)
        run(h)
    assert len(lake) == 0


def test_a_restored_state(lake: Any, h: Any) -> None:
    soma = section(h, "soma", mechanism="hh")
    clamp(soma(0.5), 22)
    run(h, 20)
    saved = h.SaveState()
    saved.save()
    for name, again, dt in (("told", True, None), ("untold", False, None), ("frames", True, 0.1)):
        with record(lake, name, dt=dt):
            h.finitialize(-65)
            saved.restore()
            if again:
                h.frecord_init()
            h.continuerun(40)
        time = lake.head.arrays[f"reports/{name}/000000/v.time"]
        assert time[0] == pytest.approx(20, abs=0.03) and time[-1] == pytest.approx(40)
        assert lake.head.arrays[f"reports/{name}/000000/v"].attrs["dt"] == pytest.approx(dt or 0.025)
        assert time.shape[0] == pytest.approx(20 / (dt or 0.025), abs=2)
    with pytest.raises(InputError, match="frecord_init"), record(lake, "lost", dt=0.1):
        h.finitialize(-65)
        saved.restore()
        h.continuerun(40)


@pytest.mark.parametrize(("first", "then"), [(0.1, 0.025), (0.025, 0.1)])
def test_steps_that_change_while_it_runs(lake: Any, h: Any, first: float, then: float) -> None:
    soma = section(h, "soma", mechanism="hh")
    clamp(soma(0.5))
    time, voltage = h.Vector().record(h._ref_t), h.Vector().record(soma(0.5)._ref_v)
    with record(lake, "r"):
        h.dt = first
        h.finitialize(-65)
        while h.t < 2 - 1e-9:
            h.fadvance()
        h.dt = then
        while h.t < 10 - 1e-9:
            h.fadvance()
    assert np.array_equal(lake.head.arrays["reports/r/000000/v.time"][...], np.array(time))
    assert np.array_equal(lake["voltage/soma"][0], np.array(voltage))


def test_what_the_block_changed_is_named(lake: Any, h: Any) -> None:
    soma, dend = section(h, "soma", mechanism="hh"), section(h, "dend", nseg=1)
    dend.connect(soma(1))
    with pytest.raises(InputError, match="section dend has 3 segments and had 1"), record(lake, "r"):
        dend.nseg = 3
        run(h)
    with pytest.raises(InputError, match="section late was made in the block"), record(lake, "r"):
        section(h, "late")
        run(h)
    h.delete_section(sec=KEEP.pop())
    with pytest.raises(InputError, match="section dend was deleted"), record(lake, "r"):
        h.delete_section(sec=dend)
        run(h)
    assert len(lake) == 0


def test_a_model_may_go_when_it_has_run(lake: Any, h: Any) -> None:
    soma = section(h, "soma", mechanism="hh")
    clamp(soma(0.5))
    with record(lake, "r"):
        run(h)
        KEEP.clear()
        h.delete_section(sec=soma)
    assert lake["voltage/soma"].shape == (1, 401) and lake["segments/r"].rows == 1


def test_going_on_after_the_block(lake: Any, h: Any) -> None:
    soma = section(h, "soma", mechanism="hh")
    clamp(soma(0.5))
    for _ in range(3):
        with record(lake, "r", dt=0.1):
            run(h, 5)
        h.continuerun(20)
        assert h.t >= 20 - 1e-9


def test_one_section_and_elements_of_arrays(lake: Any, h: Any) -> None:
    soma = section(h, "soma", mechanism="hh")
    soma.insert("extracellular")
    clamp(soma(0.5))
    with (
        pytest.raises(InputError, match=r"'vext' is an array: name an element of it, such as vext\[0\]"),
        record(lake, "r", variables=["vext"]),
    ):
        pytest.fail("the block began")
    with pytest.raises(InputError, match="no segment has"), record(lake, "r", variables=["vext[7]"]):
        pytest.fail("the block began")
    theirs = h.Vector().record(soma(0.5)._ref_vext[0])
    with record(lake, "r", sections=soma, variables=["v", "vext[0]"]):
        run(h)
    found = lake.head.arrays["reports/r/000000/vext[0]"][...]
    assert np.array_equal(found[:, 0], np.array(theirs).astype(np.float32))
    with pytest.raises(InputError, match="is no section"), record(lake, "r", sections=[soma(0.5)]):
        pytest.fail("the block began")


def test_one_frame_has_no_interval(lake: Any, h: Any) -> None:
    section(h, "soma", mechanism="hh")
    with record(lake, "r"):
        h.finitialize(-65)
    assert "dt" not in lake.head.arrays["reports/r/000000/v"].attrs


def test_currents_that_the_script_switches_off(lake: Any, h: Any) -> None:
    section(h, "soma", mechanism="hh")
    with (
        pytest.raises(InputError, match="switched membrane currents off"),
        record(lake, "r", variables=["i_membrane"]),
    ):
        h.CVode().use_fast_imem(False)
        run(h)
    h.CVode().use_fast_imem(True)
    with record(lake, "r", variables=["i_membrane"]):
        run(h)
    assert h.CVode().use_fast_imem()


def test_parameters_of_trials(lake: Any, h: Any) -> None:
    soma = section(h, "soma", mechanism="hh")
    given = {"amp": np.float64(0.3), "n": np.int64(3), "g": np.float32(1.5), "list": np.array([1, 2])}
    with record(lake, "r", parameters=given):
        run(h, 1)
    found = lake.sql("select path, text from parameters order by path").fetchall()
    assert (
        found == [("amp", "0.3"), ("g", "1.5"), ("list", "[1, 2]"), ("n", "3")] or dict(found)["amp"] == "0.3"
    )
    with pytest.raises(InputError, match="text as names, not 1"), record(lake, "r", parameters={1: 2}):
        run(h, 1)
    with record(lake, "other"):
        run(h, 1)
    soma(0.5).hh.gnabar = 0.2
    with pytest.raises(InputError, match="has a run 'other' that differs"), record(lake, "other"):
        run(h, 1)
    with record(lake, "r", parameters={**given, "gnabar": 0.2}):
        run(h, 1)
