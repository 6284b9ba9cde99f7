import itertools
import json
from pathlib import Path

import pytest

from clinfonce.results import Results, Store, attribute_importance
from clinfonce.results import open as open_results
from tests.results.store.test_store import rows

WORTH = {"good": 0.1, "bad": -0.05, "idle": 0.0}


def store_of(path: Path, sets: list[tuple[str, ...]]) -> Results:
    """Trials whose accuracy is a sum over attributes, for each of two seeds."""
    store = Store.create(path)
    for i, (chosen, seed) in enumerate(itertools.product(sets, (0, 1))):
        accuracy = 0.5 + sum(WORTH[name] for name in chosen) + 0.001 * seed
        trial, _, clustering = rows(f"t{i}", source="attributes", attributes=list(chosen))
        trial |= {"number": i, "seed": seed, "test_linear_top1_5": accuracy}
        store.write_trial(trial, [], clustering)
    return open_results(store)


def test_pairs_tell_what_each_attribute_is_worth(tmp_path: Path) -> None:
    names = tuple(WORTH)
    sets = [s for k in (1, 2, 3) for s in itertools.combinations(names, k)]
    found = attribute_importance(store_of(tmp_path, sets))
    assert [i.attribute for i in found] == ["good", "idle", "bad"]
    for importance in found:
        assert importance.n_pairs == 3, "the empty set is no clustering"
        assert importance.paired.estimate == pytest.approx(WORTH[importance.attribute])
        assert (importance.n_with, importance.n_without) == (4, 3)


def test_the_difference_is_fooled_by_company_and_pairs_are_not(tmp_path: Path) -> None:
    sets = [("good",), ("good", "idle"), ("bad",)]
    found = {i.attribute: i for i in attribute_importance(store_of(tmp_path, sets))}
    assert found["idle"].paired.estimate == pytest.approx(0)
    assert found["idle"].difference.estimate == pytest.approx(0.1 - (0.1 - 0.05) / 2)
    assert found["idle"].difference.low is None, "too few clusterings for an interval"


def test_an_attribute_in_every_clustering_cannot_be_judged(tmp_path: Path) -> None:
    found = {
        i.attribute: i
        for i in attribute_importance(store_of(tmp_path, [("good",), ("good", "bad")]))
    }
    assert found["good"].difference.estimate is None
    assert found["good"].n_pairs == 0
    assert found["bad"].n_pairs == 1


def test_other_sources_do_not_count(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.write_trial(*rows(source="kmeans", attributes=None))
    assert attribute_importance(open_results(store)) == ()


def test_clusterings_of_one_column_count_as_that_attribute_alone(tmp_path: Path) -> None:
    results = store_of(tmp_path, [("good", "bad"), ("good", "idle"), ("bad",), ("idle",)])
    before = {i.attribute: i.n_with for i in attribute_importance(results)}
    trial, _, clustering = rows("c", source="column", attributes=None)
    spec = json.dumps({"clustering": {"source": "column", "column": "good"}})
    results.store.write_trial(trial | {"spec": spec, "test_linear_top1_5": 0.6}, [], clustering)
    after = {i.attribute: i for i in attribute_importance(open_results(results.store))}
    assert after["good"].n_with == before["good"] + 1
    assert after["bad"].n_pairs == 1
