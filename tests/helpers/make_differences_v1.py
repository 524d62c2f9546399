"""Writes ``tests/data/differences-v1``: a lake of arrays whose chunks are coded as differences, and what they hold.

``python tests/helpers/make_differences_v1.py`` makes it anew. Once the codec is out, it is read for ever and never
written again.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from make_format_v1 import no_chance

from neurolake.lake import Lake
from neurolake.lake.data.differences import configuration

FOLDER = Path(__file__).parents[1] / "data" / "differences-v1"
TIMES = np.arange(400) * 0.025


def arrays() -> Iterator[tuple[str, npt.NDArray[Any], tuple[int, ...], dict[str, Any]]]:
    """Name, values, chunks and codec: all types, orders from 0 to 10, both axes, decimals with exceptions, each compressor."""
    random = np.random.default_rng(7)
    wave = np.sin(TIMES) * 20 - 65
    for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
        scale = 100 if kind in ("i1", "u1") else 1000
        values = wave.astype(kind) if kind[0] == "f" else (np.abs(np.sin(TIMES)) * scale).astype(kind)
        yield f"types/{kind}", values, (300,), configuration(0)
        bits = np.frombuffer(random.bytes(64 * values.itemsize), kind).copy()
        yield f"bits/{kind}", bits, (64,), configuration(0)
    for order in range(11):
        steps = random.integers(-3, 4, 400)
        for _ in range(order):
            steps = np.cumsum(steps)
        yield f"orders/{order}", steps, (400,), configuration(0)
    volts = np.stack([wave, wave[::-1], wave * 1.5])
    for axis in (0, 1):
        yield f"axes/{axis}", volts if axis else volts.T.astype("f4").copy(), (300, 300), configuration(axis)
    yield "axes/none", np.array(1.5), (), configuration(0)
    printed = np.array([f"{value:.9g}" for value in wave], float)
    printed[[3, 77, 200]] = [-0.0, np.nan, 1 / 3]
    yield "decimals", printed, (400,), configuration(0)
    for cname in ("lz4", "lz4hc", "zstd", "blosclz", "zlib"):
        yield f"compressors/{cname}", wave, (400,), configuration(0, cname, 5)
    patterns = [0, 2**63, 2**63 - 1, 2**64 - 1, 0x7FF0 << 48, 0xFFF0 << 48, 0x7FF8DEAD << 32, 1, 2**63 + 1]
    yield "patterns", np.array(patterns * 8, np.uint64).view("f8"), (72,), configuration(0)


def main() -> None:
    """Write the lake, and beside it the bytes of all values."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    known = {}
    with no_chance():
        lake = Lake.create(FOLDER / "lake")
        with lake.transaction("arrays") as tx:
            for name, values, chunks, codec in arrays():
                tx.write_array(name, values, chunks=chunks, codec=codec)
                known[name] = {
                    "type": values.dtype.str,
                    "shape": values.shape,
                    "bytes": values.tobytes().hex(),
                }
    (FOLDER / "expected.json").write_text(json.dumps(known, indent=0) + "\n", encoding="utf-8")
    shutil.rmtree(FOLDER / "lake" / "tmp", ignore_errors=True)


if __name__ == "__main__":
    main()
