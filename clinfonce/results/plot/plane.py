"""The information plane: what a clustering says of the label, and what besides."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from clinfonce.results.analysis.averages import DEFAULT_METRIC, ClusteringRow, rows_of
from clinfonce.results.analysis.relation import chosen_of
from clinfonce.results.analysis.trends import frontier
from clinfonce.results.plot.canvas import (
    ACCENT,
    DARK,
    MUTED,
    SHAPES,
    canvas,
    nothing,
    percent_axis,
    source_legend,
    whole,
)
from clinfonce.results.plot.given import look
from clinfonce.results.plot.labels import beside
from clinfonce.results.plot.marks import mark_of
from clinfonce.results.sql.query import Results

_LETTER = 7.0  # points that a letter of a name takes
_AREA = {"star": 2.4, "cross": 1.3, "triangle": 1.2, "pentagon": 1.3, "hexagon": 1.2}


def information_plane(
    results: Results | Sequence[ClusteringRow],
    *,
    metric: str = DEFAULT_METRIC,
    sweep: str | None = None,
    above_chance: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw where each clustering lies: what it says of the label, across, and besides, upward.

    Named are the end points, instances and labels, and the clustering between them that validation
    chooses. The line is the edge beyond which no clustering says more of the label with less
    besides.

    Args:
        results: an open store, or rows of `relate`; those without information are left out.
        metric: accuracy column of `trials`, of a store.
        sweep: name of one sweep of a store; None takes all.
        above_chance: take I(Z;T) above chance in place of the plug-in estimate.
        ax: where to draw; None: on a new figure.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    rows = look(results, rows_of, metric, sweep)
    key = "i_zt_excess" if above_chance else "i_zt"
    drawn = [r for r in rows if r.knows(key, "h_z_given_t")]
    new = ax is None
    with canvas(ax) as ax:
        if not drawn:
            return nothing(ax, "No clustering with known information yet")
        points = [(float(getattr(r, key)), r.h_z_given_t or 0.0) for r in drawn]
        _limits(ax, drawn, points)
        inside = [p for p, r in zip(points, drawn, strict=True) if not r.is_end_point]
        if steps := frontier(inside):
            ax.plot(*zip(*steps, strict=True), color=ACCENT, alpha=0.65, linewidth=1.5, zorder=2)
        _marks(ax, drawn, points)
        source_legend(ax, [r.source for r in drawn], coloured=False)
        ax.set_xlabel(
            "I(Z;T) above chance, bits"
            if above_chance
            else "I(Z;T), bits: what it says of the label"
        )
        ax.set_ylabel("H(Z|T), bits: what it says besides")
        if new:
            whole(ax).draw_without_rendering()  # which gives the axes their place
        _names(ax, drawn, points, chosen_of(rows))
    return ax


def _limits(ax: Axes, rows: Sequence[ClusteringRow], points: Sequence[tuple[float, float]]) -> None:
    """The range, and the line that no clustering can pass: all there is to say of the label."""
    xs, ys = zip(*points, strict=True)
    h_t = rows[0].h_t or max(xs)
    right, top = max(h_t, *xs) * 1.05 or 1.0, max(max(ys) * 1.08, 0.5)
    ax.set_xlim(min(0.0, *xs) - 0.02 * right, right)
    ax.set_ylim(-0.08 * top, top)
    ax.axvline(h_t, color=MUTED, linestyle=(0, (4, 4)), linewidth=1, zorder=1)
    ax.annotate(
        "H(T)", (h_t, 1), xycoords=ax.get_xaxis_transform(), xytext=(3, -2),
        textcoords="offset points", va="top", color=MUTED, fontsize="small",
    )  # fmt: skip


def _marks(ax: Axes, rows: Sequence[ClusteringRow], points: Sequence[tuple[float, float]]) -> None:
    """Marks coloured by accuracy, the better sources on top; hollow where it is not known."""
    known = [r.accuracy for r in rows if r.accuracy is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    norm = Normalize(low, high) if high > low else Normalize(low - 0.5, high + 0.5)
    size = 60 if len(rows) < 200 else 30 if len(rows) < 1500 else 12
    groups: dict[tuple[str | None, bool], list[int]] = {}
    for i in sorted(range(len(rows)), key=lambda i: rows[i].accuracy or 0.0):
        groups.setdefault((rows[i].source, rows[i].accuracy is None), []).append(i)
    for (source, unknown), group in groups.items():
        shape = mark_of(source).shape
        colours: dict[str, Any] = (
            {"facecolors": "none", "linestyles": (0, (2, 2))}
            if unknown
            else {"c": [rows[i].accuracy for i in group], "cmap": "viridis", "norm": norm}
        )
        xs, ys = zip(*[points[i] for i in group], strict=True)
        ax.scatter(
            xs, ys, s=size * _AREA.get(shape, 1.0), marker=SHAPES[shape], edgecolors=DARK,
            linewidths=0.8, zorder=3, **colours,
        )  # fmt: skip
    if known:
        scale = mpl.cm.ScalarMappable(norm, "viridis")
        bar = ax.figure.colorbar(scale, ax=ax, label="accuracy", aspect=30, pad=0.02)
        bar.outline.set_visible(False)
        percent_axis(bar.ax.yaxis)


def _names(
    ax: Axes,
    rows: Sequence[ClusteringRow],
    points: Sequence[tuple[float, float]],
    chosen: ClusteringRow | None,
) -> None:
    """Names beside the end points and the chosen clustering, where they cover least."""
    box, unit = ax.bbox, 72 / ax.figure.dpi
    taken = [((x * unit), (box.y1 - y) * unit) for x, y in ax.transData.transform(list(points))]
    spots = list(taken)
    for row, at in zip(rows, spots, strict=True):
        if not row.is_end_point and row is not chosen:
            continue
        name = row.name if row.is_end_point else "best auxiliary"  # its own is long
        left, baseline = beside(
            at,
            _LETTER * len(name),
            taken,
            x=(box.x0 * unit, box.x1 * unit),
            y=(0, box.height * unit),
        )
        letters = range(0, int(_LETTER * len(name)), int(_LETTER))
        taken += [(left + step, baseline - 4) for step in letters]
        ax.annotate(
            name, points[spots.index(at)], xytext=(left - at[0], at[1] - baseline),
            textcoords="offset points", weight="bold", parse_math=False, zorder=4,
            bbox={"facecolor": ax.get_facecolor(), "alpha": 0.6, "linewidth": 0, "pad": 1},
        )  # fmt: skip
