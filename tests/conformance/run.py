"""Run zarr-python's and xarray's own tests on stores of lakes: `python tests/conformance/run.py`.

Of both it takes the releases that are installed. xarray has its tests in its wheel; those of zarr-python come from its source
distribution, which pip fetches into `.conformance/` once. A test that fails must be explained, one by one or by a
pattern, in `explained.toml`; one that is explained and passes must not be. Exit code 1 otherwise.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from neurolake.kernels.places import cache_folder

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FETCHED = ROOT / ".conformance"
OUTCOMES = "CONFORMANCE_OUTCOMES"
SIGNS = {"passed": "pass", "skipped": "skip", "xfailed": "xfail"}


@dataclass(frozen=True)
class Explanation:
    """Why tests of these names fail; with an `error`, that they sometimes fail with it: they look for failures at random."""

    tests: tuple[str, ...]
    reason: str
    error: str = ""

    def covers(self, test: str, error: str) -> bool:
        return self.error in error and any(
            re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), test) for pattern in self.tests
        )


@dataclass(frozen=True)
class Suite:
    """Where tests lie, and what pytest is told."""

    folder: Path
    arguments: tuple[str, ...]

    def run(self, selected: str | None) -> dict[str, tuple[str, str]]:
        """How each test ended, and its error."""
        with tempfile.TemporaryDirectory() as scratch:
            outcomes = Path(scratch) / "outcomes.json"
            # Compiling kernels would take as long as many of these tests.
            compiled = cache_folder() / "kernels"
            compiled.mkdir(mode=0o700, parents=True, exist_ok=True)
            (Path(scratch) / "kernels").symlink_to(compiled)
            paths = [str(HERE), str(ROOT / ".link"), *filter(None, [os.environ.get("PYTHONPATH")])]
            environment = os.environ | {
                OUTCOMES: str(outcomes),
                "PYTHONPATH": os.pathsep.join(paths),
                "NEUROLAKE_CACHE": scratch,
            }
            chosen = ("-k", selected) if selected else ()
            command = [sys.executable, "-m", "pytest", "-q", "--tb=short", *self.arguments, *chosen]
            ended = subprocess.run(
                command, cwd=self.folder, env=environment, check=False, capture_output=True, text=True
            )
            if not outcomes.exists():
                sys.exit(f"the tests did not run:\n{ended.stdout}\n{ended.stderr}")
            return {test: (how, why) for test, (how, why) in json.loads(outcomes.read_text()).items()}


def zarr_suite(left_out: list[str]) -> Suite:
    """zarr-python's tests, of the version that is installed."""
    folder = FETCHED / f"zarr-{version('zarr')}"
    if not (folder / "tests").is_dir():
        FETCHED.mkdir(exist_ok=True)
        fetch = ("download", "--quiet", "--no-deps", "--no-binary", "zarr", "--dest", str(FETCHED))
        subprocess.run([sys.executable, "-m", "pip", *fetch, f"zarr=={version('zarr')}"], check=True)
        with tarfile.open(FETCHED / f"{folder.name}.tar.gz") as archive:
            archive.extractall(FETCHED, filter="data")
    ignored = (f"--ignore={each}" for each in left_out)
    options = ("-o", "addopts=", "-p", "lake_stores", "-p", "no:cacheprovider", "-W", "ignore")
    return Suite(folder, ("-c", "pyproject.toml", *options, *ignored, "tests"))


XARRAY = Suite(HERE, ("-c", "pytest.ini", "xarray_on_lakes.py"))


def judged(
    name: str, outcomes: dict[str, tuple[str, str]], explained: list[Explanation], *, each: bool, whole: bool
) -> list[str]:
    """Print how the tests of a suite ended; what is wrong with it."""
    wrong, counts, used = [], Counter[str](), set()
    for test, (outcome, error) in sorted(outcomes.items()):
        found = next((one for one in explained if one.covers(test, error)), None)
        if outcome != "failed":
            sign = SIGNS.get(outcome, outcome)
            if found and outcome == "passed":
                wrong.append(f"{name}: {test} passes: explain it no more")
        elif found:
            sign = "explained"
            used.add(found)
        else:
            sign = "FAIL"
            wrong.append(f"{name}: {test}: {error}")
        counts[sign] += 1
        if each or outcome == "failed":
            print(
                f"{sign:9} {test}"
                + (f"\n          {found.reason if found else error}" if outcome == "failed" else "")
            )
    if whole:
        idle = [one for one in explained if one not in used and not one.error]
        wrong += [f"{name}: no test fails as explained: {', '.join(one.tests)}" for one in idle]
    print(
        f"{name} {version(name)}: " + ", ".join(f"{count} {sign}" for sign, count in sorted(counts.items())),
        flush=True,
    )
    return wrong


def main() -> int:
    """Run the suites; 1 if a test fails without an explanation, or is explained and passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="zarr|xarray", help="both, unless one is named")
    parser.add_argument("-k", dest="selected", help="only these tests, as of pytest -k")
    parser.add_argument("--each", action="store_true", help="tell of each test, also of those that pass")
    options = parser.parse_args()
    told = tomllib.loads((HERE / "explained.toml").read_text())
    wrong: list[str] = []
    for name in options.suites or ("zarr", "xarray"):
        suite = zarr_suite(list(told["zarr"]["left_out"])) if name == "zarr" else XARRAY
        explained = [
            Explanation(tuple(one["tests"]), one["reason"], one.get("error", ""))
            for one in told[name]["explained"]
        ]
        outcomes = suite.run(options.selected)
        wrong += judged(name, outcomes, explained, each=options.each, whole=not options.selected)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
