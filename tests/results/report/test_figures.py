import itertools
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.results.analysis.averages import ClusteringRow
from clinfonce.results.analysis.curves import Curve, Dot
from clinfonce.results.analysis.importance import Importance
from clinfonce.results.analysis.statistics import Interval
from clinfonce.results.report import figures
from clinfonce.results.report.figures import svg

SVG = "{http://www.w3.org/2000/svg}"


def row(name: str = "a", **changes: object) -> ClusteringRow:
    plain = ClusteringRow(
        clustering_id=name,
        name=name,
        source="attributes",
        granularity=None,
        objective="cl_infonce",
        n_trials=2,
        n_seeds=2,
        n_stopped=0,
        n_failed=0,
        n_images=100,
        n_clusters=4,
        h_t=3.0,
        h_z=2.0,
        i_zt=1.0,
        i_zt_chance=0.2,
        i_zt_excess=0.8,
        h_z_given_t=1.0,
        ami=0.5,
        accuracy=0.5,
        spread=0.01,
        validation=0.5,
        seconds=10.0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


ROWS = [
    row("a", i_zt=1.0, h_z_given_t=0.5, accuracy=0.6),
    row("b", i_zt=2.0, h_z_given_t=1.0, accuracy=0.7),
    row("InfoNCE", source="instances", i_zt=3.0, h_z_given_t=5.0, n_clusters=100, accuracy=0.4),
    row("SupCon", source="labels", i_zt=3.0, h_z_given_t=0.0, accuracy=0.9),
    row("unprobed", accuracy=None, spread=None),
    row("unlabelled", i_zt=None, h_z_given_t=None),
]


def marks(figure: str) -> dict[str, ET.Element]:
    found = ET.fromstring(figure).iter()
    return {e.attrib["data-row"]: e for e in found if "data-row" in e.attrib}


def position(mark: ET.Element) -> tuple[float, float]:
    if "cx" in mark.attrib:
        return float(mark.attrib["cx"]), float(mark.attrib["cy"])
    points = [p.split(",") for p in mark.attrib["points"].split()]
    return tuple(sum(float(p[i]) for p in points) / len(points) for i in (0, 1))  # type: ignore


def test_the_plane_puts_each_clustering_in_its_place() -> None:
    found = marks(figures.information_plane(ROWS))
    assert set(found) == {"0", "1", "2", "3", "4"}, "one lacks information"
    (xa, ya), (xb, yb), (xi, yi), (xs, ys) = (position(found[k]) for k in "0123")
    assert xi - xb == pytest.approx(xb - xa, abs=0.5)
    assert ya - yb == pytest.approx((ys - yb) / 2, abs=1)
    assert yi < yb < ya < ys, "more nuisance is higher up"
    assert xi == pytest.approx(xs, abs=0.5)


def test_colour_is_accuracy() -> None:
    found = marks(figures.information_plane(ROWS))
    assert found["3"].attrib["fill"] == svg.colour(1.0)
    assert found["2"].attrib["fill"] == svg.colour(0.0)
    assert found["0"].attrib["fill"] == svg.colour((0.6 - 0.4) / 0.5)
    assert "fill" not in found["4"].attrib
    assert "unknown" in found["4"].attrib["class"]


def test_above_chance_moves_marks_left() -> None:
    plain = marks(figures.information_plane([row("a"), ROWS[3]]))["0"]
    excess = marks(figures.information_plane([row("a"), ROWS[3]], above_chance=True))["0"]
    assert position(excess)[0] < position(plain)[0]


def test_end_points_and_the_chosen_one_are_named() -> None:
    words = re.findall(r'class="name"[^>]*>([^<]+)<', figures.information_plane(ROWS, chosen="b"))
    assert sorted(words) == ["InfoNCE", "SupCon", "best auxiliary"]


def test_granularity_draws_spread_and_joins_families() -> None:
    family = [row(str(k), granularity=k, n_clusters=2**k, accuracy=0.4 + k / 20) for k in (1, 2, 3)]
    figure = figures.granularity([*family, row("single", spread=None)])
    tree = ET.fromstring(figure)
    assert len(tree.findall(f"{SVG}line[@class='bar']")) == 3
    (joined,) = tree.findall(f"{SVG}polyline[@class='family']")
    assert len(joined.attrib["points"].split()) == 3
    x = [position(mark)[0] for mark in marks(figure).values()]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2), "the axis is logarithmic"


def test_scatter_leaves_out_what_has_no_cost() -> None:
    figure = figures.scatter(
        [row("a"), row("b", seconds=None)], lambda r: r.seconds, "seconds", "Cost"
    )
    assert set(marks(figure)) == {"0"}


