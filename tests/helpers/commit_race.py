"""Processes that commit to one branch, and the proof that every commit is there once."""

import multiprocessing

import pyarrow as pa

import neurolake


def commit_some(url: str, writer: int, commits: int) -> None:
    lake = neurolake.open(url)
    for number in range(commits):
        with lake.transaction(f"{writer} {number}") as tx:
            tx.append_table("rows", pa.table({"writer": [writer], "number": [number]}))


def check_race(url: str, writers: int, commits: int) -> None:
    """Processes that commit to one branch: every commit is there, in one line, every row once."""
    lake = neurolake.create(url)
    with lake.transaction("begin") as tx:
        tx.write_table("rows", pa.table({"writer": [-1], "number": [-1]}))
    context = multiprocessing.get_context("spawn")
    run = [context.Process(target=commit_some, args=(url, at, commits)) for at in range(writers)]
    for process in run:
        process.start()
    for process in run:
        process.join()
    assert [process.exitcode for process in run] == [0] * writers
    again = neurolake.open(url)
    records = again.log()
    expected = [(writer, number) for writer in range(writers) for number in range(commits)]
    assert len(records) == writers * commits + 2
    parents = [[parent.id for parent in record.parents] for record in records]
    assert parents == [*([record.id] for record in records[1:]), []]
    rows = again["rows"].to_arrow().to_pydict()
    assert sorted(zip(rows["writer"], rows["number"], strict=True)) == [(-1, -1), *expected]
    messages = [record.message for record in reversed(records[:-2])]
    for writer in range(writers):
        mine = [message for message in messages if message.split()[0] == str(writer)]
        assert mine == [f"{writer} {number}" for number in range(commits)]
