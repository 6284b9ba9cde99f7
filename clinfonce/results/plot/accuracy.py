"""Accuracy against one number: of a clustering its granularity or cost, of a trial temperature."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from clinfonce.results.analysis.averages import DEFAULT_METRIC, ClusteringRow, rows_of
from clinfonce.results.analysis.curves import Dot, dots_of
from clinfonce.results.analysis.trends import families, medians
from clinfonce.results.plot.canvas import (
    DARK,
    canvas,
    log_axis,
    marker,
    nothing,
    percent_axis,
    source_legend,
)
from clinfonce.results.plot.given import look
from clinfonce.results.plot.marks import mark_of
from clinfonce.results.sql.query import Results


def granularity(
    results: Results | Sequence[ClusteringRow],
    *,
    metric: str = DEFAULT_METRIC,
    sweep: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw accuracy against the number of clusters; lines join granularities of one source.

    Of an open store, or of rows of `relate`; the rest as of `information_plane`.
    """
    rows = look(results, rows_of, metric, sweep)
    with canvas(ax) as ax:
        known = [r for r in rows if r.n_clusters and r.knows("accuracy")]
        for source, family in families(known).items():
            points = [(r.n_clusters or 1, r.accuracy or 0.0) for r in family]
            ax.plot(
                *zip(*points, strict=True), color=mark_of(source).colour, alpha=0.6, linewidth=1.5
            )
        return _draw(ax, known, lambda r: r.n_clusters, "number of clusters", base=2)


def cost(
    results: Results | Sequence[ClusteringRow],
    *,
    metric: str = DEFAULT_METRIC,
    sweep: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw accuracy against the mean duration of a trial.

    Of an open store, or of rows of `relate`; the rest as of `information_plane`.
    """
    rows = look(results, rows_of, metric, sweep)
    with canvas(ax) as ax:
        known = [r for r in rows if r.seconds and r.knows("accuracy")]
        return _draw(ax, known, lambda r: r.seconds, "seconds per trial")


def temperature(
    results: Results | Sequence[Dot],
    *,
    metric: str = DEFAULT_METRIC,
    sweep: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw accuracy by temperature, a dot a trial; the line joins medians of equal parts.

    Of an open store, or of dots of trials; the rest as of `information_plane`.
    """
    dots = look(results, dots_of, metric, sweep)
    with canvas(ax) as ax:
        if not dots:
            return nothing(ax, "No trials at several temperatures yet")
        points = [(d.temperature, d.accuracy) for d in dots]
        colours = [mark_of(d.source).colour for d in dots]
        xs, ys = zip(*points, strict=True)
        ax.scatter(xs, ys, s=25, c=colours, alpha=0.55, linewidths=0)
        ax.plot(*zip(*medians(points), strict=True), color=DARK, linewidth=1.5, linestyle="--")
        log_axis(ax, [d.temperature for d in dots])
        ax.set_xlabel("temperature")
        return _accuracy_axis(ax, [d.source for d in dots])


def _draw(
    ax: Axes,
    rows: Sequence[ClusteringRow],
    value: Callable[[ClusteringRow], float | None],
    title: str,
    base: int | None = None,
) -> Axes:
    """A mark a clustering on a logarithmic axis, with one standard deviation each way."""
    if not rows:
        return nothing(ax, f"No clustering with a known accuracy and {title} yet")
    for row in reversed(rows):  # the best on top
        mark = mark_of(row.source)
        ax.errorbar(
            value(row) or 1.0, row.accuracy or 0.0, row.spread or None, ecolor=mark.colour,
            linestyle="", **marker(mark), markerfacecolor=mark.colour, markeredgecolor=DARK,
            markeredgewidth=0.8,
        )  # fmt: skip
    log_axis(ax, [value(r) or 1.0 for r in rows])
    if base is not None:
        ax.set_xscale("log", base=base)
        ax.xaxis.set_major_locator(LogLocator(base))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}".replace(",", " ")))
        ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(title)
    return _accuracy_axis(ax, [r.source for r in rows])


def _accuracy_axis(ax: Axes, sources: Sequence[str | None]) -> Axes:
    ax.set_ylabel("accuracy")
    percent_axis(ax.yaxis)
    source_legend(ax, sources)
    return ax
