import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from clinfonce.errors import InputError
from clinfonce.evaluation import few_label_draws, linear_probe
from tests.evaluation.problems import three_splits

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)


def sklearn_accuracy(parts, strength, rows=slice(None)):
    scaler = StandardScaler().fit(parts["train_x"].double())
    x, y = scaler.transform(parts["train_x"].double())[rows], parts["train_y"].numpy()[rows]
    model = LogisticRegression(C=1 / (len(y) * strength), tol=1e-9, max_iter=10000).fit(x, y)
    return {
        split: model.score(scaler.transform(parts[f"{split}_x"].double()), parts[f"{split}_y"])
        for split in ("val", "test")
    }


def test_accuracies_and_chosen_strength_as_with_scikit_learn():
    parts = three_splits()
    probe = linear_probe(**parts, n_classes=4, strengths=STRENGTHS, tolerance=1e-7)
    theirs = {strength: sklearn_accuracy(parts, strength) for strength in STRENGTHS}
    assert probe.val_by_strength == pytest.approx({s: a["val"] for s, a in theirs.items()})
    best = max(STRENGTHS, key=lambda s: (theirs[s]["val"], s))
    assert probe.strength == best
    assert float(probe.val[1]) == pytest.approx(theirs[best]["val"])
    assert float(probe.test[1]) == pytest.approx(theirs[best]["test"])
    assert probe.val[5] == probe.test[5] == 1.0  # of four classes


def test_draws_are_standardised_by_all_of_training_and_fitted_each_on_its_own():
    parts = three_splits()
    draws = few_label_draws(parts["train_y"], 5, 3, 0)
    probe = linear_probe(**parts, n_classes=4, draws=draws, strengths=(0.1,), tolerance=1e-7)
    for p, rows in enumerate(draws):
        theirs = sklearn_accuracy(parts, 0.1, rows.numpy())
        assert float(probe.val[1][p]) == pytest.approx(theirs["val"])
        assert float(probe.test[1][p]) == pytest.approx(theirs["test"])


def test_of_equal_accuracies_the_strongest_penalty():
    parts = three_splits(distance=8.0)
    probe = linear_probe(**parts, n_classes=4, strengths=STRENGTHS)
    assert set(probe.val_by_strength.values()) == {1.0}
    assert probe.strength == 1.0


def test_test_labels_change_nothing_else():
    parts = three_splits()
    before = linear_probe(**parts, n_classes=4)
    parts["test_y"] = parts["test_y"].flip(0)
    after = linear_probe(**parts, n_classes=4)
    assert (after.strength, after.val_by_strength) == (before.strength, before.val_by_strength)
    assert torch.equal(after.val[1], before.val[1])
    assert not torch.equal(after.test[1], before.test[1])


def test_scale_and_offset_of_features_change_nothing():
    parts = three_splits()
    before = linear_probe(**parts, n_classes=4)
    for name in ("train_x", "val_x", "test_x"):
        parts[name] = parts[name] * torch.logspace(-3, 3, 12) + 7
    after = linear_probe(**parts, n_classes=4)
    assert float(after.test[1]) == pytest.approx(float(before.test[1]), abs=0.02)


def test_collapsed_features_are_at_chance():
    parts = three_splits()
    for name in ("train_x", "val_x", "test_x"):
        parts[name] = torch.full_like(parts[name], 0.1)
    probe = linear_probe(**parts, n_classes=4)
    assert float(probe.val[1]) == pytest.approx(0.25, abs=0.06)


def test_without_a_test_split():
    parts = {name: v for name, v in three_splits().items() if not name.startswith("test")}
    assert linear_probe(**parts, n_classes=4).test is None


@pytest.mark.parametrize("strengths", [(), (0.0, 1.0), (-1.0,)])
def test_strengths_have_to_be_positive(strengths):
    with pytest.raises(InputError, match="positive numbers"):
        linear_probe(**three_splits(), n_classes=4, strengths=strengths)


def test_weaker_penalties_are_left_out_once_clearly_worse():
    parts = three_splits(n=800, d=300, distance=0.15)
    strengths = tuple(10.0**k for k in range(-7, 3))
    probe = linear_probe(**parts, n_classes=4, strengths=strengths)
    tried = sorted(probe.val_by_strength, reverse=True)
    assert tried == sorted(strengths, reverse=True)[: len(tried)]
    assert len(tried) < len(strengths)
    best = probe.val_by_strength[probe.strength]
    assert best == max(probe.val_by_strength.values())
    assert probe.val_by_strength[tried[-1]] < best - 2 * (best * (1 - best) / 800) ** 0.5


def test_default_tolerance_is_enough():
    parts = three_splits(n=400, distance=0.4)
    rough = linear_probe(**parts, n_classes=4)
    exact = linear_probe(**parts, n_classes=4, tolerance=1e-7)
    for strength, accuracy in exact.val_by_strength.items():
        assert rough.val_by_strength[strength] == pytest.approx(accuracy, abs=0.01)


def test_chunks_change_nothing(monkeypatch):
    parts = three_splits()
    draws = few_label_draws(parts["train_y"], 5, 5, 0)
    whole = linear_probe(**parts, n_classes=4, draws=draws)
    monkeypatch.setattr("clinfonce.evaluation.linear._CHUNK_VALUES", 2 * 4 * 120)
    torch.testing.assert_close(linear_probe(**parts, n_classes=4, draws=draws).test, whole.test)
