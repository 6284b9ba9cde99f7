"""Probes of classes, several labels and numbers against scikit-learn's."""

import numpy as np
import pytest
import sklearn.metrics as metrics
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from clinfonce.errors import InputError
from clinfonce.evaluation.classes import ClassProbes, Protocol
from clinfonce.evaluation.groups import Grouping, balanced_by_group
from clinfonce.evaluation.linear import linear_probe
from clinfonce.evaluation.multilabel import multilabel_probe, multilabel_scores
from clinfonce.evaluation.numbers import number_scores, ridge_probe
from clinfonce.evaluation.one_vs_rest import solve_each
from clinfonce.evaluation.scores import Score
from clinfonce.evaluation.space import Space
from tests.evaluation.problems import blobs

SIZES = {"train": 200, "val": 100, "test": 150}


def parts(values):
    return dict(zip(SIZES, torch.split(values, list(SIZES.values())), strict=True))


def problem(d=12, classes=4, seed=0):
    """Features and classes of the splits; most images are of the first class."""
    x, y = blobs(sum(SIZES.values()), d, classes, seed=seed, distance=0.4)
    draw = torch.Generator().manual_seed(seed)
    rare = (y > 0) & (torch.rand(len(y), generator=draw) < 0.7)
    y = torch.where(rare & (torch.arange(len(y)) > 20), 0, y)
    x = x + 0.5 * torch.randn(x.shape, generator=draw)
    return space_of(x), parts(y)


def space_of(x, k=20):
    x = parts(x)
    return Space(x["train"], x["val"], x["test"], k=k)


def named(scores):
    return {(s.split, s.probe, s.labels, s.measure, s.grouped_by, s.group): s for s in scores}


def test_fair_measures_are_those_of_the_same_predictions():
    space, y = problem()
    names, groups = ("a", "b", "c", "d"), torch.arange(150) % 3
    grouping = Grouping(("x", "y", "z"), {"val": torch.arange(100) % 3, "test": groups})
    probes = ClassProbes(space, y, 4, Protocol(draws=4))
    found = named([*probes.accuracies(), *probes.fair(names, "kind", {"camera": grouping})])
    probe = linear_probe(
        space.train, y["train"], space.splits["val"], y["val"], space.splits["test"], y["test"],
        n_classes=4,
    )  # fmt: skip
    predicted = probe.answers["test"].predicted[0]
    right = (predicted == y["test"]).double()
    whole = ("test", "linear", "all")
    balanced = metrics.balanced_accuracy_score(y["test"], predicted)
    assert found[*whole, "balanced", None, None].value == pytest.approx(balanced, abs=1e-6)
    f1 = metrics.f1_score(y["test"], predicted, average="macro")
    assert found[*whole, "macro_f1", None, None].value == pytest.approx(f1, abs=1e-6)
    recalls = metrics.recall_score(y["test"], predicted, average=None)
    for name, recall, count in zip(names, recalls, y["test"].bincount(), strict=True):
        score = found[*whole, "recall", "kind", name]
        assert (score.value, score.images) == (pytest.approx(recall), int(count))
    means = [float(right[groups == g].mean()) for g in range(3)]
    assert [found[*whole, "top1", "camera", g].value for g in "xyz"] == pytest.approx(means)
    worst = found[*whole, "top1_worst", "camera", None]
    assert (worst.value, worst.images) == (pytest.approx(min(means)), 50)
    assert found[*whole, "top1_mean", "camera", None].value == pytest.approx(np.mean(means))
    assert not any(key[0] == "val" and key[-1] is not None for key in found)
    by_group = [
        metrics.balanced_accuracy_score(y["test"][groups == g], predicted[groups == g])
        for g in range(3)
    ]
    ours = [found[*whole, "balanced", "camera", g].value for g in "xyz"]
    assert ours == pytest.approx(by_group, abs=1e-6)
    worst = found[*whole, "balanced_worst", "camera", None]
    assert (worst.value, worst.images) == (pytest.approx(min(by_group)), 50)
    mean = found[*whole, "balanced_mean", "camera", None]
    assert (mean.value, mean.images) == (pytest.approx(np.mean(by_group)), 150)
    score = found[*whole, "top1", None, None]
    assert score.low < score.value < score.high
    assert score.images == 150


