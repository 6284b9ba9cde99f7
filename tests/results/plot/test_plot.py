"""Figures by matplotlib: what is drawn, on whose axes, and the files."""

import itertools
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import clinfonce
from clinfonce import plot
from clinfonce.errors import InputError
from clinfonce.results import Results, Store, figure_files
from clinfonce.results import open as open_results
from clinfonce.results.analysis.averages import ClusteringRow
from clinfonce.results.analysis.curves import Curve, Dot
from clinfonce.results.analysis.importance import Importance
from clinfonce.results.analysis.ped_anova import Share
from clinfonce.results.analysis.relation import Correlation
from clinfonce.results.analysis.statistics import Interval
from clinfonce.results.plot.canvas import picture
from tests.results.example_store import write_example
from tests.results.report.test_figures import ROWS, row

UNKNOWN = Interval(None, None, None)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return open_results(write_example(tmp_path_factory.mktemp("example"), epochs=3, kmeans=2))


def words(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_the_plane_puts_each_clustering_in_its_place_in_the_colour_of_its_accuracy() -> None:
    ax = plot.information_plane(ROWS)
    drawn: dict[tuple[float, float], float] = {}
    for marks in ax.collections:
        values = marks.get_array()
        for i, at in enumerate(marks.get_offsets()):  # type: ignore[arg-type, var-annotated]
            drawn[tuple(at)] = float("nan") if values is None else values[i]
    known = {(r.i_zt, r.h_z_given_t): r.accuracy for r in ROWS if r.i_zt is not None}
    assert drawn.keys() == known.keys(), "one lacks information"
    assert all(drawn[at] == value for at, value in known.items() if value is not None)
    assert sum(value != value for value in drawn.values()) == 1, "one is hollow"
    assert sorted(words(ax)) == ["H(T)", "InfoNCE", "SupCon", "best auxiliary"]
    legend = ax.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["attributes", "instances", "labels"]


def test_above_chance_takes_what_is_above_chance() -> None:
    ax = plot.information_plane([row(i_zt=1.0, i_zt_excess=0.25)], above_chance=True)
    assert ax.collections[0].get_offsets().tolist() == [[0.25, 1.0]]  # type: ignore[union-attr]
    assert "above chance" in ax.get_xlabel()


def test_accuracy_against_granularity_joins_a_family_and_spans_the_spread() -> None:
    family = [row(str(k), granularity=k, n_clusters=2**k, accuracy=0.4 + k / 20) for k in (3, 1, 2)]
    ax = plot.granularity([*family, row("single", n_clusters=5, spread=None)])
    joined = next(line for line in ax.lines if len(line.get_xdata()) == 3)  # type: ignore[arg-type]
    assert list(joined.get_xdata()) == [2, 4, 8]  # type: ignore[arg-type]
    assert ax.get_xscale() == "log"
    bars = [b.get_segments()[0] for b in ax.collections]  # type: ignore[attr-defined]
    assert sorted(round(float(b[1, 1] - b[0, 1]), 6) for b in bars) == [0.02] * 3
    ticks = [ax.xaxis.get_major_formatter()(v) for v in (2.0, 1024.0)]
    assert ticks == ["2", "1 024"]
    assert ax.yaxis.get_major_formatter()(0.425) == "42.5 %"


def test_cost_leaves_out_what_has_none() -> None:
    ax = plot.cost([row("a", seconds=3.0), row("b", seconds=None)])
    assert [list(line.get_xdata()) for line in ax.lines] == [[3.0]]  # type: ignore[arg-type]


def test_temperature_draws_a_dot_a_trial_and_their_medians() -> None:
    dots = [Dot(0.1 * 2 ** (i / 10), 0.5 + i / 100, "attributes") for i in range(36)]
    ax = plot.temperature(dots)
    assert len(ax.collections[0].get_offsets()) == 36  # type: ignore[arg-type]
    heights = list(ax.lines[0].get_ydata())  # type: ignore[arg-type]
    assert len(heights) == 6
    assert heights == sorted(heights)


def test_marked_curves_are_named_apart_and_the_others_grey() -> None:
    curves = [
        Curve(name, "kmeans", (1, 2, 3), (0.1, 0.2, 0.3 + d), True)
        for name, d in (("a", 0.0), ("b", 0.001), ("c", 0.002))
    ]
    ax = plot.learning_curves([*curves, Curve("grey", None, (1, 2), (0.1, 0.2), False)])
    assert words(ax) == ["c", "b", "a"]
    heights = [text.get_position()[1] for text in ax.texts]
    assert all(above - below > 0.04 for above, below in itertools.pairwise(heights))
    assert len({line.get_color() for line in ax.lines}) == 2


def test_estimates_lie_in_order_beside_zero_and_an_unknown_one_says_so() -> None:
    lines = [("worse", Interval(-0.2, -0.3, -0.1)), ("better", Interval(0.4, None, None))]
    ax = plot.estimates([*lines, ("no number", UNKNOWN)], "points")
    marks = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == "o"]  # type: ignore[index]
    assert marks == [[-0.2, 0], [0.4, 1]]
    assert ax.get_ylim() == (2.5, -0.5), "the first is on top"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["worse", "better", "no number"]
    assert "undefined" in words(ax)[0]
    assert ax.xaxis.get_major_formatter()(-0.2) == "−20"


