"""The table at the end of a sweep, on made-up stores."""

from dataclasses import replace
from pathlib import Path

from clinfonce.results import Results, Store
from clinfonce.results import open as open_results
from clinfonce.results.analysis.summary import summary
from clinfonce.results.store.measures import parse_metric
from clinfonce.results.store.scores import score_row
from tests.results.store.test_store import rows


def store_of(path: Path, *names: str, role: str = "fixed") -> Results:
    """Two trials, of two seeds each: of each measure 0.2 and 0.4 on average, 0.1 less on val."""
    store = Store.create(path)
    for number, (trial_name, value) in enumerate((("a", 0.2), ("b", 0.4))):
        for seed in (0, 1):
            trial, epochs, clustering = rows(
                f"{trial_name}{seed}", name=trial_name, number=2 * number + seed, seed=seed,
                role=role, target="kind", sweep="s",
            )  # fmt: skip
            scores = [
                score_row(replace(parse_metric(name), split=split), value=value + seed / 10 - less)
                for name in names
                for split, less in (("test", 0.05), ("val", 0.15))
            ]
            store.write_trial(trial, epochs, clustering, scores)
    return open_results(store)


FEW, ALL = "kind:test_linear_top1_5", "kind:test_linear_top1_all"
WORST = "kind:test_linear_top1_worst_all_by_who 'took' \"it\""


def test_accuracies_that_there_are_best_first(tmp_path: Path) -> None:
    results = store_of(tmp_path, FEW, ALL)
    for metric in (None, "val_knn", "mean_rank", "val_linear_top1_all"):
        best, other = summary(results, "s", metric).to_pylist()
        assert (best["trial"], other["trial"], best["seeds"]) == ("b", "a", 2)
        assert best["5 labels"] == best["all labels"] == "40.0 ± 7.1"
        assert list(best) == ["trial", "seeds", "K", "I(Z;T)", "H(Z|T)", "5 labels", "all labels"]


def test_what_was_selected_by_stands_first_on_the_test_split(tmp_path: Path) -> None:
    results = store_of(tmp_path, FEW, WORST, "tags:test_linear_map_all")
    for name in (WORST, "tags:test_linear_map_all"):
        metric = parse_metric(name).on_validation.name
        table = summary(results, "s", metric)
        assert table.column_names[5:] == [name, "5 labels"]
        assert table[name].to_pylist() == ["40.0 ± 7.1", "20.0 ± 7.1"]


def test_without_labels_there_are_no_empty_accuracies(tmp_path: Path) -> None:
    results = store_of(tmp_path, "test_features_held_out", "test_features_rankme")
    table = summary(results, "s", "val_features_held_out")
    assert table.column_names[5:] == ["test_features_held_out"]
    table = summary(results, "s", "val_features_rankme")
    assert table["test_features_rankme"].to_pylist() == ["0.4 ± 0.1", "0.2 ± 0.1"], "no share"


def test_what_only_selects_is_left_out(tmp_path: Path) -> None:
    assert summary(store_of(tmp_path, FEW, role="search"), "s", "val_knn").num_rows == 0
