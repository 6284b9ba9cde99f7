"""Statistics over seeds that docs/claims.md is made of, and how they are written."""

import itertools
from typing import Any

import numpy as np
from claims_rows import Methods, Trials
from scipy.stats import t as student

from clinfonce.results.analysis.statistics import Interval

INFONCE, SUPCON, KMEANS, PCL = "InfoNCE", "SupCon", "k-means Cl-InfoNCE", "PCL"
PCL_AVERAGED = "PCL, momentum encoder"
# Before the name of the trial with the same clusters, or of those of the same columns.
CLASSIFIED, PREDICTED = "cross-entropy, ", "predicted, "
MOST_FOR_ALL = 6  # seeds


def values(trials: Trials, column: str) -> Any:
    return np.array([trial[column] for trial in trials], dtype=float)


def t_interval(sample: Any) -> Interval:
    mean, n = float(sample.mean()), len(sample)
    half = float(student.ppf(0.975, n - 1) * sample.std(ddof=1) / n**0.5)
    return Interval(mean, mean - half, mean + half)


def closed(methods: Methods, name: str, metric: str) -> Interval | None:
    """The part of the gap from InfoNCE to SupCon that a method closes; None without a gap."""
    low, own, high = (values(methods[m], f"test_{metric}") for m in (INFONCE, name, SUPCON))
    if (t_interval(high - low).low or 0) <= 0:
        return None
    picks = resamples(len(low))
    with np.errstate(divide="ignore"):  # a resample without a gap
        resampled = (own - low)[picks].mean(1) / (high - low)[picks].mean(1)
    edges = np.percentile(resampled, (2.5, 97.5))
    share = float((own - low).mean() / (high - low).mean())
    return Interval(share, float(edges[0]), float(edges[1]))


def resamples(n: int) -> Any:
    """Draws (r, n) of n seeds with repetition: all there are, of more than six 20,000."""
    if n <= MOST_FOR_ALL:
        return np.array(list(itertools.product(range(n), repeat=n)))
    return np.random.default_rng(0).integers(0, n, (20_000, n))


def p_value(sample: Any) -> float:
    """Two-sided, of Student's t against a mean of 0."""
    n, deviation = len(sample), sample.std(ddof=1)
    if deviation == 0:
        return float(sample.mean() == 0)
    return float(2 * student.sf(abs(sample.mean()) / deviation * n**0.5, n - 1))


def holm(p_values: list[float]) -> list[float]:
    """Corrected for their number (Holm 1979)."""
    corrected, reached = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values).tolist()):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = reached
    return corrected


def difference(one: Trials, other: Trials, metric: str) -> Interval:
    column = f"test_{metric}"
    return t_interval(values(one, column) - values(other, column))


def auxiliary(methods: Methods) -> list[str]:
    """Names of the Cl-InfoNCE trials whose clusters are of auxiliary information."""
    return [
        name
        for name, trials in methods.items()
        if trials[0]["source"] in ("attributes", "column")
        and trials[0]["objective"] == "cl_infonce"
    ]


def pcl(methods: Methods) -> str:
    """PCL with its momentum encoder where that ran."""
    return PCL_AVERAGED if PCL_AVERAGED in methods else PCL


def predicted(methods: Methods) -> str:
    """The clustering whose columns were predicted, too; empty without any."""
    return next((name for name in methods if PREDICTED + name in methods), "")


def chosen(methods: Methods) -> str:
    """The auxiliary clustering of best validation accuracy."""
    return max(auxiliary(methods), key=lambda n: values(methods[n], "val_linear_top1_5").mean())


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def say(found: Interval, *, unit: float = 100, signed: bool = False, edges: bool = False) -> str:
    assert found.estimate is not None
    digits = 1 if unit == 100 else 2
    mean = f"{unit * found.estimate:{'+' if signed else ''}.{digits}f}"
    if found.low is None or found.high is None:
        return mean.replace("-", "−")
    low, high = (f"{unit * edge:.{digits}f}" for edge in (found.low, found.high))
    half = f"{unit * (found.high - found.estimate):.{digits}f}"
    return (f"{mean} [{low}, {high}]" if edges else f"{mean} ± {half}").replace("-", "−")


def say_share(share: Interval | str | None) -> str:
    if isinstance(share, str):
        return share
    if share is None:
        return "no gap"
    low, high = (f"{100 * (edge or 0):.0f}" for edge in (share.low, share.high))
    return f"{100 * (share.estimate or 0):.0f} % [{low}, {high}]".replace("-", "−")


def say_p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
