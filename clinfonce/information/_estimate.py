"""The information of a clustering where only some images are labelled, with its error."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError
from clinfonce.information._measure import Ids, Information, as_ids, measure

Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """What the labelled images say of a clustering.

    Attributes:
        information: measured on the labelled images.
        i_zt_error: standard error of `information.i_zt`, in bits.
        i_zt_excess_error: standard error of `information.i_zt_excess`, in bits.
        ami_error: standard error of `information.ami`.
        i_zt_interval: 95 % interval of `information.i_zt`: lower and upper end, in bits.
        i_zt_excess_interval: 95 % interval of `information.i_zt_excess`, in bits.
        ami_interval: 95 % interval of `information.ami`.
        n_labelled: labelled images.
        n_images: all images.
    """

    information: Information
    i_zt_error: float
    i_zt_excess_error: float
    ami_error: float
    i_zt_interval: Interval
    i_zt_excess_interval: Interval
    ami_interval: Interval
    n_labelled: int
    n_images: int


def estimate(
    clusters: Ids,
    labels: Ids,
    *,
    known: NDArray[np.bool_] | None = None,
    n_draws: int = 100,
    seed: int = 0,
) -> Estimate:
    """Measure a clustering on the labelled images, with standard errors and 95 % intervals.

    Both are of the labelled images as a sample of many more, and by the bootstrap without
    replacement (Politis, Romano & Wolf 1999): random halves are drawn, whose measures scatter as
    much as those of whole samples would (the delete-half jackknife, Shao & Wu 1989). The interval
    is the measure less the quantiles of how far the halves lie from their mean. The bootstrap with
    replacement would not do: its repeated images count as agreement, which raises I(Z;T) by itself.

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
    rows = np.arange(n) if known is None else known_rows(known, n)
    z, t = as_ids(clusters, "clusters")[rows], as_ids(_array(labels)[rows], "known labels")
    if len(rows) < 4 or n_draws < 2:
        raise InputError(
            f"an error needs at least 4 known labels and 2 draws, got {len(rows)} and {n_draws}"
        )
    rng = np.random.default_rng(seed)
    halves = (rng.permutation(len(rows))[: len(rows) // 2] for _ in range(n_draws))
    drawn = [measure(z[half], t[half]) for half in halves]
    found = measure(z, t)
    i_zt = _spread(found.i_zt, [d.i_zt for d in drawn])
    excess = _spread(found.i_zt_excess, [d.i_zt_excess for d in drawn])
    ami = _spread(found.ami, [d.ami for d in drawn])
    return Estimate(
        information=found,
        i_zt_error=i_zt[0],
        i_zt_excess_error=excess[0],
        ami_error=ami[0],
        i_zt_interval=i_zt[1],
        i_zt_excess_interval=excess[1],
        ami_interval=ami[1],
        n_labelled=len(rows),
        n_images=n,
    )


def _spread(value: float, drawn: Sequence[float]) -> tuple[float, Interval]:
    """Standard error and 95 % interval of a value, from those of halves."""
    away = np.asarray(drawn) - np.mean(drawn)
    high, low = np.quantile(away, [0.025, 0.975])
    return float(np.std(drawn, ddof=1)), (float(value - low), float(value - high))


def known_rows(known: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
    """Rows whose label is known; raise InputError on a mask that does not fit."""
    if known.shape != (n,) or known.dtype != np.bool_:
        raise InputError(f"known must be ({n},) bool, got {known.shape} {known.dtype}")
    return np.flatnonzero(known)


def _array(values: Ids) -> NDArray[np.int64]:
    """Values (n,) of which unknown ones may be negative."""
    if hasattr(values, "detach"):  # a tensor, without importing torch
        values = values.detach().cpu().numpy()
    return np.asarray(values)
