"""All figures of a store as files."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from clinfonce.files import write_atomically
from clinfonce.results.analysis.averages import DEFAULT_METRIC, rows_of
from clinfonce.results.sql.query import Results

if TYPE_CHECKING:  # matplotlib is loaded by who draws
    from matplotlib.axes import Axes

KINDS = ("svg", "pdf")


class _Chosen(TypedDict):
    metric: str
    sweep: str | None


def figure_files(
    results: Results,
    folder: str | os.PathLike[str],
    *,
    metric: str = DEFAULT_METRIC,
    sweep: str | None = None,
) -> list[Path]:
    """Write each figure as an SVG and as a PDF file with a light background.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    from clinfonce.results.plot.canvas import picture

    written = []
    for name, ax in _figures(results, metric, sweep):
        for kind in KINDS:
            path = Path(folder) / f"{name}.{kind}"
            write_atomically(path, picture(ax, kind))
            written.append(path)
    return written


def _figures(results: Results, metric: str, sweep: str | None) -> Iterator[tuple[str, "Axes"]]:
    from clinfonce.results.plot import accuracy, curves, intervals
    from clinfonce.results.plot.plane import information_plane

    chosen: _Chosen = {"metric": metric, "sweep": sweep}
    rows = rows_of(results, **chosen)
    yield "information-plane", information_plane(rows)
    yield "information-plane-above-chance", information_plane(rows, above_chance=True)
    yield "granularity", accuracy.granularity(rows)
    yield "cost", accuracy.cost(rows)
    yield "temperature", accuracy.temperature(results, **chosen)
    yield "learning-curves", curves.learning_curves(results, **chosen)
    yield "correlations", intervals.correlations(results, **chosen)
    yield "attributes", intervals.attributes(results, **chosen)
    yield "attributes-in-search", intervals.attributes_in_search(results, **chosen)