FROM_A_STORE: list[Callable[..., Axes]] = [
    plot.attributes,
    plot.attributes_in_search,
    plot.correlations,
    plot.cost,
    plot.granularity,
    plot.information_plane,
    plot.learning_curves,
    plot.temperature,
]


@pytest.mark.parametrize("draw", FROM_A_STORE)
def test_every_figure_is_drawn_of_a_store_on_axes_of_the_user(
    results: Results, draw: Callable[..., Axes]
) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert draw(results, metric="test_knn_top1_all", sweep="example", ax=left) is left
    assert left.has_data() or words(left)
    assert not right.has_data()
    with pytest.raises(InputError, match="no trials of sweep"):
        draw(results, sweep="other")


@pytest.mark.parametrize("draw", FROM_A_STORE)
def test_a_figure_says_why_it_is_empty(draw: Callable[..., Axes]) -> None:
    ax = draw([])
    assert len(words(ax)) == 1
    assert picture(ax, "svg").startswith(b"<?xml")


def test_the_style_is_of_new_figures_alone() -> None:
    before = dict(mpl.rcParams)
    own = Figure().subplots()
    plot.granularity(ROWS, ax=own)
    assert own.spines["top"].get_visible()
    new = plot.granularity(ROWS)
    assert not new.spines["top"].get_visible()
    picture(new, "pdf")
    assert dict(mpl.rcParams) == before


def test_drawing_needs_no_pyplot_and_importing_no_matplotlib() -> None:
    code = (
        "import sys, clinfonce.results; assert 'matplotlib' not in sys.modules; "
        "import clinfonce; clinfonce.plot.information_plane([]); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert clinfonce.plot is plot


def test_figures_are_written_as_svg_and_pdf(results: Results, tmp_path: Path) -> None:
    written = figure_files(results, tmp_path / "figures", sweep="example")
    names = {path.stem for path in written}
    assert {"information-plane", "granularity", "learning-curves", "correlations", "cost"} <= names
    assert {path.name for path in written} == {
        f"{name}.{kind}" for name in names for kind in ("svg", "pdf")
    }
    plane = (tmp_path / "figures/information-plane.svg").read_bytes()
    assert "best auxiliary" in "".join(ET.fromstring(plane).itertext()), "text stays text"
    assert all(p.read_bytes().startswith(b"%PDF") for p in written if p.suffix == ".pdf")


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_the_same_figure_is_the_same_file(kind: str) -> None:
    assert picture(plot.cost(ROWS), kind) == picture(plot.cost(ROWS), kind)


NAMES = ["Ετικέτες", "实例", "猫の色", "색상", "Größe", "$x_1$ & \\frac <b>", "🐈"]


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_names_of_any_letters_are_drawn(kind: str) -> None:
    rows: list[ClusteringRow] = [row(name, source="labels") for name in NAMES]
    found: list[Any] = [Importance(name, 5, 5, UNKNOWN, 0, UNKNOWN) for name in NAMES]
    for ax in (
        plot.information_plane(rows),
        plot.attributes(found),
        plot.attributes_in_search([Share(name, UNKNOWN, 20) for name in NAMES]),
        plot.learning_curves([Curve(name, "tags", (1, 2), (0.1, 0.2), True) for name in NAMES]),
    ):
        file = picture(ax, kind)
        if kind == "svg":
            text = "".join(ET.fromstring(file).itertext())
            assert all(name in text for name in NAMES)


def test_correlations_are_hollow_without_the_end_points() -> None:
    ax = plot.correlations([Correlation("i_zt", 9, Interval(0.5, 0.2, 0.8), -0.25)])
    points = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]  # type: ignore[index]
    assert points == [0.5, -0.25]
    assert ax.xaxis.get_major_formatter()(0.5) == "0.5"


def test_an_empty_store_has_figures_too(tmp_path: Path) -> None:
    store = open_results(Store.create(tmp_path / "r"))
    assert figure_files(store, tmp_path / "figures")
