"""The first points of a search, from advice: clusterings and roles that few labels speak for."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clinfonce.advice import Telling, advise
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
    """The best of what is advised that the space of a search holds; none unless it asks for it.

    Other fields of a point than those of the clustering and roles are left to the searcher.
    """
    search = sweep.search
    if search is None or search.seed_with != "advice":
        return []
    regime = "scratch" if sweep.trial.regime == "frozen" else sweep.trial.regime
    largest = min(
        (d.largest for d in search.space.values() if isinstance(d, Clusterings)), default=6
    )
    advice = advise(table, regime=regime, largest=largest, probing=False)
    most = max(1, search.n_trials // _SHARE)
    for path, dimension in search.space.items():
        if isinstance(dimension, Roles):
            roles = _roles(dimension, advice.columns)
            return [{path: each} for each in itertools.islice(roles, most)]
    found = (point_of(sweep, c.clustering) for c in advice.candidates)
    return [point for point in found if point is not None][:most]


def _roles(dimension: Roles, columns: Sequence[Telling]) -> Iterator[dict[str, str]]:
    """Roles in which the columns that say something of the label attract, then half of those, ….

    The others are ignored, or worked against, as the search may.
    """
    known = {each.column: each for each in columns}
    names = list(known) if dimension.columns == "all" else list(dimension.columns)
    ranked = [name for name in known if name in names and known[name].tells]
    others = [role for role in ("ignore", "suppress") if role in dimension.choices]
    if "attract" not in dimension.choices:
        return
    count = len(ranked)
    while count:
        attracting = ranked[:count]
        for other in others if count < len(names) else others[:1]:
            yield {name: "attract" if name in attracting else other for name in names}
        count //= 2


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
