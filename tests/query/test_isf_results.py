"""ISF's keys hold what the source text says, in ISF's layout: read here by a plain reader of its own."""

import hashlib
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from simrun_trees import OLD, OTHER_SITE, SITE, Run, write_run

from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.lake import Lake
from neurolake.lake.errors import InputError
from neurolake.query.isf import database as isf

TEXT = pd.Series(["a"]).dtype


@pytest.fixture(autouse=True)
def one_process() -> Any:
    with dask.config.set(scheduler="threads"):
        yield


class Tree:
    """A simrun tree, read line by line; nothing is shared with neurolake."""

    def __init__(self, root: Path) -> None:
        self.root = root
        paths = [path for path in root.rglob("simulation_run*_synapses.csv") if "_running" not in str(path)]
        self.trials = sorted((self.index(path), path) for path in paths)
        self.keys = [key for key, _ in self.trials]
        self._read: dict[str, dict[str, tuple[list[float], list[float]]]] = {}

    def index(self, path: Path) -> str:
        number = int(path.name.split("_")[1].removeprefix("run"))
        return f"{path.parent.relative_to(self.root).as_posix()}/{number:06d}"

    def traces(self, ending: str) -> dict[str, tuple[list[float], list[float]]]:
        """Times and voltages of each trial from the files with that ending."""
        if ending in self._read:
            return self._read[ending]
        found = self._read.setdefault(ending, {})
        for folder in {path.parent for _, path in self.trials}:
            trials = [key for key, path in self.trials if path.parent == folder]
            (file,) = folder.glob(f"*{ending}")
            rows = [[float(word) for word in line.split("\t")] for line in file.read_text().splitlines()[1:]]
            times, *columns = zip(*rows, strict=True)
            found |= {key: (list(times), list(column)) for key, column in zip(trials, columns, strict=True)}
        return found

    def wide(self, ending: str, columns: list[str], kinds: list[type]) -> pd.DataFrame:
        """The activations of all trials: heads of the given types, then times padded with NaN.

        There are as many columns as ISF makes: one more than the most delimiters of a line, header included, if each
        line ended with a comma.
        """
        keys, heads, times, delimiters = [], [], [], 0
        for key, path in self.trials:
            file = path.with_name(path.name.replace("synapses", ending))
            lines = file.read_text().splitlines()
            counts = [len(re.findall(r"[,\t]", line)) + (not line.endswith(",")) for line in lines]
            delimiters = max(delimiters, *counts)
            for line in lines[1:]:
                *head, text = line.split("\t")
                keys.append(key)
                heads.append([kind(word) for kind, word in zip(kinds, head, strict=True)])
                times.append([float(time) for time in text.rstrip(",").split(",")])
        width = delimiters + 1 - len(columns)
        data: dict[str, Any] = {
            name: pd.Series([head[at] for head in heads]) for at, name in enumerate(columns)
        }
        for at in range(width):
            data[str(at)] = np.array([row[at] if at < len(row) else math.nan for row in times])
        return pd.DataFrame(data).set_index(pd.Index(keys, name="sim_trial_index"))


def crossings(times: list[float], voltage: list[float], threshold: float) -> list[float]:
    return [
        times[at] for at in range(1, len(times)) if voltage[at - 1] < threshold and voltage[at] >= threshold
    ]


def spikes(tree: Tree, ending: str, threshold: float) -> pd.DataFrame:
    found = [crossings(*tree.traces(ending)[key], threshold) for key in tree.keys]
    width = max(map(len, found))
    rows = [row + [math.nan] * (width - len(row)) for row in found]
    return pd.DataFrame(rows, pd.Index(tree.keys, name="sim_trial_index"), dtype="float64")


SYNAPSES = ["synapse_type", "synapse_ID", "soma_distance", "section_ID", "section_pt_ID", "dendrite_label"]


