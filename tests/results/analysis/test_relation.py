import json
import math
from pathlib import Path
from typing import Any

import pytest

from clinfonce.errors import InputError
from clinfonce.results import Results, Store
from clinfonce.results import open as open_results
from clinfonce.results.analysis.relation import Relation, relate
from tests.results.example_store import write_example
from tests.results.store.test_store import rows


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return open_results(write_example(tmp_path_factory.mktemp("example"), seeds=3, kmeans=6))


@pytest.fixture(scope="module")
def relation(results: Results) -> Relation:
    return relate(results)


def _store(path: Path, *accuracies: float | None, **changes: Any) -> Results:
    """One trial a clustering, with the accuracies given."""
    store = Store.create(path)
    trial, _, clustering = rows()
    for i, accuracy in enumerate(accuracies):
        row = {"trial_id": f"t{i}", "number": i, "clustering_id": f"c{i}", "clustering": f"c{i}"}
        row |= {"test_linear_top1_5": accuracy, "source": "kmeans", "data": "d"}
        information = {"clustering_id": f"c{i}", "i_zt": float(i), "h_z_given_t": 1.0}
        store.write_trial(trial | row | changes, [], clustering | information)
    return open_results(store)


def test_rows_are_the_clusterings_best_first(relation: Relation) -> None:
    accuracies = [row.accuracy for row in relation.rows]
    assert accuracies == sorted(accuracies, reverse=True)
    assert relation.rows[0].source == "labels"
    assert {row.n_trials for row in relation.rows} == {3}
    assert {row.n_seeds for row in relation.rows} == {3}
    assert relation.rows[0].i_zt == pytest.approx(math.log2(10))
    assert all(row.spread is not None and row.spread < 0.05 for row in relation.rows)


def test_stopped_and_failed_trials_are_counted_apart(relation: Relation) -> None:
    assert (relation.n_stopped, relation.n_failed) == (1, 1)
    assert relation.n_complete == 3 * len(relation.rows)
    assert sum(row.n_failed for row in relation.rows) == 1


def test_correlations_find_what_the_example_was_made_of(relation: Relation) -> None:
    by_name = {c.quantity: c for c in relation.correlations}
    excess = by_name["i_zt_excess"].rho
    assert excess.estimate is not None
    assert excess.low is not None
    assert excess.estimate > 0.9
    assert excess.low > 0.6
    assert by_name["i_zt_excess"].n == len(relation.rows)
    assert excess.estimate > (by_name["n_clusters"].rho.estimate or 0) + 0.3


def test_prediction_beats_its_controls(relation: Relation) -> None:
    errors = {p.known: p.error for p in relation.predictions}
    ours = errors["I(Z;T) above chance and H(Z|T)"]
    assert ours is not None
    assert ours < 0.02
    assert all(e is not None and e > 1.5 * ours for k, e in errors.items() if "I(Z;T)" not in k)
    assert len({p.n for p in relation.predictions}) == 1, "all on the same clusterings"


def test_nuisance_costs_accuracy(relation: Relation) -> None:
    effect = {e.quantity: e for e in relation.effects}["h_z_given_t"]
    assert effect.coefficient.high is not None
    assert effect.coefficient.high < 0
    assert effect.partial_r2 is not None


def test_the_answer_is_chosen_by_validation(tmp_path: Path) -> None:
    store = write_example(tmp_path, seeds=1)
    trial = next(r for r in store.finished().values() if r["clustering"] == "k-means 64")
    lucky = {**trial, "test_linear_top1_5": 0.99}
    store.write_trial(lucky, [], None)
    found = relate(open_results(store))
    assert found.rows[0].name == "k-means 64"
    assert "k-means 64" not in found.answer


