"""The demo: a cell, channels and a network of our own making as simrun files, and trials of them.

::

    cell.param  stim_C2.param  stim_B1.param
    anatomy/demo_cell.hoc  demo_cell.syn  demo_cell.con  demo_sites.landmarkAscii
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..lake import Lake
from ..lake.errors import IngestError, InputError
from ..mechanisms.demo.cell import cell_parameters, recording_landmark
from ..mechanisms.demo.input import POPULATIONS, STIMULI, demo_wiring, network_parameters
from ..mechanisms.demo.shape import demo_morphology
from ..mechanisms.demo.trees import basket_swc, pyramidal_swc
from .runs.runs import run
from .simrun.anatomy import format_con, format_landmarks, format_section, format_syn
from .simrun.export import export_simrun

HOC, SYN, CON = "anatomy/demo_cell.hoc", "anatomy/demo_cell.syn", "anatomy/demo_cell.con"
LANDMARKS = "anatomy/demo_sites.landmarkAscii"
CELL = "cell.param"


@dataclass(frozen=True)
class DemoModel:
    """Parameter files of the demo: the cell's, and the network's by stimulus."""

    cell: Path
    networks: dict[str, Path]


def write_demo_model(folder: str | Path) -> DemoModel:
    """Write the demo's parameter files and anatomy; the same files, byte for byte, every time.

    Parameters
    ----------
    folder
        Where they go; made if it is not there. Parameters refer to the anatomy relative to it.
    """
    folder = Path(folder)
    (folder / HOC).parent.mkdir(parents=True, exist_ok=True)
    shapes, wiring = demo_morphology().shapes, demo_wiring()
    kinds = [POPULATIONS[number].name for number in wiring.population]
    parents = [None if shape.parent < 0 else shapes[shape.parent].name for shape in shapes]
    sections = [
        format_section(shape.name, shape.points, parent=parent, parent_x=shape.parent_x)
        for shape, parent in zip(shapes, parents, strict=True)
    ]
    synapses = zip(kinds, wiring.section_id.tolist(), wiring.x.tolist(), strict=True)
    connections = zip(kinds, wiring.cell_id.tolist(), wiring.synapse_id.tolist(), strict=True)
    (folder / HOC).write_text("".join(sections))
    (folder / SYN).write_text(format_syn("demo_cell", synapses))
    (folder / CON).write_text(format_con(Path(SYN).name, connections))
    (folder / LANDMARKS).write_text(format_landmarks([recording_landmark()]))
    cell = _written(folder / CELL, cell_parameters(morphology=HOC, recording_sites=LANDMARKS))
    networks = {
        whisker: network_parameters(whisker, synapse_file=SYN, connection_file=CON) for whisker in STIMULI
    }
    return DemoModel(
        cell, {name: _written(folder / f"stim_{name}.param", tree) for name, tree in networks.items()}
    )


def _written(path: Path, tree: dict[str, Any]) -> Path:
    path.write_text(json.dumps(tree, indent=4) + "\n")
    return path


def write_demo_tree(
    folder: str | Path, *, trials: int = 12, seed: int = 1, processes: int | None = None
) -> list[Path]:
    """Simulate the demo and write it as simrun writes its results.

    The same arguments give the same files, byte for byte, on the same NEURON and machine.

    Parameters
    ----------
    folder
        Where the tree goes; made if it is not there.
    trials
        Trials per stimulus (there are two, C2 and B1), 200 ms each.
    seed
        Of the first stimulus; that of the second is one more.
    processes
        Processes that simulate; as many as CPUs by default. A script that calls this with more than one must
        guard its own work with ``if __name__ == "__main__"``.

    Returns
    -------
    list of Path
        The run directories, ``stim_C2/seed<seed>`` and ``stim_B1/seed<seed + 1>``.

    Raises
    ------
    InputError
        No trials.
    IngestError
        The folder has something in it; nothing is simulated then.
    """
    if trials < 1:
        raise InputError(f"trials={trials}: expected 1 or more")
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise IngestError("has something in it; choose another folder", folder)
    with tempfile.TemporaryDirectory() as scratch:
        model = write_demo_model(Path(scratch) / "model")
        lake = Lake.create(Path(scratch) / "lake", durable=False)
        runs = [
            run(lake, model.cell, network, trials=trials, seed=seed + number, processes=processes).run
            for number, network in enumerate(model.networks.values())
        ]
        export_simrun(lake.head, folder)
    return [folder / name for name in runs]


NETWORK = """\
# A small network: inputs excite pyramidal cells and basket cells, which excite and inhibit each other.
# docs/networks.md describes each key.
Model Name: Example
Definitions:
  Populations: {STIM: 0, PYR: 1, PVBC: 2}
  Layers: {SO: 5, SP: 6, SR: 8, SLM: 9}
Geometry:
  Parametric Surface:
    Origin: {U: median, V: median, L: max}
    Rotation: [0, 0, 0]
    Layer Extents:  # lowest and highest corner, µm
      SO: [[0, 0, 0], [500, 500, 100]]
      SP: [[0, 0, 100], [500, 500, 150]]
      SR: [[0, 0, 150], [500, 500, 350]]
      SLM: [[0, 0, 350], [500, 500, 450]]
  Cell Distribution:
    STIM: {SP: 20}
    PYR: {SP: 60}
    PVBC: {SP: 6, SO: 2}
  Minimum Distance: 10  # µm
