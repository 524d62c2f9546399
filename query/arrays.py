"""An array of a snapshot that can be queried: the store's, with dask and xarray."""

from typing import TYPE_CHECKING, Any

from ..lake.data.arrays import Array as StoredArray

if TYPE_CHECKING:
    import xarray as xr


class Array(StoredArray):
    """A Zarr array of a snapshot."""

    def dask(self, chunks: Any = None) -> Any:
        """Return the array as a dask array; see `dasked.array`.

        Parameters
        ----------
        chunks
            Chunks of the dask array; by default runs of whole stored chunks of about 64 MiB.
        """
        # dask takes a while to import, and most questions do without it.
        from .views import dasked

        return dasked.array(self, chunks)

    def xarray(self, chunks: Any = None) -> "xr.DataArray":
        """Return the array with its coordinates, dimensions and units; see `labelled.data_array`.

        Parameters
        ----------
        chunks
            Chunks of the dask array; by default runs of whole stored chunks of about 64 MiB.
        """
        from .views import labelled

        return labelled.data_array(self, chunks)