def test_the_answer_is_chosen_among_those_with_several_seeds(tmp_path: Path) -> None:
    store = write_example(tmp_path, seeds=2)
    rows = [r for r in store.finished().values() if r["clustering"] == "k-means 64"]
    lucky, *others = rows
    store.remove([r["trial_id"] for r in others])
    store.write_trial({**lucky, "val_linear_top1_5": 0.99, "test_linear_top1_5": 0.99}, [], None)
    found = relate(open_results(store))
    assert found.rows[0].name == "k-means 64"
    assert "k-means 64" not in found.answer


def test_trials_that_only_chose_settings_count_nowhere(tmp_path: Path) -> None:
    store = write_example(tmp_path, seeds=2)
    results = open_results(store)
    counts = "select clustering, trials, seeds from by_clustering order by all"
    before = relate(results).rows, results.sql(counts).to_pylist()
    trial = next(r for r in store.finished().values() if r["clustering"] == "k-means 64")
    choosing = {"trial_id": "choosing", "role": "choose", "seed": 7, "val_linear_top1_5": 0.99}
    store.write_trial({**trial, **choosing}, [], None)
    results = open_results(store)
    assert (relate(results).rows, results.sql(counts).to_pylist()) == before
    assert results.sql("select trial_id from best").to_pylist() != [{"trial_id": "choosing"}]


def test_a_searched_trial_is_no_replicate_of_those_that_confirm_it(tmp_path: Path) -> None:
    store = write_example(tmp_path, seeds=2)
    results = open_results(store)
    counts = "select clustering, trials, test_linear_top1_5 from by_clustering order by all"
    before = relate(results).rows, results.sql(counts).to_pylist()
    trial = next(r for r in store.finished().values() if r["clustering"] == "k-means 64")
    picked = {"trial_id": "picked", "role": "search", "seed": 0, "test_linear_top1_5": 0.99}
    store.write_trial({**trial, **picked}, [], None)
    results = open_results(store)
    assert (relate(results).rows, results.sql(counts).to_pylist()) == before
    for row in results.store.finished().values():
        if row["clustering"] == "k-means 64" and row["role"] != "search":
            store.remove([row["trial_id"]])
    (row,) = (r for r in relate(open_results(store)).rows if r.name == "k-means 64")
    assert (row.n_trials, row.accuracy) == (1, 0.99)  # it is all there is


def test_the_answer_names_both_ends(relation: Relation) -> None:
    assert "InfoNCE" in relation.answer
    assert "points above InfoNCE" in relation.answer
    assert "of the way to SupCon" in relation.answer
    assert "test accuracy, linear probe, 5 labels per class" in relation.answer


def test_plain_data_for_json(relation: Relation) -> None:
    text = json.dumps(relation.to_json(), allow_nan=False)
    assert json.loads(text)["rows"][0]["source"] == "labels"


def test_too_few_clusterings_are_said_to_be(tmp_path: Path) -> None:
    found = relate(_store(tmp_path, 0.1, 0.2, 0.3, 0.4))
    assert found.correlations == ()
    assert found.effects == ()
    assert any("4 clusterings" in note and "too few" in note for note in found.notes)


