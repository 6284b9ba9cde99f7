"""Figures of results as matplotlib axes, to restyle, to combine and to save.

    from clinfonce import plot, results

    ax = plot.information_plane(results.open("results"))
    ax.set_title("Digits")
    ax.figure.savefig("plane.pdf")

Every function takes an open store, or the rows that it draws, and an `ax` to draw on; without one
it draws on a new figure. `clinfonce report --figures FOLDER` writes them all.
"""

from clinfonce.results.plot.accuracy import cost, granularity, temperature
from clinfonce.results.plot.curves import learning_curves
from clinfonce.results.plot.intervals import (
    attributes,
    attributes_in_search,
    correlations,
    estimates,
)
from clinfonce.results.plot.plane import information_plane

__all__ = [
    "attributes",
    "attributes_in_search",
    "correlations",
    "cost",
    "estimates",
    "granularity",
    "information_plane",
    "learning_curves",
    "temperature",
]
