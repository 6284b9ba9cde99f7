"""The figures of the report, each a pure function of rows to SVG text.

The text has classes and no colours of its own but the marks', so that the page can show it light or
dark. `standalone` makes a figure a picture of its own.
"""

from clinfonce.results.report.figures.accuracy import cost, granularity, scatter
from clinfonce.results.report.figures.common import NARROW, WIDE, say, standalone
from clinfonce.results.report.figures.curves import Curve, learning_curves
from clinfonce.results.report.figures.intervals import (
    correlations,
    estimates,
    importances,
    search_shares,
)
from clinfonce.results.report.figures.pdf import pdf
from clinfonce.results.report.figures.plane import information_plane
from clinfonce.results.report.figures.temperature import Dot, temperatures

__all__ = [
    "NARROW",
    "WIDE",
    "Curve",
    "Dot",
    "correlations",
    "cost",
    "estimates",
    "granularity",
    "importances",
    "information_plane",
    "learning_curves",
    "pdf",
    "say",
    "scatter",
    "search_shares",
    "standalone",
    "temperatures",
]