def test_learning_curves_name_the_marked_ones_apart() -> None:
    curves = [
        Curve(name, "kmeans", (1, 2, 3), (0.1, 0.2, 0.3 + d), True)
        for name, d in (("a", 0.0), ("b", 0.001), ("c", 0.002))
    ] + [Curve("grey", None, (1, 2), (0.1, 0.2), False)]
    tree = ET.fromstring(figures.learning_curves(curves))
    assert len(tree.findall(f"{SVG}polyline")) == 4
    names = {e.text: float(e.attrib["y"]) for e in tree.findall(f"{SVG}text") if e.text in "abc"}
    heights = sorted(names.values())
    assert all(b - a >= 14.9 for a, b in itertools.pairwise(heights))
    assert "grey" not in "".join(tree.itertext())


@pytest.mark.parametrize("size", [figures.WIDE, figures.NARROW])
@pytest.mark.parametrize(
    "rows",
    [[], [row()], [row(accuracy=None)], [row(i_zt=0.0, h_z_given_t=0.0, h_t=0.0, n_clusters=1)]],
)
def test_figures_stand_with_next_to_nothing(
    rows: list[ClusteringRow], size: tuple[int, int]
) -> None:
    for figure in (
        figures.information_plane(rows, size=size),
        figures.information_plane(rows, size=size, above_chance=True),
        figures.granularity(rows, size=size),
        figures.scatter(rows, lambda r: r.seconds, "s", "Cost", size=size),
        figures.learning_curves([Curve("a", None, (3,), (0.5,), True)], size=size),
        figures.learning_curves([], size=size),
        figures.correlations([], size=size),
    ):
        ET.fromstring(figure)
        assert "nan" not in figure
        assert "inf" not in figure.replace("information", "")


def test_what_attributes_are_worth_lies_in_order_beside_zero_and_an_unknown_one_says_so() -> None:
    drawn = ET.fromstring(
        figures.importances(
            [
                importance("worse", Interval(-0.2, -0.3, -0.1)),
                importance("better", Interval(0.4, 0.3, 0.5)),
                importance("a name of <any> kind", Interval(None, None, None)),
            ]
        )
    )
    zero = next(e for e in drawn.iter(f"{SVG}line") if e.get("class") == "zero")
    worse, better = (float(e.get("cx", 0)) for e in drawn.iter(f"{SVG}circle"))
    assert worse < float(zero.get("x1", 0)) < better
    words = [e.text for e in drawn.iter(f"{SVG}text")]
    assert {"worse", "a name of <any> kind", "undefined"} <= set(words)
    assert str(drawn.get("aria-label")).endswith(": worse −20, better 40")


def importance(name: str, found: Interval) -> Importance:
    return Importance(name, 5, 5, found, 0, Interval(None, None, None))


def test_names_are_escaped() -> None:
    bad = row("<script>alert(1)</script>&\"'", source="labels")
    figure = figures.information_plane([bad])
    ET.fromstring(figure)
    assert "<script" not in figure


def test_ticks_are_round_and_inside() -> None:
    assert svg.ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert svg.ticks(0.413, 0.897, 4) == pytest.approx([0.5, 0.6, 0.7, 0.8]) or svg.ticks(
        0.413, 0.897, 4
    ) == pytest.approx([0.6, 0.8])
    assert [t for t, _ in svg.powers_of_two(0.5, 9.3, 5)] == [2, 4, 6, 8]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_wherever_the_range_lies(low: float, width: float) -> None:
    found = svg.ticks(low, low + width)
    assert 2 <= len(found) <= 11
    assert all(low - width * 1e-6 <= t <= low + width * (1 + 1e-6) for t in found)


def test_the_colour_scale_grows_lighter() -> None:
    def lightness(colour: str) -> float:
        red, green, blue = (((c / 255 + 0.055) / 1.055) ** 2.4 for c in bytes.fromhex(colour[1:]))
        return math.sqrt(0.2126 * red + 0.7152 * green + 0.0722 * blue)

    found = [lightness(svg.colour(i / 20)) for i in range(21)]
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert min(steps) > 0.01
    assert svg.colour(-3) == svg.colour(0)
    assert svg.colour(7) == svg.colour(1)


def test_temperature_draws_a_dot_a_trial_and_their_middles() -> None:
    dots = [Dot(0.1 * 2 ** (i / 10), 0.5 + i / 100, "attributes") for i in range(36)]
    root = ET.fromstring(figures.temperatures(dots))
    drawn = [e for e in root.iter(f"{SVG}circle") if e.get("class") == "dot"]
    assert len(drawn) == 36
    xs = [float(e.attrib["cx"]) for e in drawn]
    assert xs == sorted(xs)
    assert xs[10] - xs[0] == pytest.approx(xs[20] - xs[10], abs=0.3), "doubling is a step"
    (trend,) = [e for e in root.iter(f"{SVG}polyline") if e.get("class") == "trend"]
    heights = [float(p.split(",")[1]) for p in trend.attrib["points"].split()]
    assert len(heights) == 6
    assert heights == sorted(heights, reverse=True), "accuracy rises"
    many = [Dot(0.1 + i / 1e4, 0.5, None) for i in range(9000)]
    assert figures.temperatures(many).count("<circle") <= 1500
