"""What an adapted encoder is held against: the same encoder, as it was downloaded."""

import pytest

from clinfonce.results.analysis.frozen import AgainstFrozen, against_frozen, verdict

ENCODER = {"encoder": "resnet18", "weights": "pretrained", "weights_sha256": "a"}


def trial(source, **values):
    return {"source": source, "status": "complete", **ENCODER, **values}


def test_each_accuracy_is_held_against_the_same_encoders():
    few, every = "test_linear_top1_5", "test_linear_top1_all"
    frozen = trial("frozen", **{few: 0.7, every: 0.9})
    other = trial("frozen", **{few: 0.1, every: 0.1}) | {"weights_sha256": "b"}
    adapted = [
        trial("attributes", **{few: 0.8, every: 0.88}),
        trial("attributes", **{few: 0.82, every: 0.90, "test_knn_top1_all": 0.5}),
    ]
    first, second = against_frozen([frozen, other, *adapted], adapted, few)
    assert (first.metric, first.frozen) == (few, 0.7)
    assert first.gain == pytest.approx(11.0)
    assert second.metric == every
    assert second.gain == pytest.approx(-1.0)


def test_without_a_frozen_encoder_nothing_is_said():
    assert against_frozen([], [trial("attributes", val_knn=0.5)], "val_knn") == ()
    assert verdict(()) == ""


def test_what_does_not_beat_frozen_is_said_plainly():
    worse = AgainstFrozen("test_linear_top1_5", 0.8, 0.79)
    assert "does not beat the frozen encoder (80.0 %, -1.0 points)" in verdict([worse])
    assert verdict([worse]).endswith("leave the encoder as it is")


def test_a_gain_that_costs_something_names_the_cost():
    better = AgainstFrozen("test_linear_top1_5", 0.7, 0.8)
    kept = AgainstFrozen("test_knn_top1_all", 0.9, 0.899)
    lost = AgainstFrozen("test_linear_top1_all", 0.9, 0.88)
    assert verdict([better, kept]) == "That is 10.0 points above the frozen encoder (70.0 %)"
    assert "at the cost of 2.0 in test accuracy, linear probe, all labels" in verdict(
        [better, lost]
    )
