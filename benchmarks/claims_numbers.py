"""Which number tells the gain of a clustering."""

import csv
from collections.abc import Iterator
from pathlib import Path

from claims_rows import Methods
from claims_statistics import line

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
