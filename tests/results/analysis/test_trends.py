from hypothesis import given
from hypothesis import strategies as st

from clinfonce.results.analysis.trends import families, frontier, medians
from tests.results.report.test_figures import row

points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=12)


@given(points)
def test_the_frontier_passes_through_what_nothing_beats(found: list[tuple[int, int]]) -> None:
    best = {p for p in found if not any(q != p and q[0] >= p[0] and q[1] <= p[1] for q in found)}
    corners = set(frontier(found))
    assert (best if len(best) > 1 else set()) <= corners
    assert all(any(c[0] == b[0] for b in best) for c in corners)


def test_granularities_of_a_source_are_a_family_from_coarse_to_fine() -> None:
    def of(source: str | None, *clusters: int) -> list[object]:
        return [row(source=source, granularity=k, n_clusters=k) for k in clusters]

    found = families([*of("kmeans", 9, 3, 5), *of("tags", 2), *of("synthetic", 2, 4), *of(None, 1)])  # type: ignore[list-item]
    assert {source: [r.n_clusters for r in each] for source, each in found.items()} == {
        "kmeans": [3, 5, 9]
    }


def test_medians_are_of_parts_of_equal_size() -> None:
    assert medians([(x, -x) for x in range(12)][::-1]) == [(3, -2), (9, -8)]
    assert medians([(5.0, 1.0)]) == [(5, 1)]
    assert len(medians([(x, x) for x in range(600)])) == 6