def check_all(db: Any, tree: Tree, sites: list[str]) -> None:
    kinds = [str, int, float, int, int, str]
    pd.testing.assert_frame_equal(
        db["synapse_activation"].compute(), tree.wide("synapses", SYNAPSES, kinds), check_exact=True
    )
    pd.testing.assert_frame_equal(
        db["cell_activation"].compute(),
        tree.wide("presynaptic_cells", ["presynaptic_cell_type", "cell_ID"], [str, int]),
        check_exact=True,
    )
    assert list(db["sim_trial_index"]) == tree.keys
    check_traces(db["voltage_traces"], tree, "_vm_all_traces.csv")
    check_spikes(db["spike_times"], spikes(tree, "_vm_all_traces.csv", 0.0))
    assert db["dendritic_recordings"].keys() == sorted(sites)
    assert db["dendritic_spike_times"].keys() == sorted(f"{site}_-30.0" for site in sites)
    for site in sites:
        ending = f"{site}_vm_dend_traces.csv"
        check_traces(db["dendritic_recordings"][site], tree, ending)
        check_spikes(db["dendritic_spike_times"][f"{site}_-30.0"], spikes(tree, ending, -30.0))


def check_traces(frame: Any, tree: Tree, ending: str) -> None:
    traces = tree.traces(ending)
    (times,) = {tuple(times) for times, _ in traces.values()}
    expected = pd.DataFrame(
        [traces[key][1] for key in tree.keys],
        pd.Index(tree.keys, name="sim_trial_index"),
        pd.Index(times, dtype="float64"),
        dtype="float64",
    )
    pd.testing.assert_frame_equal(frame.compute(), expected, check_exact=True)
    assert frame.columns.tolist() == list(times)
    # One partition for each run directory, from whose first trial its division is.
    runs = [key.rpartition("/")[0] for key in tree.keys]
    firsts = [key for at, key in enumerate(tree.keys) if at == 0 or runs[at] != runs[at - 1]]
    assert frame.divisions == (*firsts, tree.keys[-1])


