"""Learning curves: validation accuracy along training."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from clinfonce.results.analysis.averages import DEFAULT_METRIC
from clinfonce.results.analysis.curves import Curve, curves_of
from clinfonce.results.plot.canvas import PALE, canvas, nothing, percent_axis
from clinfonce.results.plot.given import look
from clinfonce.results.plot.labels import apart, shortened
from clinfonce.results.plot.marks import mark_of
from clinfonce.results.sql.query import Results

_LONGEST_NAME = 26
_GAP = 0.045  # between two names, of the height of the axes


def learning_curves(
    results: Results | Sequence[Curve],
    *,
    metric: str = DEFAULT_METRIC,
    sweep: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw validation kNN accuracy by epoch; the clusterings that matter are coloured and named.

    Of an open store, or of curves; the rest as of `information_plane`.
    """
    found = look(results, curves_of, metric, sweep)
    with canvas(ax) as ax:
        drawn = [c for c in found if c.epochs]
        if not drawn:
            return nothing(ax, "No validation accuracy was measured during training")
        for curve in sorted(drawn, key=lambda c: c.marked):
            colour = mark_of(curve.source).colour if curve.marked else PALE
            ax.plot(curve.epochs, curve.values, color=colour, linewidth=2 if curve.marked else 1)
        _names(ax, [c for c in drawn if c.marked])
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        percent_axis(ax.yaxis)
        ax.set_xlabel("epoch")
        ax.set_ylabel("kNN accuracy, validation")
    return ax


def _names(ax: Axes, curves: Sequence[Curve]) -> None:
    """Names right of the axes, apart where they would overlap, each with a line to its curve."""
    low, high = ax.get_ylim()
    ordered = sorted(curves, key=lambda c: -c.values[-1])
    wanted = [1 - (c.values[-1] - low) / (high - low) for c in ordered]
    for curve, down in zip(ordered, apart(wanted, gap=_GAP, lowest=1.0), strict=True):
        colour = mark_of(curve.source).colour
        ax.annotate(
            shortened(curve.name, _LONGEST_NAME), (curve.epochs[-1], curve.values[-1]),
            xytext=(1.04, 1 - down), textcoords="axes fraction", va="center", fontsize="small",
            parse_math=False,
            arrowprops={"arrowstyle": "-", "color": colour, "alpha": 0.6, "relpos": (0, 0.5)},
        )  # fmt: skip
