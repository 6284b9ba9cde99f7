"""Every measure against scikit-learn's and torchmetrics' on the same predictions."""

import importlib

import pytest
import sklearn.metrics as theirs
import torch

from clinfonce.evaluation.bootstrap import interval, mean_interval, resamples
from clinfonce.evaluation.measures import (
    Counts,
    average_precisions,
    mean_average_precision,
    multilabel_f1,
    r2,
)
from clinfonce.evaluation.retrieval import nearest_first, retrieved
from clinfonce.torchvision_import import import_torchvision

import_torchvision()  # which torchmetrics imports
tm = importlib.import_module("torchmetrics.classification")
tmr = importlib.import_module("torchmetrics.retrieval")

CASES = [(40, 3), (300, 10), (57, 21)]


def classes(n, n_classes, seed=0):
    """Unbalanced labels, and predictions that are half right; the last class is never given."""
    draw = torch.Generator().manual_seed(seed)
    y = (torch.rand(n, generator=draw).square() * n_classes).long()
    guess = torch.randint(n_classes - 1, (n,), generator=draw)
    return torch.where(torch.rand(n, generator=draw) < 0.5, y.clamp(max=n_classes - 2), guess), y


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize(("n", "n_classes"), CASES)
def test_classes(n, n_classes):
    predicted, y = classes(n, n_classes)
    counts = Counts.of(predicted, y, n_classes)
    assert float(counts.balanced_accuracy) == pytest.approx(
        theirs.balanced_accuracy_score(y, predicted), abs=1e-6
    )
    assert float(counts.macro_f1) == pytest.approx(
        theirs.f1_score(y, predicted, average="macro", zero_division=0), abs=1e-6
    )
    assert float(counts.macro_f1) == pytest.approx(
        float(tm.MulticlassF1Score(n_classes, average="macro")(predicted, y)), abs=1e-6
    )
    there = y.unique()
    expected = theirs.recall_score(y, predicted, average=None, labels=there)
    assert counts.recalls[there].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    assert int(counts.actual.sum()) == int(counts.given.sum()) == n


