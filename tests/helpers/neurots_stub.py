"""An environment of NeuroTS that has none: a stub stands for its Python."""

import sys
from pathlib import Path

STUB = '''#!{python}
"""Stands for the Python of NeuroTS' environment: a cell is its soma, and a line to each endfoot."""
import sys
import numpy as np

paths = sys.argv[2:]
for job, result in zip(paths[::2], paths[1::2]):
    cell = np.load(job)
    with open({log!r}, "a") as log:
        log.write(f"{{cell['soma'][0]}}\\n")
    if cell["radius"] > 50:
        sys.exit("it is too large")
    feet = cell["feet"] - cell["soma"]
    points = [np.zeros((1, 3))] + [np.stack([foot / 2, foot]) for foot in feet]
    sizes = [1] + [2] * len(feet)
    with open(result, "wb") as file:
        np.savez(file, points=np.concatenate(points), diameter=np.ones(sum(sizes)), sizes=np.array(sizes),
                 parent=np.array([-1] + [0] * len(feet)), type=np.array([1] + [2] * len(feet), np.uint8))
'''


def stub_environment(folder: Path) -> Path:
    """Make the environment; the file that the stub logs to."""
    log = folder / "log"
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.write_text(STUB.format(python=sys.executable, log=str(log)), encoding="utf-8")
    python.chmod(0o755)
    (folder / "installed").write_text("NeuroTS 3.7.0\n", encoding="utf-8")
    return log