def test_a_constant_quantity_has_no_correlation(tmp_path: Path) -> None:
    found = relate(_store(tmp_path, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    by_name = {c.quantity: c.rho.estimate for c in found.correlations}
    assert by_name["i_zt"] == pytest.approx(1)
    assert by_name["h_z_given_t"] is None
    assert by_name["ami"] is None


def test_not_a_number_is_no_accuracy(tmp_path: Path) -> None:
    found = relate(_store(tmp_path, math.nan, 0.2, None))
    assert [row.accuracy for row in found.rows] == [0.2, None, None]
    json.dumps(found.to_json(), allow_nan=False)


def test_nothing_yet(tmp_path: Path) -> None:
    found = relate(open_results(Store.create(tmp_path)))
    assert found.rows == ()
    assert "No complete trial" in found.answer


def test_all_failed(tmp_path: Path) -> None:
    found = relate(_store(tmp_path, None, None, status="failed", clustering_id=None))
    assert found.n_failed == 2
    assert found.rows == ()
    assert "No complete trial" in found.answer


def test_differing_settings_are_said(tmp_path: Path) -> None:
    results = _store(tmp_path, 0.1, 0.2)
    trial = results.store.finished()["t0"]
    results.store.write_trial({**trial, "trial_id": "u", "temperature": 0.7}, [], None)
    assert any("temperature" in note for note in relate(open_results(results.store)).notes)


def test_unknown_metric_and_sweep(results: Results) -> None:
    with pytest.raises(InputError, match=r"'accuracy' is unknown; allowed: val_linear_top1_1"):
        relate(results, metric="accuracy")
    with pytest.raises(InputError, match=r"no trials of sweep 'o''x'|no trials of sweep \"o'x\""):
        relate(results, sweep="o'x")


def test_several_data_sets_are_not_mixed(tmp_path: Path) -> None:
    results = _store(tmp_path, 0.1)
    trial = results.store.finished()["t0"]
    other = {**trial, "trial_id": "u", "data": "e", "sweep": "s2"}
    results.store.write_trial(other, [], None)
    results = open_results(results.store)
    with pytest.raises(InputError, match=r"several data sets.*d: s; e: s2"):
        relate(results)
    assert relate(results, sweep="s2").data == "e"


def test_what_is_made_of_the_labels_is_not_the_best_auxiliary(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    for i, (source, accuracy) in enumerate(
        [("instances", 0.5), ("synthetic", 0.9), ("attributes", 0.6), ("labels", 0.8)]
    ):
        row = {"source": source, "clustering_id": f"c{i}", "test_linear_top1_5": accuracy}
        trial, epochs, clustering = rows(f"t{i}", number=i, val_linear_top1_5=accuracy, **row)
        store.write_trial(trial, epochs, clustering | {"clustering_id": f"c{i}"})
    assert relate(open_results(store)).chosen == "c2"


def test_seeds_that_cluster_their_own_features_are_replicates(tmp_path: Path) -> None:
    """Each has a clustering of its own, but the specification is one."""
    spec = json.dumps({"clustering": {"source": "kmeans", "features": "encoder", "n_clusters": 9}})
    found = _store(tmp_path, 0.6, 0.8, spec=spec, clustering="own features")
    (row,) = relate(found).rows
    assert (row.n_trials, row.accuracy, row.i_zt) == (2, pytest.approx(0.7), 0.5)
    (line,) = found.sql("select trials, i_zt, test_linear_top1_5 from by_clustering").to_pylist()
    assert line == {"trials": 2, "i_zt": 0.5, "test_linear_top1_5": pytest.approx(0.7)}


def test_clusterings_of_given_features_are_points(tmp_path: Path) -> None:
    spec = json.dumps({"clustering": {"source": "kmeans", "features": "pixels", "n_clusters": 9}})
    assert len(relate(_store(tmp_path, 0.6, 0.8, spec=spec)).rows) == 2


def test_the_end_points_are_left_out_where_it_says_so(tmp_path: Path) -> None:
    """Between them accuracy falls with the bits; they alone make it rise."""
    store = Store.create(tmp_path)
    inside = [("kmeans", 1.0 + i, 0.5 - i / 100) for i in range(5)]
    for i, (source, bits, accuracy) in enumerate(
        [("instances", 0.0, 0.1), *inside, ("labels", 9.0, 0.9)]
    ):
        changes = {"source": source, "clustering_id": f"c{i}", "test_linear_top1_5": accuracy}
        trial, epochs, clustering = rows(f"t{i}", number=i, **changes)
        store.write_trial(trial, epochs, clustering | {"clustering_id": f"c{i}", "i_zt": bits})
    by_name = {c.quantity: c for c in relate(open_results(store)).correlations}
    assert by_name["i_zt"].rho_inside == pytest.approx(-1)
    assert by_name["i_zt"].rho.estimate is not None
    assert by_name["i_zt"].rho.estimate > 0
    assert by_name["i_zt"].n == 7