def labels(n, m, seed=0):
    """Scores with ties, and what images have; one label is rare."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.rand(n, m, generator=draw) < torch.linspace(0.02, 0.6, m)
    y[0] = True
    scores = (y + torch.randn(n, m, generator=draw)).mul(4).round() / 4
    return scores, y


@pytest.mark.parametrize(("n", "m"), CASES)
def test_several_labels(n, m):
    scores, y = labels(n, m)
    expected = theirs.average_precision_score(y, scores, average="macro")
    assert float(mean_average_precision(scores, y)) == pytest.approx(expected, abs=1e-6)
    metric = tm.MultilabelAveragePrecision(m, average="macro", thresholds=None)
    ours = float(mean_average_precision(scores.sigmoid(), y))
    assert ours == pytest.approx(float(metric(scores.sigmoid(), y.long())), abs=1e-6)
    given = scores > 0
    expected = theirs.f1_score(y, given, average="macro", zero_division=0)
    assert float(multilabel_f1(given, y)) == pytest.approx(expected, abs=1e-6)
    metric = tm.MultilabelF1Score(m, average="macro")
    assert float(multilabel_f1(given, y)) == pytest.approx(
        float(metric(given.long(), y.long())), abs=1e-6
    )


def test_a_label_that_no_image_has_counts_for_nothing():
    scores, y = labels(50, 4)
    y[:, 2] = False
    assert average_precisions(scores, y).isnan().tolist() == [False, False, True, False]
    assert average_precisions(scores, y, torch.ones(2, 50)).isnan().all(0)[2]
    kept = [0, 1, 3]
    expected = mean_average_precision(scores[:, kept], y[:, kept])
    assert mean_average_precision(scores, y) == expected


def test_numbers():
    draw = torch.Generator().manual_seed(0)
    y = 1000 + torch.randn(200, generator=draw, dtype=torch.float64)
    predicted = y + torch.randn(200, generator=draw, dtype=torch.float64) / 2
    assert float(r2(predicted, y)) == pytest.approx(theirs.r2_score(y, predicted), abs=1e-6)
    assert r2(y, torch.ones(200)).isnan(), "what is constant cannot be explained"


@pytest.mark.parametrize(("n", "n_classes"), CASES)
def test_weights_are_repetitions(n, n_classes):
    draw = torch.Generator().manual_seed(1)
    weights = torch.randint(0, 4, (3, n), generator=draw).float()
    predicted, y = classes(n, n_classes)
    scores, relevant = labels(n, 4)
    values = y.double()
    counts = Counts.of(predicted, y, n_classes, weights)
    for place, row in enumerate(weights):
        rows = torch.arange(n).repeat_interleave(row.long())
        again = Counts.of(predicted[rows], y[rows], n_classes)
        found = (
            (counts.balanced_accuracy[place], again.balanced_accuracy),
            (counts.macro_f1[place], again.macro_f1),
            (mean_average_precision(scores, relevant, weights)[place],
             mean_average_precision(scores[rows], relevant[rows])),
            (multilabel_f1(scores > 0, relevant, weights)[place],
             multilabel_f1(scores[rows] > 0, relevant[rows])),
            (r2(predicted.double(), values, weights)[place],
             r2(predicted[rows].double(), values[rows])),
        )  # fmt: skip
        for ours, expected in found:
            assert float(ours) == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_retrieval(n_classes):
    draw = torch.Generator().manual_seed(0)
    gallery = torch.randint(n_classes, (60,), generator=draw)
    queries = torch.randint(n_classes, (30,), generator=draw)
    similarities = torch.randn(30, 60, generator=draw) + (queries[:, None] == gallery)
    found = retrieved(nearest_first(similarities), gallery, queries)
    # torchmetrics takes what is below 0 for irrelevant.
    flat = similarities.sigmoid().flatten(), (queries[:, None] == gallery).flatten()
    indexes = torch.arange(30).repeat_interleave(60)
    expected = {
        "map": tmr.RetrievalMAP(),
        "r_precision": tmr.RetrievalRPrecision(),
        **{f"recall_at_{k}": tmr.RetrievalHitRate(top_k=k) for k in (1, 5, 10)},
    }
    assert found.keys() == expected.keys()
    for name, metric in expected.items():
        value = float(metric(*flat, indexes=indexes))
        assert float(found[name].mean()) == pytest.approx(value, abs=1e-6), name
    each = zip(flat[1].reshape(30, 60), flat[0].reshape(30, 60), strict=True)
    expected_map = [theirs.average_precision_score(*pair) for pair in each]
    assert found["map"].tolist() == pytest.approx(expected_map, abs=1e-6)


def test_nearest_come_first_and_of_equal_ones_the_first():
    values = torch.tensor([[0.5, -0.25, 0.5, 0.0, -1.0, 1.0, -0.0]])
    assert nearest_first(values).tolist() == [[5, 0, 2, 3, 6, 1, 4]]
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(20, 300, generator=draw)
    expected = values.argsort(dim=1, descending=True, stable=True)
    assert torch.equal(nearest_first(values).long(), expected)


def test_a_query_whose_class_the_gallery_lacks_says_nothing():
    found = retrieved(
        torch.tensor([[0, 1]], dtype=torch.int32), torch.tensor([0, 0]), torch.tensor([1])
    )
    assert all(values.isnan().all() for values in found.values())


def test_intervals_cover_the_truth():
    weights = resamples(400, torch.device("cpu"))
    assert weights.sum(1).unique().tolist() == [400]
    assert torch.equal(weights, resamples(400, torch.device("cpu")))
    draw = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(200):
        values = (torch.rand(400, generator=draw) < 0.7).double()
        low, high = mean_interval(weights, values)
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 200 <= 0.99
    deviation = (0.7 * 0.3 / 400) ** 0.5
    assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.15)


def test_an_interval_of_what_is_undefined():
    low, high = interval(resamples(5, torch.device("cpu")), lambda w: w.sum(-1) * torch.nan)
    assert low != low
    assert high != high
