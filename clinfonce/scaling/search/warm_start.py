"""The first points of a search, taken from advice: clusterings that a few labels speak for."""

from collections.abc import Mapping
from typing import Any

from clinfonce.advice import advise
from clinfonce.config import (
    Choices,
    Clusterings,
    ClusteringSpec,
    Dimension,
    Range,
    Roles,
    Subset,
    SweepSpec,
)
from clinfonce.data import ImageTable

_SHARE = 4  # one in so many configurations comes from advice

Point = dict[str, Any]


def advised_points(sweep: SweepSpec, table: ImageTable) -> list[Point]:
    """The best advised clusterings that the space of a search holds; none unless it asks for them.

    The fields of a point that are not of the clustering are left out: the searcher draws them.
    """
    search = sweep.search
    if search is None or search.seed_with != "advice":
        return []
    regime = "scratch" if sweep.trial.regime == "frozen" else sweep.trial.regime
    largest = min(
        (d.largest for d in search.space.values() if isinstance(d, Clusterings)), default=6
    )
    advice = advise(table, regime=regime, largest=largest, probing=False)
    found = (point_of(sweep, c.clustering) for c in advice.candidates)
    return [point for point in found if point is not None][: max(1, search.n_trials // _SHARE)]


def point_of(sweep: SweepSpec, clustering: Mapping[str, Any]) -> Point | None:
    """The point of the search at which it tries a clustering; None where it never does."""
    assert sweep.search is not None
    wanted = _settled(clustering)
    whole = sweep.search.space.get("clustering")
    if isinstance(whole, Clusterings):
        return {"clustering": dict(clustering)}  # the searcher takes those that its parts make
    if isinstance(whole, Choices):
        same = (choice for choice in whole.choices if _settled(choice) == wanted)
        choice = next(same, None)
        return None if choice is None else {"clustering": choice}
    point = {}
    for path, dimension in sweep.search.space.items():
        scope, _, name = path.partition(".")
        if scope == "clustering" and name in clustering:
            if not _holds(dimension, clustering[name]):
                return None
            point[path] = clustering[name]
    values = {path.partition(".")[2]: value for path, value in point.items()}
    given = sweep.search.trial.get("clustering") or sweep.trial.clustering.model_dump(
        exclude_unset=True
    )
    return point if _settled({**given, **values}) == wanted else None


def _settled(clustering: Mapping[str, Any]) -> dict[str, Any]:
    """A clustering's fields, in which the order of attributes does not matter."""
    values = dict(clustering)
    if values.get("attributes"):
        values["attributes"] = sorted(values["attributes"])
    try:
        return ClusteringSpec.model_validate(values).model_dump()
    except ValueError:
        return values  # it lacks what a dimension would give


def _holds(dimension: Dimension, value: Any) -> bool:
    match dimension:
        case Choices(choices=choices):
            return value in choices
        case Range(low=low, high=high):
            return bool(low <= value <= high)
        case Subset(subset=elements):
            return elements == "all" or set(value) <= set(elements)
        case Clusterings():
            return False  # it is of the whole clustering
        case Roles():  # of a similarity, not of a clustering
            return False
