"""zarr-python's own state machines, on the store of a transaction."""

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from zarr.testing.stateful import ZarrHierarchyStateMachine, ZarrStoreStateMachine

from neurolake.lake import Lake
from neurolake.lake.data.zarrstore import ZarrStore

SETTINGS = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # A failure is told as it was found: making it small takes minutes.
    phases=(Phase.explicit, Phase.generate),
)


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("machine", [ZarrStoreStateMachine, ZarrHierarchyStateMachine])
def test_state_machine(machine: type, tmp_path: Path) -> None:
    numbers = itertools.count()

    def store() -> ZarrStore:
        return Lake.create(tmp_path / str(next(numbers)), durable=False).transaction("state machine").store

    run_state_machine_as_test(lambda: machine(store()), settings=SETTINGS)