def test_a_group_is_balanced_over_the_classes_that_it_has():
    right = torch.tensor([1, 1, 0, 0, 0, 1]).double()
    classes = torch.tensor([0, 0, 0, 2, 1, 1])
    grouping = Grouping(("a", "b", "none"), {"test": torch.tensor([0, 0, 0, 0, 1, 1])})
    whole = Score("test", "linear", "all", "balanced", 0.5)
    found = named(balanced_by_group(whole, right, classes, {"camera": grouping}))
    values = {(key[3], key[-1]): (score.value, score.images) for key, score in found.items()}
    assert values == {
        ("balanced", "a"): (pytest.approx(1 / 3), 4),
        ("balanced", "b"): (0.5, 2),
        ("balanced_mean", None): (pytest.approx(5 / 12), 6),
        ("balanced_worst", None): (pytest.approx(1 / 3), 4),
    }


def test_neighbours_rank_what_is_retrieved():
    space, y = problem()
    found = named(ClassProbes(space, y, 4, Protocol()).fair("abcd", "kind", {}))
    similarities = torch.nn.functional.normalize(space.splits["test"], dim=1) @ space.targets.T
    same = y["test"][:, None] == y["train"]
    pairs = zip(same, similarities, strict=True)
    expected = [metrics.average_precision_score(*pair) for pair in pairs]
    score = found["test", "retrieval", "all", "map", None, None]
    assert score.value == pytest.approx(np.mean(expected), abs=1e-6)
    nearest = y["train"][similarities.argmax(1)] == y["test"]
    first = found["test", "retrieval", "all", "recall_at_1", None, None]
    assert first.value == pytest.approx(float(nearest.double().mean()))


def test_few_queries_stand_for_many(monkeypatch):
    space, y = problem()
    monkeypatch.setattr("clinfonce.evaluation.space._MOST_RANKED", {"val": 1, "test": 1})
    monkeypatch.setattr("clinfonce.evaluation.space._FEWEST_QUERIES", 30)
    found = named(ClassProbes(space, y, 4, Protocol()).fair("abcd", "kind", {}))
    score = found["test", "retrieval", "all", "map", None, None]
    assert score.images == 30
    assert found["test", "knn", "all", "balanced", None, None].images == 150


def test_a_balanced_probe_is_that_of_weighted_classes():
    space, y = problem()
    scaler = StandardScaler().fit(space.train)
    probe = linear_probe(
        space.train, y["train"], space.splits["val"], y["val"], space.splits["test"], y["test"],
        n_classes=4, balanced=True, strengths=(1e-2,), tolerance=1e-8,
    )  # fmt: skip
    theirs = LogisticRegression(
        C=1 / (200 * 1e-2), class_weight="balanced", max_iter=5000, tol=1e-8
    )
    theirs.fit(scaler.transform(space.train), y["train"])
    predicted = theirs.predict(scaler.transform(space.splits["test"]))
    assert (probe.answers["test"].predicted[0].numpy() == predicted).mean() > 0.98
    plain = linear_probe(
        space.train, y["train"], space.splits["val"], y["val"], space.splits["test"], y["test"],
        n_classes=4, strengths=(1e-2,),
    )  # fmt: skip
    recalls = [
        metrics.balanced_accuracy_score(y["test"], each.answers["test"].predicted[0])
        for each in (plain, probe)
    ]
    assert recalls[1] > recalls[0]


def test_balanced_neighbours_weigh_by_the_size_of_their_class():
    space, y = problem()
    plain, balanced = (
        named(ClassProbes(space, y, 4, Protocol(balanced=b)).fair("abcd", "kind", {}))
        for b in (False, True)
    )
    key = ("test", "knn", "all", "balanced", None, None)
    assert balanced[key].value > plain[key].value


def several(m=6, seed=0):
    x, _ = blobs(sum(SIZES.values()), 12, 4, seed=seed)
    draw = torch.Generator().manual_seed(seed)
    logits = (x - x.mean(0)) @ torch.randn(12, m, generator=draw) + torch.linspace(-3, 1, m)
    noise = 2 * torch.randn(logits.shape, generator=draw)
    return space_of(x), parts(logits + noise > 0)


