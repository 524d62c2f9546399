"""xarray's own tests of Zarr on lakes: as a transaction reads what it wrote, and as its commit is read."""

import contextlib
from collections.abc import Iterator
from typing import Any

import lake_stores
import pytest
import xarray as xr
import zarr.storage._common
from lake_stores import LakeStore
from xarray.tests import test_backends as backends
from xarray.tests import test_backends_datatree as datatrees
from xarray.tests.conftest import *
from xarray.tests.test_backends import default_zarr_format  # noqa: F401
from xarray.tests.test_backends_datatree import unaligned_datatree_zarr_factory  # noqa: F401

from neurolake.lake.data.zarrstore import ZarrStore


class _InLake:
    @contextlib.contextmanager
    def create_zarr_target(self) -> Iterator[ZarrStore]:
        yield LakeStore()


class TestTransaction(_InLake, backends.TestZarrDictStore):
    """Written and read through the store of one transaction."""


class TestCommit(_InLake, backends.TestZarrDictStore):
    """Committed before it is read."""

    @contextlib.contextmanager
    def open(self, path: ZarrStore, **options: Any) -> Iterator[xr.Dataset]:
        # Some tests write to paths of their own.
        store = lake_stores.committed(path) if isinstance(path, ZarrStore) else path
        with super().open(store, **options) as dataset:
            yield dataset


class TestWithoutConsolidation(backends.TestZarrNoConsolidatedMetadataSupport):
    """Behind a wrapper that does without consolidated metadata."""


class TestRegionAuto(_InLake, backends.TestZarrRegionAuto):
    """Regions that are found by coordinates."""

    @pytest.fixture
    def tmp_store(self) -> ZarrStore:
        return LakeStore()


class TestInstrumented(backends.TestInstrumentedZarrStore):
    """How often a store is asked."""


class TestDataArrays(backends.TestDataArrayToZarr):
    """Arrays that belong to no dataset."""

    @pytest.fixture
    def tmp_store(self) -> ZarrStore:
        return LakeStore()


class TestDatatrees(datatrees.TestZarrDatatreeIO):
    """Trees of groups, in paths that lead to lakes."""

    @pytest.fixture(autouse=True)
    def paths_to_lakes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(zarr.storage._common, "LocalStore", LakeStore)


test_roundtrip_stringdtype_zarr_v3 = backends.test_roundtrip_stringdtype_zarr_v3
test_stringdtype_with_na_object_uses_the_compatibility_path = (
    backends.test_stringdtype_with_na_object_uses_the_compatibility_path
)
