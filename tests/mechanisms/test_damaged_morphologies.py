"""Damaged files of each format: a clear error with file and line, or the cell that NEURON makes of the same text."""

import numpy as np
from damage import mutated
from hoc_files import FILES as HOC
from neuron_shapes import loaded
from swc_files import FILES as SWC

from neurolake.mechanisms.cell.morphology import read_morphology
from neurolake.mechanisms.errors import ModelError


def read_all(files: dict[str, str], suffix: str, folder, number: int):
    """Damaged files and what is read of those that are not refused."""
    texts, read = list(files.values()), {}
    for seed in range(number):
        path = folder / f"{seed}{suffix}"
        path.write_bytes(mutated(texts[seed % len(texts)].encode(), seed))
        try:
            read[path] = read_morphology(path)
        except ModelError as error:
            assert error.path == str(path)
            assert (
                error.line
                or "no sample" in error.reason
                or "created" in error.reason
                or "without parent" in error.reason
            )
    return read


def outlines(shapes):
    return sorted(outline(shape.points) for shape in shapes)


def outline(points):
    return np.asarray(points, np.float32).round(2).tolist()


def test_damaged_swc_is_neurons_cell_or_refused(tmp_path):
    read = read_all(SWC, ".swc", tmp_path, 400)
    for path in read:
        # To NEURON blanks beyond ASCII are no blanks.
        path.write_bytes(path.read_bytes().replace(b"\xc2\x85", b" ").replace(b"\xe2\x80\xa8", b" "))
    made = dict(zip(read, loaded(list(read)), strict=True))
    # NEURON reads no IDs out of order, no marks and no carriage returns alone.
    compared = {path: own for path, own in made.items() if own}
    assert len(read) > 80 and len(compared) > 60
    for path, own in compared.items():
        assert outlines(read[path].shapes) == sorted(outline(each["points"]) for each in own), (
            path.read_text()
        )


def test_damaged_hoc_is_neurons_cell_or_refused(tmp_path):
    read = read_all(HOC, ".hoc", tmp_path, 400)
    made = dict(zip(read, loaded(list(read)), strict=True))
    # NEURON takes neither form feeds, nor two statements a line.
    compared = {path: own for path, own in made.items() if own}
    assert len(read) > 50 and len(compared) > 0.9 * len(read)
    for path, own in compared.items():
        told = {shape.name: outline(shape.points) for shape in read[path].shapes}
        assert told == {each["name"]: outline(each["points"]) for each in own}, path.read_text()
