"""How long questions to a lake take, beside the same computation in pandas from the CSV files in the same run."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import questions
from measure import Figures, emptied, interleaved, run
from questions import QUESTIONS, Subject, a_subject, check_equal
from trees import Tree, add_arguments, make_tree, run_source, work_folder

import neurolake as nl
from neurolake.ingest.simrun.ingest import ingest_simrun

# What ISF takes on its own database of such trials, in seconds. Recorded earlier, not from this run.
ISF_RECORDED = {
    "mean soma distance per cell type": 2.2,
    "synapse activations per cell type, 1 ms (its temporal binning)": 8.2,
    "synapses of one trial": 0.024,
    "voltage of one trial": 2.66,
    "mean voltage over trials": 4.8,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    arguments = parser.parse_args()
    figures = Figures("queries")
    with work_folder(arguments.work) as work:
        source = run_source(arguments.data, work)
        tree = make_tree(source, work / "distinct", arguments.trials, distinct=True)
        folder = emptied(work / "asked") / "lake"
        lake = nl.create(folder)
        ingest_simrun(lake, tree.root)
        subject = a_subject(lake)
        figures.settings = {"source": source.origin, "trials": tree.trials, "rounds": arguments.rounds}
        figures.settings["subject"] = asdict(subject)
        for number in range(len(QUESTIONS)):
            _warm(figures, number, nl.open(folder), tree, subject, arguments.rounds)
            _cold(figures, number, folder, tree, subject, arguments.rounds)
    for name, value in ISF_RECORDED.items():
        figures.add(
            "recorded earlier, not from this run", f"ISF: {name}", value, "s", "two cores, busy machine"
        )
    figures.report()


def _warm(figures: Figures, number: int, lake: object, tree: Tree, subject: Subject, rounds: int) -> None:
    """In this process, asked before; the lake stays open, pandas reads its files each time."""
    question = QUESTIONS[number]
    rows = check_equal(question, question.lake(lake, subject), question.csv(tree.root, subject))
    _compare(
        figures,
        question.title,
        "again",
        lambda: question.lake(lake, subject),
        lambda: question.csv(tree.root, subject),
        rounds,
        f"equal answers of {rows:,} rows",
    )


def _cold(figures: Figures, number: int, lake: Path, tree: Tree, subject: Subject, rounds: int) -> None:
    """In a new process, imports included; neurolake has nothing cached and verifies the files it reads."""

    def ask(who: str) -> None:
        with tempfile.TemporaryDirectory() as cache:
            what = [who, str(number), str(lake), str(tree.root), json.dumps(asdict(subject))]
            run([sys.executable, questions.__file__, *what], NEUROLAKE_CACHE=cache)

    title = QUESTIONS[number].title
    _compare(figures, title, "first", lambda: ask("neurolake"), lambda: ask("pandas"), rounds, "new process")


def _compare(
    figures: Figures,
    title: str,
    when: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int,
    note: str,
) -> None:
    timings = interleaved({"neurolake": ours, "pandas": theirs}, rounds)
    for who, timing in timings.items():
        figures.add_time(title, f"{who}, {when}", timing, "ms")
    ratio = timings["pandas"].median / timings["neurolake"].median
    figures.add(title, f"pandas / neurolake, {when}", ratio, "times", note)


if __name__ == "__main__":
    main()
