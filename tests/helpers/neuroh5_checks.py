"""What a lake holds of NeuroH5 files, compared with what the reader of the specification finds in them."""

from pathlib import Path
from typing import Any

from neuroh5_files import read_network


def rows(lake: Any, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake.head.tables[table].to_arrow().to_pylist()
    return found


def by_cell(lake: Any, table: str, column: str) -> dict[int, list[Any]]:
    """Values of a column by cell, lists joined, gaps left out; as the reader of the specification has them."""
    found: dict[int, list[Any]] = {}
    for row in rows(lake, table):
        value = row[column]
        if value is not None:
            found.setdefault(row["node_id"], []).extend(value if isinstance(value, list) else [value])
    return found


def lacking(values: dict[int, list[Any]]) -> dict[int, list[Any]]:
    """Values of cells that have some: a table of values has no row of a cell without."""
    return {cell: told for cell, told in values.items() if told}


PLACES = {"X": "x", "Y": "y", "Z": "z", "U": "u", "V": "v", "L": "l"}
SYNAPSES = {
    "syn_ids": "synapse_id",
    "syn_secs": "section_id",
    "syn_locs": "section_pos",
    "syn_layers": "layer",
    "syn_types": "type",
    "swc_types": "swc_type",
    "syn_cdists": "soma_distance",
}


def check_cells(lake: Any, path: Path) -> set[str]:
    """Compare all that a file says of cells with the lake; the tables that were looked at."""
    read, seen = read_network(path), set()
    for (population, namespace, name), values in read["cells"].items():
        if namespace == "Trees" or namespace.startswith("Intracellular"):
            continue
        if namespace in ("Coordinates", "Generated Coordinates", "Arc Distances"):
            table = f"nodes/net/{population}"
            short = PLACES[name[0]] if "Coordinate" in name else f"{name[0].lower()}_distance"
        elif namespace == "Synapse Attributes":
            table, short, values = f"synapses/net/{population}", SYNAPSES[name], lacking(values)
        elif name in ("Spike Train", "t", "Trial Index"):
            room = f"inputs/net/{namespace}" if "Input" in namespace else "spikes/net"
            table, short, values = (
                f"{room}/{population}",
                "trial" if "Trial" in name else "time",
                lacking(values),
            )
        else:
            table, short = f"features/net/{namespace}/{population}", name
        assert by_cell(lake, table, short) == values, (table, short)
        seen.add(table)
    return seen


def check_trees(lake: Any, path: Path) -> int:
    """Compare the tree of every cell with its points and sections in the lake; how many cells there were."""
    read = {key: values for key, values in read_network(path)["cells"].items() if key[1] == "Trees"}
    points, sections = rows(lake, "morphologies/net.points"), rows(lake, "morphologies/net.sections")
    checked = 0
    for population in {key[0] for key in read}:
        part = {name: read[population, "Trees", name] for _, _, name in read}
        morphology = {row["node_id"]: row["morphology"] for row in rows(lake, f"nodes/net/{population}")}
        for cell in part["Radius"]:
            own = [row for row in points if row["morphology"] == morphology[cell]]
            assert [row["point_id"] for row in own] == list(range(len(own)))
            for column, name in (
                ("x", "X Coordinate"),
                ("y", "Y Coordinate"),
                ("z", "Z Coordinate"),
                ("type", "SWC Type"),
                ("layer", "Point Layer"),
                ("parent_id", "Parent Point"),
            ):
                assert [row[column] for row in own] == part[name][cell], (population, cell, name)
            assert [row["diameter"] for row in own] == [2 * radius for radius in part["Radius"][cell]]
            branches = [row for row in sections if row["morphology"] == morphology[cell]]
            packed = [len(branches)]
            for row in branches:
                packed += [len(row["points"]), *row["points"]]
            assert packed == part["Section"][cell]
            links = sorted((row for row in branches if row["rank"] is not None), key=lambda row: row["rank"])
            assert [row["parent_id"] for row in links] == part["Source Section"][cell]
            assert [row["section_id"] for row in links] == part["Destination Section"][cell]
            checked += 1
    return checked


EDGES = {"Synapses/syn_id": "synapse_id", "Connections/distance": "distance"}


def check_edges(lake: Any, path: Path) -> dict[tuple[str, str], int]:
    """Compare every edge of a file with the lake; how many there were."""
    read = read_network(path)["edges"]
    for (source, target), told in read.items():
        name = f"edges/net/{source}__{target}"
        found = rows(lake, name)
        targets = [row["target_node_id"] for row in found]
        assert targets == sorted(targets)
        by_number = {row["edge_id"]: row for row in found}
        assert len(by_number) == len(told) == len(found)
        for edge in told:
            row = by_number[edge["edge"]]
            assert (row["source_node_id"], row["target_node_id"]) == (edge["source"], edge["target"])
            assert {key: row[EDGES.get(key, key.replace("/", "."))] for key in edge if "/" in key} == {
                key: value for key, value in edge.items() if "/" in key
            }
        back = [
            (row["source_node_id"], row["target_node_id"], row["edge_id"])
            for row in rows(lake, f"{name}.by_source")
        ]
        assert back == sorted((edge["source"], edge["target"], edge["edge"]) for edge in told)
    return {pair: len(told) for pair, told in read.items()}
