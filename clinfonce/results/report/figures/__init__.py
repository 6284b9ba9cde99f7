"""The figures of the report, each a pure function of rows to SVG text.

The text has classes and no colours of its own but the marks', so that the page can show it light or
dark.
"""

from clinfonce.results.report.figures.accuracy import cost, granularity, scatter
from clinfonce.results.report.figures.common import NARROW, WIDE
from clinfonce.results.report.figures.curves import learning_curves
from clinfonce.results.report.figures.factors import factors
from clinfonce.results.report.figures.intervals import (
    column_roles,
    correlations,
    importances,
    search_shares,
)
from clinfonce.results.report.figures.plane import information_plane
from clinfonce.results.report.figures.temperature import temperatures

__all__ = [
    "NARROW",
    "WIDE",
    "column_roles",
    "correlations",
    "cost",
    "factors",
    "granularity",
    "importances",
    "information_plane",
    "learning_curves",
    "scatter",
    "search_shares",
    "temperatures",
]
