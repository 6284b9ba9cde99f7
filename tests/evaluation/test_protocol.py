import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.evaluation import evaluate, few_label_draws, knn_accuracy, linear_probe
from tests.evaluation.problems import three_splits


@pytest.fixture(scope="module")
def parts():
    return three_splits()


@pytest.fixture(scope="module")
def result(parts):
    return evaluate(**parts, draws=4)


def expected_keys(splits, numbers):
    keys = set()
    for start in (f"{split}_{probe}_top" for split in splits for probe in ("linear", "knn")):
        keys |= {f"{start}{best}_{labels}" for best in (1, 5) for labels in (*numbers, "all")}
        keys |= {f"{start}1_{labels}_std" for labels in numbers}
    return keys


def test_keys_and_range(result):
    assert set(result) == expected_keys(("val", "test"), (1, 5, 10))
    assert all(0 <= value <= 1 for value in result.values())
    assert result["val_linear_top1_10"] > result["val_linear_top1_1"] > 0.25


def test_values_are_those_of_the_parts(parts, result):
    x, y = parts["train_x"], parts["train_y"]
    probe = linear_probe(**parts, n_classes=4)
    assert result["test_linear_top1_all"] == float(probe.test[1])
    knn = knn_accuracy(x, y, parts["val_x"], parts["val_y"], n_classes=4)
    assert result["val_knn_top1_all"] == knn[1]
    draws = few_label_draws(y, 5, 4, 0)
    each = [
        knn_accuracy(x[rows], y[rows], parts["test_x"], parts["test_y"], k=20, n_classes=4)[1]
        for rows in draws
    ]
    assert result["test_knn_top1_5"] == pytest.approx(torch.tensor(each).mean().item())
    assert result["test_knn_top1_5_std"] == pytest.approx(torch.tensor(each).std().item(), abs=1e-6)
    few = linear_probe(**parts, n_classes=4, draws=draws).val[1]
    assert result["val_linear_top1_5"] == float(few.mean())
    assert result["val_linear_top1_5_std"] == float(few.std())


def test_same_bits_again(parts, result):
    assert evaluate(**parts, draws=4) == result


def test_test_labels_change_nothing_of_validation(parts, result):
    shuffled = evaluate(**(parts | {"test_y": parts["test_y"].flip(0)}), draws=4)
    for key, value in result.items():
        assert key.startswith("test") or shuffled[key] == value
    assert shuffled["test_linear_top1_all"] != result["test_linear_top1_all"]


def test_without_test_split_only_validation(parts, result):
    only = {name: v for name, v in parts.items() if not name.startswith("test")}
    only = evaluate(**only, draws=4)
    assert only == {key: value for key, value in result.items() if key.startswith("val")}


def test_too_few_images_give_none(parts):
    kept = torch.cat((torch.nonzero(parts["train_y"] != 2)[:, 0],
                      torch.nonzero(parts["train_y"] == 2)[:7, 0]))  # fmt: skip
    smaller = {"train_x": parts["train_x"][kept], "train_y": parts["train_y"][kept]}
    result = evaluate(**(parts | smaller), draws=2)
    assert set(result) == expected_keys(("val", "test"), (1, 5, 10))
    assert {key for key, value in result.items() if value is None} == {
        key for key in result if "_10" in key
    }


def test_a_single_draw_has_no_spread(parts):
    assert evaluate(**parts, draws=1, labels_per_class=(2,))["val_knn_top1_2_std"] == 0.0


def test_mistakes_are_named(parts):
    with pytest.raises(InputError, match="val_y holds labels 0 to 9; allowed are 0 to 3"):
        evaluate(
            **(
                parts
                | {"val_y": torch.full_like(parts["val_y"], 9).index_fill(0, torch.tensor([0]), 0)}
            )
        )
    broken = parts["test_x"].clone()
    broken[3, 2] = torch.nan
    with pytest.raises(InputError, match="test_x: 1 of 120 rows hold NaN"):
        evaluate(**(parts | {"test_x": broken}))
    with pytest.raises(InputError, match="no image of class 1"):
        evaluate(**(parts | {"train_y": parts["train_y"].where(parts["train_y"] != 1, 0)}))
