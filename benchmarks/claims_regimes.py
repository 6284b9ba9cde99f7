"""Regimes in which few seeds have run, without a verdict; and which number tells a gain."""

import csv
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from claims_rows import BEGUN, METRICS, Methods, Trials, read_rows
from claims_statistics import line


def regimes(_: Methods) -> Iterator[str]:
    """A row for each method: means over its seeds, or the better of its grid with seed 0."""
    yield f"| data | method | seeds | {' | '.join(METRICS.values())} |"
    yield "|---|---|---:|" + "---:|" * len(METRICS)
    for data, words in BEGUN.items():
        rows = read_rows(data)
        for name in dict.fromkeys(row["name"] for row in rows):
            own = [row for row in rows if row["name"] == name]
            trials: Trials = [row for row in own if row["role"] == "fixed"]
            seeds = str(len(trials))
            if not trials:
                trials = [max(own, key=lambda row: row["val_linear_top1_5"])]
                seeds = "grid"
            means = [
                f"{100 * fmean(t[f'test_{metric}'] for t in trials):.1f}" for metric in METRICS
            ]
            yield line([words, name, seeds, *means])


THEORY = Path("benchmarks/results/theory.csv")


def numbers(_: Methods) -> Iterator[str]:
    """A row for each number, of what benchmarks/theory.py found: errors by regime, and ρ."""
    with THEORY.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    regimes = list(dict.fromkeys(row["regime"] for row in rows))
    counts = {row["regime"]: row["clusterings"] for row in rows}
    heads = [f"{regime} ({counts[regime]})" for regime in regimes]
    yield f"| number | {' | '.join(heads)} | ρ, {regimes[0]} |"
    yield "|---|" + "---:|" * (len(regimes) + 1)
    for number in dict.fromkeys(row["number"] for row in rows):
        own = {row["regime"]: row for row in rows if row["number"] == number}
        rho = own[regimes[0]]["rho"].replace("nan", "–")
        cells = [f"{float(own[regime]['error']):.1f}" for regime in regimes]
        yield line([number.replace("|", "\\|"), *cells, rho])
