import pytest

from clinfonce.errors import InputError
from clinfonce.results.store.measures import (
    ACCURACIES,
    SPREADS,
    accuracy_column,
    describe_metric,
    parse_metric,
)


def test_accuracy_columns() -> None:
    assert len(ACCURACIES) == 2 * 2 * 2 * 4
    assert {"test_linear_top1_5", "val_knn_top5_all"} <= set(ACCURACIES)
    assert "test_linear_top1_5_std" in SPREADS
    assert "test_linear_top1_all_std" not in SPREADS
    assert accuracy_column("val", "knn", 1, "10", std=True) == "val_knn_top1_10_std"


def test_a_measure_in_words() -> None:
    words = describe_metric("test_linear_top1_5")
    assert words == "test accuracy, linear probe, 5 labels per class"
    assert describe_metric("val_knn_top5_all").endswith("kNN probe, all labels, top 5")
    assert describe_metric("kids:val_knn_top1_all").startswith("validation accuracy of kids")


@pytest.mark.parametrize("name", [*ACCURACIES, "a:b:test_linear_top1_5", "1 2:val_knn_top5_20"])
def test_a_name_says_what_it_is(name: str) -> None:
    assert parse_metric(name).name == name


@pytest.mark.parametrize(
    "name", ["", "val_knn", ":val_linear_top1_5", "test_linear_top2_5", "test_linear_top1_5_std"]
)
def test_what_is_no_measure(name: str) -> None:
    with pytest.raises(InputError, match="unknown; allowed: val_linear_top1_1"):
        parse_metric(name)


def test_the_same_measure_on_validation() -> None:
    assert parse_metric("kids:test_knn_top1_1").on_validation.name == "kids:val_knn_top1_1"
