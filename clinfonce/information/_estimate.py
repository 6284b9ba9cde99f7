"""The information of a clustering where only some images are labelled, with its error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError
from clinfonce.information._measure import Ids, Information, as_ids, measure


@dataclass(frozen=True)
class Estimate:
    """What the labelled images say of a clustering.

    Attributes:
        information: measured on the labelled images.
        i_zt_error: standard error of `information.i_zt`, in bits.
        i_zt_excess_error: standard error of `information.i_zt_excess`, in bits.
        ami_error: standard error of `information.ami`.
        n_labelled: labelled images.
        n_images: all images.
    """

    information: Information
    i_zt_error: float
    i_zt_excess_error: float
    ami_error: float
    n_labelled: int
    n_images: int


def estimate(
    clusters: Ids,
    labels: Ids,
    *,
    known: NDArray[np.bool_] | None = None,
    n_draws: int = 50,
    seed: int = 0,
) -> Estimate:
    """Measure a clustering on the labelled images, with standard errors.

    The errors are of the labelled images as a sample of many more: the spread over random halves
    of them, drawn without replacement (the delete-half jackknife, Shao & Wu 1989; half a sample
    drawn so varies as much as a whole one does). A bootstrap would not do: its repeated images
    count as agreement, which raises I(Z;T) by itself.

    The excess grows with the number of labelled images as long as clusters are fine beside it, so
    compare clusterings on the same images, and read a small excess as "not shown", not as "not
    there".

    Args:
        clusters: (n,) integers >= 0.
        labels: (n,) integers; >= 0 where known.
        known: (n,) bool, which labels are known; None where all are.
        n_draws: halves drawn.
        seed: of the draws.

    Raises:
        InputError: as `measure`, a mask that does not fit, fewer than four known labels, or
            fewer than two draws.
    """
    n = len(clusters)
    if len(labels) != n:
        raise InputError(f"clusters and labels differ in length: {n} and {len(labels)}")
    rows = np.arange(n) if known is None else _known_rows(known, n)
    z, t = as_ids(clusters, "clusters")[rows], as_ids(_array(labels)[rows], "known labels")
    if len(rows) < 4 or n_draws < 2:
        raise InputError(
            f"an error needs at least 4 known labels and 2 draws, got {len(rows)} and {n_draws}"
        )
    rng = np.random.default_rng(seed)
    halves = (rng.permutation(len(rows))[: len(rows) // 2] for _ in range(n_draws))
    drawn = [measure(z[half], t[half]) for half in halves]
    return Estimate(
        information=measure(z, t),
        i_zt_error=float(np.std([d.i_zt for d in drawn], ddof=1)),
        i_zt_excess_error=float(np.std([d.i_zt_excess for d in drawn], ddof=1)),
        ami_error=float(np.std([d.ami for d in drawn], ddof=1)),
        n_labelled=len(rows),
        n_images=n,
    )


def _known_rows(known: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
    if known.shape != (n,) or known.dtype != np.bool_:
        raise InputError(f"known must be ({n},) bool, got {known.shape} {known.dtype}")
    return np.flatnonzero(known)


def _array(values: Ids) -> NDArray[np.int64]:
    """Values (n,) of which unknown ones may be negative."""
    if hasattr(values, "detach"):  # a tensor, without importing torch
        values = values.detach().cpu().numpy()
    return np.asarray(values)
