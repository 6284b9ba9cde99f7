"""Kernel of embeddings that the user brings, of captions for instance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.similarity.columns import (
    BoolArray,
    Codes,
    Column,
    Missing,
    as_numbers,
    build,
    check_mask,
    check_missing,
    check_positive,
    decay,
)


@dataclass(frozen=True)
class Cosine:
    """exp((cos − 1) / h); codes are of length 1, floating (n, d).

    Attributes:
        bandwidth: h.
    """

    bandwidth: float
    exact: bool = False

    def weights(self, rows: Codes, columns: Codes) -> Tensor:
        """Weights (a, b)."""
        (a,), (b,) = rows, columns
        below = torch.addmm(a.new_tensor(-1.0), a, b.T)
        return decay(below.mul_(1 / self.bandwidth).clamp_(max=0))


def cosine(
    embeddings: NDArray[Any] | None,
    *,
    bandwidth: float = 0.1,
    unknown: BoolArray | None = None,
    missing: Missing = "apart",
    name: str = "column",
) -> Column:
    """Embeddings of texts or of anything: exp((cos − 1) / h).

    Normalised over the images of a batch these weights are the targets of X-CLR with a temperature
    of h (arXiv 2407.18134).

    Args:
        embeddings: (n, d) numbers; rows need not be of length 1.
        bandwidth: h, above 0.
        unknown: bool (n,), images without one.
        missing: what that means, see `Column`.
        name: of the column, for errors.

    Raises:
        InputError: without embeddings, on rows that are not finite or are 0, or a bad bandwidth.
    """
    if embeddings is None:
        raise InputError(
            f"{name}: a text has no kernel of its own: bring embeddings (n, d) of it, "
            "or make it a category or tags"
        )
    check_missing(missing, name)
    check_positive(bandwidth, "bandwidth", name)
    mask = check_mask(unknown, len(embeddings), name)
    rows = as_numbers(embeddings, mask, name, width="d")
    lengths = np.linalg.norm(rows, axis=1)
    if (bad := np.flatnonzero((lengths == 0) & ~mask)).size:
        raise InputError(f"{name}: row {bad[0]} is 0: an embedding must have a direction")
    codes = rows / np.where(mask, 1.0, lengths)[:, None]
    return build(Cosine(float(bandwidth)), (torch.from_numpy(codes),), mask, missing)