def test_several_labels_are_each_against_the_rest():
    space, y = several()
    scaler = StandardScaler().fit(space.train)
    x = torch.from_numpy(scaler.transform(space.train))
    ((_, weights, intercepts),) = solve_each(x, y["train"], strengths=(1e-2,), tolerance=1e-9)
    for label in range(6):
        theirs = LogisticRegression(C=1 / (200 * 1e-2), max_iter=5000, tol=1e-8)
        theirs.fit(x, y["train"][:, label])
        assert weights[:, label].numpy() == pytest.approx(theirs.coef_[0], abs=1e-3)
        assert float(intercepts[label]) == pytest.approx(theirs.intercept_[0], abs=1e-3)
    names = tuple("abcdef")
    found = named(multilabel_scores(space, y, names, "tags", {}))
    best = multilabel_probe(space, y)["test"]
    whole = ("test", "linear", "all")
    assert found[*whole, "map", None, None].images == len(y["test"])
    expected = metrics.average_precision_score(y["test"], best, average="macro")
    assert found[*whole, "map", None, None].value == pytest.approx(expected, abs=1e-6)
    expected = metrics.f1_score(y["test"], best > 0, average="macro")
    assert found[*whole, "macro_f1", None, None].value == pytest.approx(expected, abs=1e-6)
    expected = 1 - metrics.hamming_loss(y["test"], best > 0)
    assert found[*whole, "label_accuracy", None, None].value == pytest.approx(expected, abs=1e-6)
    assert found[*whole, "label_accuracy", None, None].images == len(y["test"])
    f1 = found[*whole, "macro_f1", None, None]
    assert f1.low < f1.value < f1.high
    expected = metrics.average_precision_score(y["test"][:, 2], best[:, 2])
    assert found[*whole, "map", "tags", "c"].value == pytest.approx(expected, abs=1e-6)
    assert found[*whole, "map", "tags", "c"].images == int(y["test"][:, 2].sum())


def test_a_label_that_training_does_not_tell_is_left_out():
    space, y = several()
    for split in y.values():
        split[:, 1] = True
    y["train"][:, 3] = False
    found = named(multilabel_scores(space, y, tuple("abcdef"), "tags", {}))
    groups = {key[-1] for key in found if key[-2] == "tags"}
    assert groups == set("acef")


@pytest.mark.parametrize("d", [12, 300])
def test_a_number_is_ridge_regression(d):
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(sum(SIZES.values()), d, generator=draw)
    slope, noise = torch.randn(d, generator=draw), torch.randn(len(x), generator=draw)
    y = parts((x @ slope + 3 * noise).double())
    space = space_of(x)
    scaler = StandardScaler().fit(space.train.double())
    theirs = Ridge(alpha=200 * 1e-1).fit(scaler.transform(space.train.double()), y["train"])
    expected = theirs.predict(scaler.transform(space.splits["test"].double()))
    ours = ridge_probe(space, y, strengths=(1e-1,))["test"]
    assert ours.numpy() == pytest.approx(expected, abs=1e-4)
    best = ridge_probe(space, y)["test"]
    found = named(number_scores(space, y, {}))
    value = {measure: found["test", "linear", "all", measure, None, None].value
             for measure in ("r2", "mae", "mae_of_mean")}  # fmt: skip
    assert value["r2"] == pytest.approx(metrics.r2_score(y["test"], best), abs=1e-6)
    assert value["mae"] == pytest.approx(metrics.mean_absolute_error(y["test"], best), abs=1e-6)
    guess = np.full(150, float(y["train"].mean()))
    expected = metrics.mean_absolute_error(y["test"], guess)
    assert value["mae_of_mean"] == pytest.approx(expected, abs=1e-6)


def test_the_worst_group_of_a_number_is_that_of_the_largest_error():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(sum(SIZES.values()), 5, generator=draw)
    groups = torch.arange(len(x)) % 2
    y = parts((x[:, 0] + groups * torch.randn(len(x), generator=draw)).double())
    grouping = Grouping(("even", "odd"), {k: v for k, v in parts(groups).items() if k != "train"})
    found = named(number_scores(space_of(x), y, {"half": grouping}))
    worst = found["test", "linear", "all", "mae_worst", "half", None]
    odd = found["test", "linear", "all", "mae", "half", "odd"]
    assert (worst.value, worst.images) == (odd.value, odd.images)


def test_test_values_change_nothing_of_validation():
    for scores, (space, y) in (
        (lambda s, y: multilabel_scores(s, y, tuple("abcdef"), "tags", {}), several()),
        (lambda s, y: ClassProbes(s, y, 4, Protocol()).fair("abcd", "kind", {}), problem()),
    ):
        before = named(scores(space, y))
        after = named(scores(space, y | {"test": y["test"].flip(0)}))
        kept = {key: score for key, score in before.items() if key[0] == "val"}
        assert kept == {key: score for key, score in after.items() if key[0] == "val"}


def test_a_class_that_training_lacks():
    space, y = problem()
    y["train"] = y["train"].clamp(max=2)
    with pytest.raises(InputError, match="train_y has no image of class 3"):
        ClassProbes(space, y, 4, Protocol())