Cell Types:
  STIM:
    template: VecStim
    spike train: {namespace: Input Spikes, attribute: Spike Train}
  PYR:
    template: PyramidalCell
    morphology: PYR.swc
    synapses:
      density:  # synapses on a µm: mean, and standard deviation from segment to segment
        basal:
          excitatory: {SO: {mean: 0.8, variance: 0.1}}
          inhibitory: {default: {mean: 0.1, variance: 0.02}}
        apical:
          excitatory: {SR: {mean: 1.0, variance: 0.1}, SLM: {mean: 0.5, variance: 0.1}}
          inhibitory: {SR: {mean: 0.1, variance: 0.02}}
        soma:
          inhibitory: {default: {mean: 0.5, variance: 0.1}}
  PVBC:
    template: BasketCell
    morphology: PVBC.swc
    synapses:
      density:
        basal:
          excitatory: {SO: {mean: 1.0, variance: 0.1}}
        apical:
          excitatory: {SR: {mean: 1.0, variance: 0.1}}
        soma:
          inhibitory: {default: {mean: 0.5, variance: 0.1}}
Connection Generator:
  Axon Extent:  # µm
    STIM: {default: {width: [1000, 1000], offset: [0, 0]}}
    PYR: {default: {width: [800, 800], offset: [0, 0]}}
    PVBC: {default: {width: [600, 600], offset: [0, 0]}}
  Connection Velocity: {STIM: 250, PYR: 250, PVBC: 250}  # µm/ms
  Synapse Mechanisms: {AMPA: LinExp2Syn, NMDA: LinExp2SynNMDA, GABA_A: LinExp2Syn}
  Synapse Parameter Rules:  # which numbers are of the mechanism, and which are weights of the connection
    LinExp2Syn: {mech_params: [tau_rise, tau_decay, e], netcon_params: {weight: 0, g_unit: 1}}
    LinExp2SynNMDA: {mech_params: [tau_rise, tau_decay, e, mg], netcon_params: {weight: 0, g_unit: 1}}
  Synapses:  # tau in ms, e in mV, g_unit in µS
    PYR:
      STIM:
        {type: excitatory, sections: [apical, apical, basal], layers: [SR, SLM, SO], proportions: [0.6, 1, 0.4],
         mechanisms: {AMPA: {tau_rise: 0.5, tau_decay: 3, e: 0, g_unit: 3.0e-5, weight: 1}, NMDA: {g_unit: 1.5e-5, weight: 1}}}
      PYR:
        {type: excitatory, sections: [apical, basal], layers: [SR, SO], proportions: [0.4, 0.6],
         mechanisms: {AMPA: {tau_rise: 0.5, tau_decay: 3, e: 0, g_unit: 1.0e-5, weight: 1}, NMDA: {g_unit: 5.0e-6, weight: 1}}}
      PVBC:
        {type: inhibitory, sections: [apical, basal, soma], layers: [SR, default, default], proportions: [1, 1, 1],
         mechanisms: {GABA_A: {tau_rise: 0.3, tau_decay: 6, e: -70, g_unit: 1.0e-4, weight: 1}}}
    PVBC:
      STIM:
        {type: excitatory, sections: [apical], layers: [SR], proportions: [0.5],
         mechanisms: {AMPA: {tau_rise: 0.5, tau_decay: 3, e: 0, g_unit: 3.0e-5, weight: 1}}}
      PYR:
        {type: excitatory, sections: [apical, basal], layers: [SR, SO], proportions: [0.5, 1],
         mechanisms: {AMPA: {tau_rise: 0.5, tau_decay: 3, e: 0, g_unit: 8.0e-5, weight: 1}}}
      PVBC:
        {type: inhibitory, sections: [soma], layers: [default], proportions: [1],
         mechanisms: {GABA_A: {tau_rise: 0.1, tau_decay: 5, e: -70, g_unit: 5.0e-4, weight: 1}}}
Stimulus:
  Temporal Resolution: 1  # ms
  Equilibration Duration: 100  # ms
  Selectivity Type Probabilities: {STIM: {constant: 0.5, receptive field: 0.5}}
  Peak Rate: {STIM: {constant: 10, receptive field: 40}}  # Hz
  Field Width: {STIM: 20}  # cm
  Trials: 2
  Global Oscillation:
    frequency: 8  # Hz
    Phase Distribution: {slope: 0, offset: 0}
    Phase Modulation: {STIM: {phase range: [0, 180], depth: 0.5}}
  Arena:
    A:
      Domain: {vertices: [[-50, -50], [-50, 50], [50, 50], [50, -50]]}
      Trajectory:
        Diag: {path: [[-50, -50], [50, 50]], run velocity: 100}  # cm, cm/s
"""


def write_demo_network(folder: str | Path) -> Path:
    """Write the configuration of an example network and the trees of its cells; the same files every time.

    Parameters
    ----------
    folder
        Where they go; made if it is not there.

    Returns
    -------
    Path
        ``network.yaml``, which `neurolake.build.network` takes.

    Raises
    ------
    IngestError
        The folder has something in it.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise IngestError("has something in it; choose another folder", folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "PYR.swc").write_text(pyramidal_swc())
    (folder / "PVBC.swc").write_text(basket_swc())
    (folder / "network.yaml").write_text(NETWORK, encoding="utf-8")
    return folder / "network.yaml"