def check_spikes(frame: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(frame, expected, check_exact=True)
    assert list(frame.columns) == list(range(frame.shape[1]))


# Real trees


@pytest.fixture(scope="module")
def real(isf_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """A database of one of the real trees."""
    made: dict[str, Any] = {}

    def database(name: str) -> Any:
        if name not in made:
            if not (isf_data / name).is_dir():
                pytest.skip(f"NEUROLAKE_DATA: no real data at {isf_data / name}")
            lake = Lake.create(tmp_path_factory.mktemp("isf") / "lake", durable=False)
            ingest_simrun(lake, isf_data / name, processes=1)
            made[name] = isf.open(lake)
        return made[name]

    return database


APICAL = "apical_proximal_distal_rec_sites_ID_000_sec_038_seg_032_x_0.929_somaDist_920.7"
BASAL = "apical_proximal_distal_rec_sites_ID_001_sec_025_seg_001_x_0.500_somaDist_198.1"


def test_the_tree_of_2026(real: Callable[[str], Any], isf_data: Path) -> None:
    check_all(real("simrun_2026"), Tree(isf_data / "simrun_2026"), [APICAL])


class Single(Tree):
    """A run directory by itself, which goes by its own name."""

    def index(self, path: Path) -> str:
        return f"{self.root.name}{super().index(path)[1:]}"


def test_the_tree_of_2015(real: Callable[[str], Any], isf_data: Path) -> None:
    check_all(real("simrun_2015_C2center"), Single(isf_data / "simrun_2015_C2center"), [APICAL, BASAL])


def test_what_isf_itself_answers(real: Callable[[str], Any], isf_data: Path) -> None:
    db, answers = (
        real("simrun_2026"),
        json.loads((isf_data / "simrun_2026" / "expected.json").read_text()),
    )
    assert listed(db["spike_times"]) == answers["spike_times_soma_0mV"]
    dendritic = answers["dendritic_spike_times_minus30mV"]
    assert listed(db["dendritic_spike_times"][dendritic["site"]]) == dendritic["times"]
    for key, counts in (("synapse_activation", "synapse_rows"), ("cell_activation", "cell_rows")):
        assert db[key].compute().groupby(level=0).size().to_dict() == answers[counts]


def listed(frame: pd.DataFrame) -> dict[str, list[float]]:
    return {str(key): row.dropna().tolist() for key, row in frame.iterrows()}


def test_tables_of_files(real: Callable[[str], Any], isf_data: Path) -> None:
    db, root = real("simrun_2026"), isf_data / "simrun_2026"
    assert db["simresult_path"] == str(root.resolve())
    run = db["metadata"]["path"][0]
    assert db["filelist"] == [f"{run}/seed268801449_pid15792_vm_all_traces.csv"]
    metadata = db["metadata"]
    assert metadata.columns.tolist() == [
        "sim_trial_index",
        "path",
        "trialnr",
        "voltage_traces_file_name",
        "synapses_file_name",
        "cells_file_name",
    ]
    assert metadata["trialnr"].tolist() == [f"{number:06d}" for number in range(8)]
    for row in metadata.itertuples():
        names = (row.voltage_traces_file_name, row.synapses_file_name, row.cells_file_name)
        assert all((root / row.path / name).is_file() for name in names)
        assert row.sim_trial_index == f"{row.path}/{row.trialnr}"


def test_parameter_files(real: Callable[[str], Any]) -> None:
    db = real("simrun_2026")
    frame = db["parameterfiles"]
    assert frame.columns.tolist() == ["path_neuron", "path_network", "hash_neuron", "hash_network"]
    assert frame.index.equals(db["sim_trial_index"])
    for kind, folder in (
        ("neuron", "parameterfiles_cell_folder"),
        ("network", "parameterfiles_network_folder"),
    ):
        for path, digest in frame[[f"path_{kind}", f"hash_{kind}"]].itertuples(index=False):
            content = Path(path).read_bytes()
            assert digest == hashlib.md5(content).hexdigest()
            assert Path(db[folder].join(digest)).read_bytes() == content
        assert db[folder].listdir() == sorted(set(frame[f"hash_{kind}"]))


# Notebooks' cells


def test_cells_of_a_notebook(real: Callable[[str], Any]) -> None:
    """As people write them against ISF; facts: tutorials' spike times, binning, traces."""
    db = real("simrun_2026")
    st = db["spike_times"]
    assert set(st.index.str.split("_").str[0]) == {"stim"}
    in_window = st.apply(lambda row: ((row >= 245) & (row < 265)).any(), axis=1)
    vectorised = ((st >= 245) & (st < 265)).any(axis=1)
    assert in_window.tolist() == vectorised.tolist()
    assert vectorised.sum() == 8 - (~vectorised).sum() > 4
    assert vectorised.groupby(st.index.str.split("_").str[0]).mean().between(0, 1).all()

    sa = db["synapse_activation"]
    times = [column for column in sa.columns if str(column).isdigit()]
    assert times == [str(number) for number in range(len(times))]
    sti = db["sim_trial_index"][3]
    one = sa.loc[sti].compute()
    assert set(one.index) == {sti}
    counts, edges = np.histogram(
        one[times].to_numpy()[~np.isnan(one[times].to_numpy())], np.arange(0, 301, 1)
    )
    assert counts.sum() == one[times].count().sum() and len(edges) == 301
    one["celltype"] = one.synapse_type.str.split("_").str[0]
    assert one.groupby("celltype").soma_distance.mean().notna().all()

    vt = db["voltage_traces"]
    chosen = vt.loc[[sti]].compute()
    assert chosen.shape == (1, vt.shape[1]) and chosen.index[0] == sti
    everything = vt.compute()
    assert everything.loc[sti].equals(chosen.loc[sti])
    np.testing.assert_allclose(vt.mean().compute().to_numpy(), everything.to_numpy().mean(axis=0))
    crossed = everything.T[sti]
    spikes = crossed.index[1:][(crossed.values[:-1] < 0) & (crossed.values[1:] >= 0)]
    assert spikes.tolist() == st.loc[sti].dropna().tolist()


# Small trees of every kind


@pytest.fixture
def grown(tmp_path: Path) -> tuple[Any, Tree]:
    """Two ingests, the second of run directories that sort before those of the first."""
    lake = Lake.create(tmp_path / "lake", durable=False)
    root = tmp_path / "tree"
    write_run(root / "stim_C2", Run(seed=1))
    write_run(root / "stim_C2", Run(seed=2, trials=(0, 1, 2), empty=(1,)))
    ingest_simrun(lake, root, processes=1)
    write_run(root / "stim_B1", Run(seed=3, naming=OLD, digits=7, trials=(2, 10, 9)))
    ingest_simrun(lake, root, processes=1)
    return isf.open(lake), Tree(root)


def test_ingests_in_any_order(grown: tuple[Any, Tree]) -> None:
    check_all(*grown, [SITE])


def test_columns_of_times_are_as_many_as_isf_makes(tmp_path: Path) -> None:
    """The run's synapses have three times at most; without any, ISF makes as many columns as for one."""
    for name, empty in (("full", ()), ("bare", (0, 1))):
        lake = Lake.create(tmp_path / f"{name} lake", durable=False)
        write_run(tmp_path / name / "a", Run(seed=1, empty=empty))
        ingest_simrun(lake, tmp_path / name, processes=1)
        frame = isf.open(lake)["synapse_activation"]
        times = [column for column in frame.columns if column.isdigit()]
        assert times == (["0", "1"] if empty else ["0", "1", "2", "3"])
        assert frame[times[-1]].compute().isna().all()


def test_a_trial_without_activations(grown: tuple[Any, Tree]) -> None:
    db, tree = grown
    (bare,) = [key for key in tree.keys if key.endswith("pid1002/000001")]
    for key in ("synapse_activation", "cell_activation"):
        ddf = db[key]
        assert ddf.npartitions == len(tree.keys)
        part = ddf.partitions[tree.keys.index(bare)].compute()
        assert part.shape == (0, ddf.shape[1]) and (part.dtypes == ddf.dtypes).all()


def test_types_are_told_without_reading(grown: tuple[Any, Tree]) -> None:
    db, _ = grown
    ddf = db["synapse_activation"]
    assert ddf.dtypes.tolist()[:6] == [TEXT, "int64", "float64", "int64", "int64", TEXT]
    assert set(ddf.dtypes.tolist()[6:]) == {np.dtype("float64")}
    assert (ddf.index.name, ddf.index.dtype) == ("sim_trial_index", TEXT)
    pd.testing.assert_frame_equal(ddf._meta, ddf.compute().iloc[:0])


def test_keys_of_tasks_are_those_of_content(grown: tuple[Any, Tree]) -> None:
    db, _ = grown
    before = {key: db[key]._name for key in ("synapse_activation", "voltage_traces")}
    db["note"] = "a commit that changes none of them"
    assert {key: db[key]._name for key in before} == before


def test_trials_that_differ_in_their_times(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake", durable=False)
    root = tmp_path / "tree"
    write_run(root / "a", Run(seed=1, samples=5))
    write_run(root / "b", Run(seed=2, samples=4, start=0.05))
    ingest_simrun(lake, root, processes=1)
    tree = Tree(root)
    traces = tree.traces("_vm_all_traces.csv")
    columns = sorted({time for times, _ in traces.values() for time in times})
    frame = isf.open(lake)["voltage_traces"].compute()
    assert frame.columns.tolist() == columns
    for key in tree.keys:
        assert frame.loc[key].dropna().to_dict() == dict(zip(*traces[key], strict=True))


def test_sites_that_only_some_runs_have(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake", durable=False)
    root = tmp_path / "tree"
    write_run(root / "a", Run(seed=1))
    write_run(root / "b", Run(seed=2, sites=(SITE, OTHER_SITE)))
    ingest_simrun(lake, root, processes=1)
    recordings = isf.open(lake)["dendritic_recordings"]
    assert len(recordings[SITE]) == 4
    assert recordings[OTHER_SITE].index.compute().str.startswith("b/").tolist() == [True, True]


def test_trials_of_one_key(grown: tuple[Any, Tree]) -> None:
    db, _ = grown
    with db._session.lake.transaction("the same trials again") as transaction:
        rows = transaction.table("trials").to_arrow()
        transaction.append_table("trials", rows.set_column(0, "trial_id", pc.add(rows["trial_id"], 100)))
    with pytest.raises(InputError, match="two trials have the sim_trial_index 'stim_B1/"):
        db["spike_times"]


def test_trials_without_a_key_are_left_out(grown: tuple[Any, Tree]) -> None:
    db, tree = grown
    with db._session.lake.transaction("forget a key") as transaction:
        rows = transaction.table("trials").to_arrow()
        keys = [None if key == tree.keys[-1] else key for key in rows["sim_trial_index"].to_pylist()]
        transaction.write_table("trials", rows.set_column(1, "sim_trial_index", pa.array(keys)))
    assert db["sim_trial_index"].tolist() == tree.keys[:-1]
    for key in ("voltage_traces", "synapse_activation"):
        assert db[key].index.compute().unique().isin(tree.keys[:-1]).all()
    whole = spikes(tree, "_vm_all_traces.csv", 0.0)
    assert db["spike_times"].equals(whole.iloc[:-1, : db["spike_times"].shape[1]])


def test_no_spikes_no_columns(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake", durable=False)
    write_run(tmp_path / "tree" / "a", Run(seed=1, samples=1))
    ingest_simrun(lake, tmp_path / "tree", processes=1)
    frame = isf.open(lake)["spike_times"]
    assert frame.shape == (2, 0) and frame.index.name == "sim_trial_index"


def test_folders_of_anatomy(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake", durable=False)
    root = tmp_path / "tree"
    write_run(root / "a", Run(seed=1))
    files = {"cell.hoc": "{create soma}", "x/one.syn": "# synapses", "x/one.con": "# connections"}
    files |= {"x/sites.landmarkAscii": "@1\n1 2 3\n", "y/sites.landmarkAscii": "@1\n4 5 6\n"}
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    ingest_simrun(lake, root, processes=1)
    db = isf.open(lake)
    assert Path(db["morphology"].get_file(".hoc")).read_text() == "{create soma}"
    assert db["morphology"].listdir() == ["cell.hoc"]
    digest = hashlib.md5(b"# synapses").hexdigest()
    assert Path(db["syn_folder"] + "/" + digest).read_text() == "# synapses"
    assert db["con_folder"].listdir() == [hashlib.md5(b"# connections").hexdigest()]
    both = {path.read_text() for path in Path(db["recsites_folder"]).rglob("*.landmarkAscii")}
    assert both == {"@1\n1 2 3\n", "@1\n4 5 6\n"}


def test_a_lake_without_results_has_none(tmp_path: Path) -> None:
    db = isf.open(tmp_path / "lake")
    assert db.keys() == []
    with pytest.raises(KeyError, match="no key 'spike_times'"):
        db["spike_times"]


def test_many_trials_share_partitions(monkeypatch: pytest.MonkeyPatch, grown: tuple[Any, Tree]) -> None:
    monkeypatch.setattr("neurolake.query.isf.frames._ONE_EACH", 3)
    monkeypatch.setattr("neurolake.query.isf.frames._MOST_PARTITIONS", 3)
    db, tree = grown
    assert db["synapse_activation"].npartitions == 3
    check_all(db, tree, [SITE])


def test_other_processes_read_the_lake_themselves(scheduler: str, grown: tuple[Any, Tree]) -> None:
    from distributed import Client

    db, tree = grown
    with dask.config.set(scheduler=None), Client(scheduler):
        check_all(db, tree, [SITE])
