"""Parameters by path: any one of a tree is found and set, and no other changes."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolake import InputError
from neurolake.ingest.text.paths import TreeValues, has, paths, with_values

names = st.text("ab.c", min_size=1, max_size=3).filter(
    lambda name: not name.startswith(".") and name[-1] != "."
)
trees = st.recursive(
    st.integers(),
    lambda inner: st.dictionaries(names, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=12,
)


@given(st.dictionaries(names, trees, min_size=1, max_size=3), st.data())
def test_one_parameter_is_set_and_nothing_else(tree: dict[str, Any], data: st.DataObject) -> None:
    known = paths(tree)
    path = data.draw(st.sampled_from(known))
    before = copy.deepcopy(tree)
    changed = with_values(tree, {path: "new"})
    assert tree == before and has(changed, path)

    def leaves(value: Any, at: str = "") -> dict[str, Any]:
        items = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        found = {at: value} if not isinstance(value, dict | list) else {}
        for key, inner in items:
            found |= leaves(inner, f"{at}\0{key}")
        return found

    new = {at: value for at, value in leaves(changed).items() if value == "new"}
    assert len(new) == 1 and next(iter(new)).replace("\0", ".")[1:] == path
    (place,) = new
    rest = {
        at: value for at, value in leaves(tree).items() if at != place and not at.startswith(f"{place}\0")
    }
    assert {at: value for at, value in leaves(changed).items() if at != place} == rest


def test_all_that_are_not_there_are_named_with_the_nearest() -> None:
    tree = {"neuron": {"Soma": {"properties": {"Ra": 100.0}}}, "sites": [1, 2]}
    with pytest.raises(InputError) as error:
        with_values(tree, {"neuron.Soma.properties.RA": 1, "sites.2": 1, "neuron.Soma.properties.Ra": 2})
    assert str(error.value) == (
        "there is no parameter 'neuron.Soma.properties.RA' to change; did you mean 'neuron.Soma.properties.Ra'?; "
        "there is no parameter 'sites.2' to change; did you mean 'sites.1'?"
    )
    with_values(tree, {"sites.1": 5})


def test_a_path_says_its_tree_where_several_have_it() -> None:
    trees = {"cell": {"info": {"date": 1}, "sim": 2}, "network": {"info": {"date": 3}, "network": {"VPM": 4}}}

    def changed(values: dict[str, Any]) -> dict[str, Any]:
        chosen = TreeValues(values)
        made = {name: chosen.changed(name, tree) for name, tree in trees.items()}
        chosen.finish()
        return made

    made = changed({"sim": 5, "network.VPM": 6, "cell.info.date": 7})
    assert made == {
        "cell": {"info": {"date": 7}, "sim": 5},
        "network": {"info": {"date": 3}, "network": {"VPM": 6}},
    }
    with pytest.raises(
        InputError, match=r"'info\.date' is in several trees: write cell\.info\.date or network"
    ):
        changed({"info.date": 8})
    assert changed({"network.network.VPM": 9})["network"]["network"]["VPM"] == 9
    with pytest.raises(InputError, match=r"no parameter 'network.VPN' to change; did you mean 'network.VPM'"):
        changed({"network.VPN": 1})
