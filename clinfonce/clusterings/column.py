"""One column of a table as it stands: a contributor, a camera, a cluster id made elsewhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.clusterings.base import Clustering, build
from clinfonce.errors import InputError


def from_column(values: NDArray[Any] | Sequence[int | str], *, name: str) -> Clustering:
    """One cluster a distinct value.

    Args:
        values: (n,) integers, booleans or strings.
        name: of the column.

    Raises:
        InputError: floats (bin them first), an empty column, or one of tuples.
    """
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "biuU":
        raise InputError(
            f"column {name!r} must hold integers, booleans or strings, got {array.dtype}; "
            "bin numeric values first"
        )
    provenance = {"source": "column", "column": name}
    return build(array, name=f"column({name})", provenance=provenance)
