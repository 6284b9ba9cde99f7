"""Estimates with their intervals, one a line: correlations, and what attributes are worth."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from clinfonce.results.analysis.averages import DEFAULT_METRIC
from clinfonce.results.analysis.importance import (
    MOST_SHOWN,
    Importance,
    attribute_importance,
    ends_of,
)
from clinfonce.results.analysis.ped_anova import Share, ped_anova
from clinfonce.results.analysis.relation import QUANTITIES, Correlation, correlations_of
from clinfonce.results.analysis.statistics import Interval
from clinfonce.results.plot.canvas import ACCENT, DARK, MUTED, canvas, nothing, plain
from clinfonce.results.plot.given import look
from clinfonce.results.plot.labels import shortened
from clinfonce.results.sql.query import Results

_LINE = 0.33  # inches
_LONGEST_NAME = 40


def correlations(
    results: Results | Sequence[Correlation],
    *,
    metric: str = DEFAULT_METRIC,
    sweep: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw rank correlations with accuracy; hollow without the end points, instances and labels.

    Of an open store, or of correlations of `relate`; the rest as `information_plane` has it.
    """
    found = look(results, correlations_of, metric, sweep)
    if not found:
        return _nothing(ax, "Too few clusterings for a correlation")
    lines = [(QUANTITIES[c.quantity], c.rho) for c in found]
    ax = estimates(lines, "Spearman’s ρ with accuracy", unit=1, ax=ax)
    inside = [(c.rho_inside, y) for y, c in enumerate(found) if c.rho_inside is not None]
    if inside:
        ax.plot(*zip(*inside, strict=True), "o", mfc="white", mec=DARK, mew=1.5, ms=7, zorder=4)
    ax.set_xlim(-1.05, 1.05)
    return ax


def attributes(
    results: Results | Sequence[Importance],
    *,
    metric: str = DEFAULT_METRIC,
    sweep: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what attributes add to accuracy: the most helpful and the most harmful ones.

    Of an open store, or of what `attribute_importance` found; the rest as of
    `information_plane`.
    """
    found = look(results, attribute_importance, metric, sweep)
    if not found:
        return _nothing(ax, "No clusterings by attributes")
    lines = [(i.attribute, i.best) for i in ends_of(found)]
    return estimates(lines, "points of accuracy, with less without", ax=ax)


def attributes_in_search(
    results: Results | Sequence[Share],
    *,
    metric: str = DEFAULT_METRIC,
    sweep: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how much each attribute decides whether a searched trial is among the best.

    Of an open store, or of what `ped_anova` found; the rest as `information_plane` has it.
    """
    found = look(results, ped_anova, metric, sweep)
    if not found:
        return _nothing(ax, "Too few searched trials")
    lines = [(s.name, s.share) for s in found[:MOST_SHOWN]]
    ax = estimates(lines, "share of importance, %", ax=ax)
    ax.set_xlim(-0.02, 1.02)
    return ax


def estimates(
    found: Sequence[tuple[str, Interval]],
    title: str,
    *,
    unit: float = 100,
    ax: Axes | None = None,
) -> Axes:
    """Draw named estimates with their intervals, from the top down, on an axis that holds zero.

    Args:
        found: names and estimates.
        title: of the axis.
        unit: what a 1 is on the axis: 100 shows shares in percent.
        ax: where to draw; None: on a new figure.
    """
    with canvas(ax, height=0.9 + _LINE * len(found)) as ax:
        ax.axvline(0, color=MUTED, linewidth=1)
        for y, (_, interval) in enumerate(found):
            if interval.estimate is None:
                ax.text(0, y, "  undefined", va="center", color=MUTED)
                continue
            if interval.low is not None and interval.high is not None:
                ends = [interval.low, interval.high]
                ax.plot(ends, [y, y], color=ACCENT, alpha=0.45, lw=3.5, solid_capstyle="round")
            ax.plot(interval.estimate, y, "o", color=ACCENT, markersize=8)
        names = [shortened(name, _LONGEST_NAME) for name, _ in found]
        ax.set_yticks(range(len(found)), names, parse_math=False)
        ax.set_ylim(len(found) - 0.5, -0.5)
        ax.grid(visible=False, axis="y")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(unit * value)))
        ax.set_xlabel(title)
    return ax


def _nothing(ax: Axes | None, words: str) -> Axes:
    with canvas(ax, height=1.2) as ax:
        return nothing(ax, words)
