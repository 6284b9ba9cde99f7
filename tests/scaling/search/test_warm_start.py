"""The first points of a search, from advice."""

from dataclasses import replace

import numpy as np
import pytest

from clinfonce.advice import advise
from clinfonce.config import SweepSpec
from clinfonce.data import Column, load
from clinfonce.scaling.search.plan import Plan
from clinfonce.scaling.search.searcher import OptunaSearcher
from clinfonce.scaling.search.warm_start import advised_points, point_of

SUBSETS = {
    "clustering.attributes": {"subset": "all"},
    "objective.temperature": {"low": 0.1, "high": 1.0, "log": True},
}


def sweep(space, clustering=None, **search):
    changes = {"clustering": clustering} if clustering else {}
    values = {"trials": 8, "space": space, "trial": changes, **search}
    return SweepSpec.model_validate({"name": "demo", "data": {"name": "digits"}, "search": values})


@pytest.fixture(autouse=True)
def _few_clusters(monkeypatch):
    monkeypatch.setattr("clinfonce.trial.parts._KS", (10,))


def test_a_point_is_the_clustering_that_the_search_would_try():
    subsets = sweep(SUBSETS, {"source": "attributes"})
    loop = {"source": "attributes", "attributes": ["loop"]}
    assert point_of(subsets, loop) == {"clustering.attributes": ["loop"]}
    assert point_of(subsets, {"source": "kmeans", "n_clusters": 9}) is None
    assert point_of(subsets, {"source": "attributes", "top_k": 3}) is None
    some = sweep({"clustering.attributes": {"subset": ["even"]}}, {"source": "attributes"})
    assert point_of(some, loop) is None
    ks = sweep({"clustering.n_clusters": {"low": 2, "high": 20}}, {"source": "kmeans"})
    assert point_of(ks, {"source": "kmeans", "n_clusters": 9}) == {"clustering.n_clusters": 9}
    assert point_of(ks, {"source": "kmeans", "n_clusters": 40}) is None
    whole = sweep({"clustering": {"choices": [{"source": "instances"}, loop]}})
    assert point_of(whole, loop) == {"clustering": loop}


def test_no_label_is_looked_at_unless_asked_for():
    assert advised_points(sweep(SUBSETS, {"source": "attributes"}), table=None) == []


def test_a_search_begins_with_advice():
    specification = sweep(SUBSETS, {"source": "attributes"}, seed_with="advice")
    table = load("digits")
    points = advised_points(specification, table)
    assert len(points) == 2, "a quarter"
    best = [
        c.clustering["attributes"]
        for c in advise(table).candidates
        if c.clustering["source"] == "attributes"
    ]
    assert [p["clustering.attributes"] for p in points] == best[:2]
    searcher = OptunaSearcher(specification, tuple(table.columns), first=points)
    first = Plan(specification, "data", searcher).next()
    assert set(first.spec.clustering.attributes) == set(best[0])
    assert 0.1 <= first.spec.objective.temperature <= 1, "drawn"


def test_a_search_of_roles_begins_with_the_columns_that_say_something():
    names = ["loop", "even", "x"]
    rng = np.random.default_rng(0)
    digits = load("digits")
    noise = Column("x", "categorical", rng.integers(0, 3, len(digits)))
    table = replace(digits, columns={**digits.columns, "x": noise})
    space = {"roles": {"columns": names}}
    points = advised_points(sweep(space, trials=12, seed_with="advice"), table)
    told = [point["roles"] for point in points]
    assert told[:2] == [
        {"loop": "attract", "even": "attract", "x": "ignore"},
        {"loop": "attract", "even": "attract", "x": "suppress"},
    ]
    assert list(told[2].values()).count("attract") == 1
    searcher = OptunaSearcher(
        sweep(space, trials=12, seed_with="advice"), (), first=points, columns=tuple(names)
    )
    asked = [searcher.ask(number)["roles"] for number in range(4)]
    assert asked[0] == dict.fromkeys(names, "attract"), "as without advice"
    assert asked[1:3] == told[:2]
