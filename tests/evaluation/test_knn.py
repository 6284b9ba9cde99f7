import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfonce.errors import InputError
from clinfonce.evaluation import knn, knn_accuracy, knn_predict
from tests.evaluation.problems import blobs


def loop(train_x, train_y, x, k, temperature, n_classes):
    votes = []
    for query in x.double():
        near = [(float(F.cosine_similarity(query, t.double(), 0)), int(c))
                for t, c in zip(train_x, train_y, strict=True)]  # fmt: skip
        row = [0.0] * n_classes
        for similarity, label in sorted(near, reverse=True)[:k]:
            row[label] += math.exp(similarity / temperature)
        votes.append(row)
    return torch.tensor(votes)


@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(5, 40), k=st.integers(1, 45), temperature=st.sampled_from([0.05, 0.07, 1.0]),
    seed=st.integers(0, 5),
)  # fmt: skip
def test_votes_are_those_of_a_loop(n, k, temperature, seed):
    train_x, train_y = blobs(n, 6, 5, seed=seed)
    x, _ = blobs(9, 6, 3, seed=seed + 100)
    ours = knn_predict(train_x, train_y, x, k=k, temperature=temperature, n_classes=5)
    expected = loop(train_x, train_y, x, k, temperature, 5) * math.exp(-1 / temperature)
    torch.testing.assert_close(ours, expected.float(), rtol=1e-3, atol=1e-6)


def test_chunks_change_nothing(monkeypatch):
    train_x, train_y = blobs(50, 6, 5)
    x, _ = blobs(33, 6, 5, seed=1)
    whole = knn_predict(train_x, train_y, x, n_classes=5)
    monkeypatch.setattr(knn, "CHUNK_VALUES", 50 * 4)
    torch.testing.assert_close(knn_predict(train_x, train_y, x, n_classes=5), whole)


def test_accuracy_counts_the_first_and_the_first_five():
    train_x, train_y = blobs(90, 4, 9, distance=0.5)
    x, y = blobs(60, 4, 9, seed=0, distance=0.5)
    votes = knn_predict(train_x, train_y, x, n_classes=9)
    order = votes.argsort(dim=1, descending=True, stable=True)
    accuracy = knn_accuracy(train_x, train_y, x, y, n_classes=9)
    for best in (1, 5):
        expected = (order[:, :best] == y[:, None]).any(1).double().mean()
        assert accuracy[best] == pytest.approx(float(expected), abs=1e-12)
    assert 0 < accuracy[1] < accuracy[5] < 1


def test_small_temperature_stays_finite():
    train_x, train_y = blobs(20, 4, 2)
    votes = knn_predict(train_x, train_y, train_x, temperature=1e-3, n_classes=2)
    assert torch.isfinite(votes).all()
    assert (votes.sum(1) > 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k = 0"),
        ({"temperature": 0.0}, "temperature 0.0"),
        ({"n_classes": 2}, "labels 0 to 3; allowed are 0 to 1"),
        ({"train_y": torch.zeros(3, dtype=torch.int64)}, r"needed is int64 \(20,\)"),
        ({"x": torch.full((2, 4), torch.nan)}, "2 of 2 rows hold NaN"),
        ({"x": torch.ones(2, 5)}, "same d in all splits"),
    ],
)
def test_mistakes_are_named(change, message):
    train_x, train_y = blobs(20, 4, 4)
    arguments = {"train_x": train_x, "train_y": train_y, "x": train_x, "n_classes": 4} | change
    with pytest.raises(InputError, match=message):
        knn_predict(**arguments)
