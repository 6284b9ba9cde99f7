"""Whether training from scratch for longer helps: accuracy over optimiser steps."""

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from claims_rows import METRICS, STEPS, Methods, Trials, read_rows
from claims_statistics import line, say, t_interval, values

from clinfonce.results.plot.canvas import ACCENT, DARK, MUTED, canvas

_COLOURS = MUTED, ACCENT, DARK
_LINES = dict(zip(METRICS, ("-", "--"), strict=True))

Curve = dict[int, Trials]  # steps → the trials of all seeds


def curves() -> dict[str, Curve]:
    """Of each method; trials are named METHOD, STEPS steps."""
    found: dict[str, Curve] = {}
    for row in read_rows(STEPS):
        method, _, words = row["name"].partition(", ")
        steps = int(words.removesuffix(" steps").replace(",", ""))
        found.setdefault(method, {}).setdefault(steps, []).append(row)
    return {method: dict(sorted(curve.items())) for method, curve in found.items()}


def accuracy(trials: Trials, metric: str) -> float:
    """On the test split, the mean over seeds."""
    return fmean(row[f"test_{metric}"] for row in trials)


def table(_: dict[str, Methods]) -> Iterator[str]:
    """A row for each length."""
    found = curves()
    heads = [f"{method}, {words}" for words in METRICS.values() for method in found]
    yield f"| steps | seeds | {' | '.join(heads)} |"
    yield "|---:|---:|" + "---:|" * len(heads)
    for steps in sorted(set().union(*found.values())):
        of_methods = [curve.get(steps, []) for curve in found.values()]
        seeds = str(max(map(len, of_methods)))
        cells = [
            say(t_interval(values(trials, f"test_{metric}"))) if trials else "–"
            for metric in METRICS
            for trials in of_methods
        ]
        yield line([f"{steps:,}", seeds, *cells])


def figure() -> Any:
    """A line for each method, solid with few labels, dashed with all."""
    found = curves()
    with canvas(None) as ax:
        for (method, curve), colour in zip(found.items(), _COLOURS, strict=True):
            for metric, words in METRICS.items():
                ax.plot(
                    list(curve), [100 * accuracy(trials, metric) for trials in curve.values()],
                    _LINES[metric], marker="o", color=colour, label=f"{method}, {words}",
                )  # fmt: skip
        lengths = sorted(set().union(*found.values()))
        ax.set_xscale("log")
        ax.set_xticks(lengths, [f"{steps:,}" for steps in lengths])
        ax.minorticks_off()
        ax.set_xlabel("optimiser steps, each length with a schedule of its own")
        ax.set_ylabel("test accuracy in %, linear probe")
        ax.legend(fontsize=10, loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=3)
    return ax
