"""The trained network on few labels: better than where it started, and nothing else changes."""

import contextlib

import pytest
import torch

from clinfonce.config import SweepSpec, TrialSpec
from clinfonce.scaling.search.plan import Plan
from clinfonce.trial.run import run_trial
from tests.trial.test_targets import table

ADAPTER = {
    "encoder": {"name": "embeddings", "train": "none"},
    "adapter": {"hidden_dim": 32, "out_dim": 16, "output": "replace", "noise": 0.1},
    "sampler": {"batch_size": 64},
    "epochs": 1,
    "evaluation": {"draws": 3, "finetune": True},
}


@pytest.fixture(scope="module")
def data():
    return table()


@pytest.fixture(scope="module")
def result(data):
    return run_trial(TrialSpec.model_validate(ADAPTER), data, experiment="demo")


def test_the_network_is_fine_tuned_on_few_labels(result):
    found = result.trial["test_finetuned_top1_5"]
    assert found > result.trial["test_linear_top1_5"], "one epoch left the adapter nearly random"
    rows = [row for row in result.scores if row["probe"] == "finetuned"]
    assert {(r["split"], r["measure"]) for r in rows} == {
        (split, measure) for split in ("val", "test") for measure in ("top1", "top5")
    }
    assert all(row["labels"] == "5" and row["target"] == "kind" for row in rows)


def test_nothing_else_changes_and_the_same_again(data, result):
    plain = {**ADAPTER, "evaluation": {"draws": 3}}
    other = run_trial(TrialSpec.model_validate(plain), data, experiment="demo")
    assert other.scores == [row for row in result.scores if row["probe"] != "finetuned"]
    assert all(torch.equal(other.encoder[name], w) for name, w in result.encoder.items())
    again = run_trial(TrialSpec.model_validate(ADAPTER), data, experiment="demo")
    assert again.scores == result.scores


def test_what_was_not_trained_is_not_fine_tuned(data):
    spec = TrialSpec.model_validate({**ADAPTER, "epochs": 0, "adapter": None})
    scores = run_trial(spec, data, experiment="demo").scores
    assert not [row for row in scores if row["probe"] == "finetuned"]


def test_only_what_is_reported_is_fine_tuned():
    sweep = SweepSpec.model_validate(
        {
            "name": "s", "data": {"name": "d"}, "finetune": True, "seeds": [3, 4],
            "fixed": [{"name": "a", "trial": {}}],
            "search": {"trials": 2, "sampler": "random", "seed": 9,
                       "space": {"objective.temperature": {"low": 0.1, "high": 1.0}}},
        }
    )  # fmt: skip

    class Any:
        def ask(self, number):
            return {"objective.temperature": 0.5 + number / 10}

        def tell(self, *_):
            pass

    plan, seen = Plan(sweep, "d", Any()), {}
    with contextlib.suppress(StopIteration):
        for _ in range(20):
            if (proposal := plan.next()) is None:
                continue
            seen.setdefault(proposal.role, set()).add(proposal.spec.evaluation.finetune)
            row = {"status": "complete", "number": proposal.number, "val_knn": 0.1}
            plan.finish(proposal.identity, row)
    assert seen == {"fixed": {True}, "search": {False}, "confirm": {True}}
