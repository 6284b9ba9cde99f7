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


@pytest.mark.parametrize(
    "name",
    [
        *ACCURACIES,
        "a:b:test_linear_top1_5",
        "1 2:val_knn_top5_20",
        "val_linear_top1_worst_all_by_place",
        "a_by_b:val_knn_top1_mean_all_by_who:took it_std",
        "tags:test_linear_label_accuracy_worst_all_by_x_by_y",
    ],
)
def test_a_name_says_what_it_is(name: str) -> None:
    assert parse_metric(name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "val_knn",
        ":val_linear_top1_5",
        "test_linear_top2_5",
        "test_linear_top1_5_std",
        "val_linear_top1_worst_all",
        "val_linear_top1_all_by_place",
        "val_linear_top1_worst_all_by_",
    ],
)
def test_what_is_no_measure(name: str) -> None:
    with pytest.raises(InputError, match="unknown; allowed: val_linear_top1_1"):
        parse_metric(name)


def test_measures_over_groups() -> None:
    found = parse_metric("kids:val_linear_top1_worst_all_by_place")
    assert (found.target, found.measure, found.grouped_by) == ("kids", "top1_worst", "place")
    assert found.words == (
        "validation accuracy of kids in the worst group by place, linear probe, all labels"
    )
    words = describe_metric("test_linear_label_accuracy_mean_all_by_place")
    assert "labels that are right, mean over groups by place, linear" in words
    with pytest.raises(InputError, match="of that less is better; take r2"):
        parse_metric("val_linear_mae_worst_all_by_place")


def test_the_same_measure_on_validation() -> None:
    assert parse_metric("kids:test_knn_top1_1").on_validation.name == "kids:val_knn_top1_1"
