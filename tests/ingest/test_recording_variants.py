"""What scripts do in the block of ``nl.record``: it is recorded as NEURON computed it, or refused by section; never otherwise."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripts import KEEP, Cell, clamp, neuron_alone, run, section

import neurolake as nl
from neurolake.ingest.runs.recordings import record
from neurolake.lake.errors import InputError
from neurolake.mechanisms.live.tree import stable_names
from neurolake.mechanisms.trial.recording import SegmentRecorder


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return nl.create(tmp_path / "lake", durable=False)


@pytest.fixture
def h() -> Iterator[Any]:
    with neuron_alone() as h:
        yield h


@pytest.fixture
def soma(h: Any) -> Any:
    """A soma that fires once, 1.925 ms after the beginning."""
    made = section(h, "soma", mechanism="hh")
    clamp(made(0.5))
    return made


def listening(h: Any, source: Any) -> Any:
    made = h.NetCon(source(0.5)._ref_v, None, sec=source)
    KEEP.append(made)
    return made


def heard(lake: Any, run: str = "r") -> list[tuple[str, float]]:
    """Spikes of NetCons: their source and time."""
    found = lake.sql(
        "select source, round(time, 3) from recorded_spikes join trials using (trial_id)"
        f" where threshold is null and run = '{run}' order by all"
    )
    return found.fetchall()


def voltage(lake: Any, run: str = "r", variable: str = "v") -> np.ndarray:
    return lake.head.arrays[f"reports/{run}/000000/{variable}"][...]


FIRED = [("soma(0.5)", 1.925)]


# Spikes that the script takes itself


@pytest.mark.parametrize("inside", [False, True], ids=["before", "in the block"])
@pytest.mark.parametrize("way", ["vector", "callback", "arguments", "both", "gid"])
def test_the_script_takes_spikes_itself(lake: Any, h: Any, soma: Any, way: str, inside: bool) -> None:
    netcon, vector, called, ids = listening(h, soma), h.Vector(), [], h.Vector()
    context = h.ParallelContext()
    context.gid_clear()
    if way == "gid":
        context.set_gid2node(7, context.id())
        context.cell(7, netcon)

    def listen() -> None:
        if way in ("vector", "both"):
            netcon.record(vector)
        if way in ("callback", "both"):
            netcon.record(lambda: called.append(h.t))
        if way == "arguments":
            netcon.record((lambda one, two: called.append(h.t + one + two), (0, 0)))
        if way == "gid":
            context.spike_record(7, vector, ids)

    if not inside:
        listen()
    with record(lake, "r", netcons=[netcon, listening(h, soma)]):
        if inside:
            listen()
        run(h)
    assert heard(lake) == FIRED
    for _ in range(2):
        taken = [list(vector)] * (way in ("vector", "both", "gid"))
        taken += [called] * (way in ("callback", "arguments", "both"))
        assert [[round(time, 3) for time in own] for own in taken] == [[1.925]] * len(taken)
        called.clear()
        run(h)
    context.gid_clear()


def test_a_source_that_the_script_takes_away_is_told(lake: Any, h: Any, soma: Any) -> None:
    netcon, vector, called = listening(h, soma), h.Vector(), []
    with pytest.raises(InputError, match=r"spikes of soma\(0.5\) were taken by the script"):  # noqa: SIM117
        with record(lake, "r", netcons=[netcon]):
            h.finitialize(-65)
            netcon.record(vector)
            h.continuerun(10)
    netcon.record(vector)
    with pytest.raises(InputError, match=r"spikes of soma\(0.5\) were taken by the script"):  # noqa: SIM117
        with record(lake, "r", netcons=[netcon]):
            h.finitialize(-65)
            netcon.record(lambda: called.append(h.t))
            h.continuerun(10)
    run(h)
    assert len(called) == 2 and len(vector) == 1 and len(lake) == 0


@pytest.mark.parametrize("before", [False, True])
def test_blocks_in_blocks(lake: Any, h: Any, soma: Any, before: bool, tmp_path: Path) -> None:
    other, netcon, vector, called = nl.create(tmp_path / "other"), listening(h, soma), h.Vector(), []
    if before:
        netcon.record(vector)
        netcon.record(lambda: called.append(h.t))
    third, options = nl.create(tmp_path / "third"), {"variables": ["i_membrane"], "netcons": netcon}
    with record(lake, "r", **options), record(other, "r", **options), record(third, "r", **options):
        run(h)
    assert [heard(one) for one in (lake, other, third)] == [FIRED] * 3
    assert len(vector) == len(called) == before and not h.CVode().use_fast_imem()
    run(h)
    assert len(vector) == before and len(called) == 2 * before
    assert (netcon.get_recordvec() is not None) == before


def test_blocks_that_end_in_another_order(lake: Any, h: Any, soma: Any, tmp_path: Path) -> None:
    netcon, vector, called = listening(h, soma), h.Vector(), []
    netcon.record(vector)
    netcon.record(lambda: called.append(h.t))
    other = nl.create(tmp_path / "other")
    blocks = [record(one, "r", variables="i_membrane", netcons=netcon) for one in (lake, other)]
    for block in blocks:
        block.__enter__()
    run(h)
    for block in blocks:
        block.__exit__(None, None, None)
    assert heard(lake) == heard(other) == FIRED and not h.CVode().use_fast_imem()
    run(h)
    assert len(vector) == 1 and len(called) == 2


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dt", [None, 0.1])
def test_runs_of_the_parallel_context(lake: Any, h: Any, soma: Any, threads: int, dt: float | None) -> None:
    other = section(h, "other", mechanism="hh")
    clamp(other(0.5), delay=3)
    theirs, context = h.Vector().record(other(0.5)._ref_v), h.ParallelContext()
    context.nthread(threads)
    with record(lake, "r", dt=dt, netcons=[listening(h, soma), listening(h, other)]):
        context.set_maxstep(10)
        h.finitialize(-65)
        context.psolve(10)
    every = slice(None) if dt is None else slice(None, None, 4)
    assert np.array_equal(voltage(lake)[:, 1], np.array(theirs)[every].astype(np.float32))
    assert heard(lake) == [("other(0.5)", 3.925), *FIRED]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"netcons": [3]}, "3 is no NetCon"),
        ({"netcons": [None]}, "None is no NetCon"),
        ({"variables": [3]}, "not 3"),
        ({"variables": "m_kv"}, "no segment has a variable 'm_kv'"),
        ({"dt": float("inf")}, "dt inf: expected a number"),
        ({"dt": float("nan")}, "dt nan: expected a number"),
        ({"dt": "fast"}, "dt 'fast': expected a number"),
        ({"dt": 1e-9}, "dt 1e-09: expected an interval in ms above 0"),
        ({"dt": 0}, "dt 0.0: expected an interval in ms above 0"),
        ({"threshold": float("nan")}, "threshold nan: expected a number"),
    ],
)
def test_what_nobody_could_mean(lake: Any, h: Any, soma: Any, given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told), record(lake, "r", **given):
        pytest.fail("the block began")


def test_numbers_of_numpy_and_single_names(lake: Any, h: Any, soma: Any) -> None:
    given = {"dt": np.float32(0.1), "threshold": np.float32(-10), "variables": "m_hh"}
    with record(lake, "r", netcons=listening(h, soma), **given):
        run(h)
    assert voltage(lake, variable="m_hh").shape == (101, 1) and heard(lake) == FIRED
    assert lake.head.arrays["reports/r/000000/m_hh"].attrs["dt"] == 0.1


def test_spikes_with_several_threads(lake: Any, h: Any) -> None:
    cells = [section(h, name, mechanism="hh") for name in ("a", "b")]
    for cell in cells:
        clamp(cell(0.5))
    netcons, called = [listening(h, cell) for cell in cells], []
    h.ParallelContext().nthread(2)
    with record(lake, "r", netcons=netcons, dt=0.1):
        run(h)
    assert heard(lake) == [("a(0.5)", 1.925), ("b(0.5)", 1.925)] and voltage(lake).shape == (101, 2)
    vector = h.Vector()
    netcons[1].record(vector)
    with (
        pytest.raises(InputError, match=r"spikes of b\(0.5\) go into a Vector"),
        record(lake, "x", netcons=netcons),
    ):
        pytest.fail("the block began")
    with pytest.raises(InputError, match="one thread only"), record(lake, "x", variables=["i_membrane"]):
        pytest.fail("the block began")
    run(h)
    assert len(vector) == 1 and netcons[0].get_recordvec() is None and not called


# Names


def test_sources_are_named_alike_in_every_process(lake: Any, h: Any, soma: Any) -> None:
    def model() -> list[Any]:
        stimulus = h.NetStim()
        stimulus.start, stimulus.number = 3, 1
        current = h.NetCon(soma(0.5)._ref_ina, None, sec=soma)
        current.threshold = -0.5
        return [h.NetCon(stimulus, None), current, stimulus]

    for name in ("one", "two"):
        before = [h.NetCon(soma(0.5)._ref_v, None, sec=soma) for _ in range(3)]
        # The second has other numbers in NEURON, where objects of the first are numbered on from.
        stimuli = model()
        del before
        with record(lake, name, netcons=stimuli[:2]):
            run(h)
        KEEP.append(stimuli[0].weight)
        del stimuli
    found = [heard(lake, name) for name in ("one", "two")]
    assert found[0] == found[1] and {source for source, _ in found[0]} == {"NetStim[0]", "soma(source 0)"}


def test_sections_that_are_not_recorded_have_names_of_their_own(lake: Any, h: Any, soma: Any) -> None:
    other = section(h, "soma", mechanism="hh")
    clamp(other(0.5), delay=4)
    netcons = [listening(h, soma), listening(h, other)]
    with record(lake, "r", sections=[soma], netcons=netcons):
        run(h)
    found = lake.sql(
        "select source, node_id from recorded_spikes where threshold is null order by all"
    ).fetchall()
    assert found == [("cell[0].soma(0.5)", 0), ("cell[1].soma(0.5)", None)]


def test_classes_of_functions_have_names(h: Any) -> None:
    def make() -> type:
        class Inner:
            class Nested:
                pass

        return Inner

    first, second = make(), make()
    owners = [first(), second(), first.Nested(), Cell()]
    made = [section(h, "soma", cell=owner) for owner in owners]
    expected = ["Inner[0].soma", "Inner[1].soma", "Nested[0].soma", "Cell[0].soma"]
    assert stable_names(made) == expected and stable_names(made[1:2]) == ["Inner[1].soma"]


def test_templates_of_hoc_are_numbered_among_those_that_live(h: Any) -> None:
    if not hasattr(h, "RecordedTemplate"):
        h("begintemplate RecordedTemplate\npublic soma\ncreate soma\nendtemplate RecordedTemplate")
    for _ in range(3):
        cells = [h.RecordedTemplate() for _ in range(2)]
        names = stable_names([cell.soma for cell in cells])
        assert names == ["RecordedTemplate[0].soma", "RecordedTemplate[1].soma"]
        cells.clear()


def test_numbered_names_do_not_meet_given_ones(h: Any) -> None:
    made = [section(h, name) for name in ("dend", "dend", "cell[0].dend")]
    made[1].connect(made[0](1))
    made[2].connect(made[0](1))
    assert len(set(stable_names(made))) == 3


# Vectors of the script's


@pytest.mark.parametrize("dt", [None, 0.1])
def test_vectors_of_the_script_inside_the_block(lake: Any, h: Any, soma: Any, dt: float | None) -> None:
    stimulus = clamp(soma(0.5), 0, 1e9, 0)
    amplitude, times = h.Vector([0, 0.2, 0.2, 0]), h.Vector([0, 1, 2, 3])
    alone = h.Vector().record(soma(0.5)._ref_v)
    with record(lake, "r", dt=dt):
        amplitude.play(stimulus._ref_amp, times, True)
        whole, cut, gone = (h.Vector().record(soma(0.5)._ref_v) for _ in range(3))
        h.finitialize(-65)
        h.continuerun(3)
        del gone
        cut.resize(0)
        h.continuerun(10)
    assert np.array_equal(np.array(whole), np.array(alone)) and len(cut) == 280
    every = slice(None) if dt is None else slice(None, None, 4)
    assert np.array_equal(voltage(lake)[:, 0], np.array(whole)[every].astype(np.float32))


# A model that changes


def changed_by_length(dend: Any, h: Any) -> None:
    dend.L = 77


def changed_by_diameter(dend: Any, h: Any) -> None:
    dend(0.5).diam = 3


def changed_by_mechanism(dend: Any, h: Any) -> None:
    dend.insert("hh")


def changed_by_lost_mechanism(dend: Any, h: Any) -> None:
    dend.uninsert("pas")


def changed_by_connection(dend: Any, h: Any) -> None:
    dend.connect(next(iter(h.allsec()))(0.5), 1)


def changed_by_segments(dend: Any, h: Any) -> None:
    dend.nseg = 3


def changed_by_section(dend: Any, h: Any) -> None:
    section(h, "late")


def changed_by_deletion(dend: Any, h: Any) -> None:
    h.delete_section(sec=dend)


CHANGES = [
    (changed_by_length, "section dend became 77 um long"),
    (changed_by_diameter, "section dend was given other diameters"),
    (changed_by_mechanism, "section dend was given the mechanism hh"),
    (changed_by_lost_mechanism, "section dend lost the mechanism pas"),
    (changed_by_connection, "section dend was connected otherwise"),
    (changed_by_segments, "section dend has 3 segments and had 1"),
    (changed_by_section, "section late was made after finitialize"),
    (changed_by_deletion, "section dend was deleted after finitialize"),
]


@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_changes_while_it_runs_are_refused_by_section(
    lake: Any, h: Any, soma: Any, change: Callable[[Any, Any], None], told: str
) -> None:
    dend = section(h, "dend", soma(1), L=100.0, diam=2.0)
    with pytest.raises(InputError, match=told), record(lake, "r"):
        h.finitialize(-65)
        h.continuerun(2)
        change(dend, h)
        h.continuerun(5)
    assert len(lake) == 0


@pytest.mark.parametrize("change", [change for change, _ in CHANGES])
def test_changes_after_it_ran_are_not(
    lake: Any, h: Any, soma: Any, change: Callable[[Any, Any], None]
) -> None:
    dend = section(h, "dend", soma(1), L=100.0, diam=2.0)
    areas = [segment.area() for segment in (*soma, *dend)]
    with record(lake, "r"):
        run(h, 5)
        change(dend, h)
    assert voltage(lake).shape == (201, 2) and lake["segments/r"].to_pandas().area.tolist() == areas


@pytest.mark.parametrize("change", [change for change, _ in CHANGES[:5]])
def test_changes_before_it_runs_are_recorded(
    lake: Any, h: Any, soma: Any, change: Callable[[Any, Any], None]
) -> None:
    dend = section(h, "dend", L=100.0, diam=2.0)
    theirs = h.Vector().record(dend(0.5)._ref_v)
    with record(lake, "r", variables=["v", "m_hh"]):
        change(dend, h)
        run(h, 5)
    assert np.array_equal(voltage(lake)[:, 1], np.array(theirs).astype(np.float32))
    assert lake["segments/r"].to_pandas().area.tolist() == [segment.area() for segment in (*soma, *dend)]
    inserted, connected = change is changed_by_mechanism, change is changed_by_connection
    assert np.isfinite(voltage(lake, variable="m_hh")[:, 1]).all() == inserted
    assert lake["sections/r"].to_pandas().parent_id.tolist() == [-1, 0 if connected else -1]
    assert lake["segments/r"].to_pandas().node_id.tolist() == [0, 0 if connected else 1]


def test_a_stimulus_made_while_it_runs_is_no_change(lake: Any, h: Any, soma: Any) -> None:
    theirs = h.Vector().record(soma(0.5)._ref_v)
    with record(lake, "r"):
        h.finitialize(-65)
        h.continuerun(5)
        clamp(soma(0.5), delay=6)
        h.continuerun(10)
    assert np.array_equal(voltage(lake)[:, 0], np.array(theirs).astype(np.float32))


def test_currents_switched_while_it_runs(lake: Any, h: Any, soma: Any) -> None:
    solver = h.CVode()
    for again in (False, True):
        with pytest.raises(InputError, match="switched membrane currents off"):  # noqa: SIM117
            with record(lake, "r", variables=["i_membrane"]):
                h.finitialize(-65)
                h.continuerun(2)
                solver.use_fast_imem(False)
                solver.use_fast_imem(again)
                h.continuerun(5)
        assert not solver.use_fast_imem()
    assert len(lake) == 0
    with record(lake, "r", variables=["i_membrane"]):
        solver.use_fast_imem(False)
        solver.use_fast_imem(True)
        run(h, 5)
    assert voltage(lake, variable="i_membrane").shape == (201, 1) and not solver.use_fast_imem()


def test_solvers_switched_while_it_runs(lake: Any, h: Any, soma: Any) -> None:
    section(h, "other")
    solver = h.CVode()
    solver.active(True)
    with pytest.raises(InputError, match="use_local_dt"), record(lake, "r"):
        h.finitialize(-65)
        h.continuerun(2)
        solver.use_local_dt(True)
        h.continuerun(5)
    solver.use_local_dt(False)
    solver.active(False)
    with pytest.raises(InputError, match="variable steps were switched on or off"), record(lake, "r", dt=0.1):
        h.finitialize(-65)
        h.continuerun(2)
        solver.active(True)
        h.continuerun(5)
    solver.active(False)
    time = h.Vector().record(h._ref_t)
    with record(lake, "r"):
        h.finitialize(-65)
        h.continuerun(2)
        solver.active(True)
        h.continuerun(5)
    assert np.array_equal(lake.head.arrays["reports/r/000000/v.time"][...], np.array(time))


# What makes two runs the same


def set_ena(h: Any, soma: Any) -> None:
    soma(0.5).ena = 30


def set_style(h: Any, soma: Any) -> None:
    h.ion_style("na_ion", 1, 2, 1, 1, 0, sec=soma)


def set_celsius(h: Any, soma: Any) -> None:
    h.celsius = 20


def set_concentration(h: Any, soma: Any) -> None:
    h.nao0_na_ion = 100


def set_global(h: Any, soma: Any) -> None:
    h.usetable_hh = 0


@pytest.mark.parametrize("change", [set_ena, set_style, set_celsius, set_concentration, set_global])
def test_ions_temperature_and_globals_are_part_of_a_run(
    lake: Any, h: Any, change: Callable[[Any, Any], None]
) -> None:
    soma = section(h, "soma", mechanism="hh", nseg=3)
    for _ in range(2):
        with record(lake, "r"):
            run(h, 1)
    before = h.nao0_na_ion
    try:
        change(h, soma)
        with pytest.raises(InputError, match="has a run 'r' that differs"), record(lake, "r"):
            run(h, 1)
        with record(lake, "named", parameters={"change": change.__name__}):
            run(h, 1)
    finally:
        h.nao0_na_ion, h.usetable_hh = before, 1


def test_connections_are_part_of_a_run(lake: Any, h: Any, soma: Any) -> None:
    dend = section(h, "dend", soma(1))
    for at, one in enumerate((soma, dend)):
        for x in (0, 20):
            one.pt3dadd(x + 20 * at, 0, 0, 20)
    with record(lake, "r"):
        run(h, 1)
    dend.disconnect()
    with pytest.raises(InputError, match="has a run 'r' that differs"), record(lake, "r"):
        run(h, 1)


# Frames and runs


@pytest.mark.parametrize("t_stop", [0.7, 3.3, 10, 60, 100.1])
@pytest.mark.parametrize("steps", [40, 10, 80])
def test_no_frame_is_lost_by_rounding(lake: Any, h: Any, soma: Any, t_stop: float, steps: int) -> None:
    h.dt, h.steps_per_ms = 1 / steps, steps
    theirs = h.Vector().record(soma(0.5)._ref_v)
    with record(lake, "r", dt=0.1):
        run(h, t_stop)
    every = np.array(theirs)[:: steps // 10].astype(np.float32)
    assert len(every) == round(t_stop * 10) + 1 and np.array_equal(voltage(lake)[:, 0], every)
    times = lake.head.arrays["reports/r/000000/v.time"][...]
    assert np.array_equal(times, 0.1 * np.arange(len(every)))


def test_frames_of_varying_steps_reach_the_end(lake: Any, h: Any, soma: Any) -> None:
    h.CVode().active(True)
    with record(lake, "r", dt=0.5, variables=["v", "m_hh"]):
        h.finitialize(-65)
        h.CVode().solve(20)
    assert h.t == 20 and voltage(lake).shape == (41, 1)
    assert voltage(lake)[-1, 0] == np.float32(soma(0.5).v)
    assert voltage(lake, variable="m_hh")[-1, 0] == np.float32(soma(0.5).m_hh)


@pytest.mark.parametrize("dt", [None, 0.1])
def test_several_runs_in_one_block(lake: Any, h: Any, soma: Any, dt: float | None) -> None:
    h.tstop = 5
    netcon, theirs = listening(h, soma), h.Vector().record(soma(0.5)._ref_v)
    every = slice(None) if dt is None else slice(None, None, 4)

    def runs() -> None:
        h.run()
        h.run()
        h.continuerun(7)

    def twice() -> None:
        h.finitialize(-70)
        h.finitialize(-65)
        while h.t < 7 - 1e-9:
            h.fadvance()

    for name, simulate in (("runs", runs), ("twice", twice)):
        with record(lake, name, dt=dt, netcons=[netcon]):
            simulate()
        assert np.array_equal(voltage(lake, name)[:, 0], np.array(theirs)[every].astype(np.float32))
        assert len(voltage(lake, name)) == (281 if dt is None else 71) and len(heard(lake, name)) == 1


@pytest.mark.parametrize("varying", [False, True])
def test_events_of_the_script(lake: Any, h: Any, soma: Any, varying: bool) -> None:
    solver, stimulus = h.CVode(), clamp(soma(0.5), 0, 1e9, 0)
    solver.active(varying)

    def begin() -> None:
        stimulus.amp = 0
        solver.event(15, fire)

    def fire() -> None:
        stimulus.amp = 0.5
        if varying:
            solver.re_init()

    KEEP.append(h.FInitializeHandler(begin))
    theirs = h.Vector().record(soma(0.5)._ref_v)
    with record(lake, "r", netcons=[listening(h, soma)]):
        run(h, 20)
    assert np.array_equal(voltage(lake)[:, 0], np.array(theirs).astype(np.float32))
    assert [time > 15 for _, time in heard(lake)] == [False, True]


# Blocks that end early


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("simulated", [False, True])
def test_an_error_leaves_everything_as_it_was(
    lake: Any, h: Any, soma: Any, error: type[BaseException], simulated: bool
) -> None:
    netcon, vector, called = listening(h, soma), h.Vector(), []
    netcon.record(vector)
    netcon.record(lambda: called.append(h.t))
    plain = listening(h, section(h, "other"))
    for dt in (None, 0.1):
        with (
            pytest.raises(error),
            record(lake, "r", variables=["i_membrane"], netcons=[netcon, plain], dt=dt),
        ):
            if simulated:
                run(h, 3)
            raise error
        assert not h.CVode().use_fast_imem() and plain.get_recordvec() is None
        called.clear()
        run(h)
        assert len(vector) == len(called) == 1
    assert len(lake) == 0 and list(lake.head.arrays) == []


def test_what_cannot_be_recorded_leaves_everything_as_it_was(lake: Any, h: Any, soma: Any) -> None:
    netcon, called = listening(h, soma), []
    netcon.record(lambda: called.append(h.t))
    with (
        pytest.raises(InputError, match="no segment has"),
        record(lake, "r", variables=["i_membrane", "m_kv"], netcons=[netcon]),
    ):
        pytest.fail("the block began")
    assert not h.CVode().use_fast_imem() and netcon.get_recordvec() is None
    run(h)
    assert len(called) == 1


def test_currents_are_computed_no_longer_than_anybody_needs_them(h: Any, soma: Any) -> None:
    solver = h.CVode()
    first, second = SegmentRecorder([soma], ["i_membrane"]), SegmentRecorder([soma], ["v", "i_membrane"])
    del first
    assert solver.use_fast_imem()
    del second
    assert not solver.use_fast_imem()
    solver.use_fast_imem(True)
    SegmentRecorder([soma], ["i_membrane"])
    assert solver.use_fast_imem()
