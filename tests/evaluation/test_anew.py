"""Every measure of a trial against those of other packages from the same features."""

import dataclasses
import runpy
from collections import Counter

import numpy as np
import pytest

from clinfonce.config import TrialSpec
from clinfonce.data import Column
from clinfonce.trial.run import run_trial
from tests.trial.test_targets import DRAW, N, X, table


def data():
    """Targets of each kind, groups, and held-out columns of each kind."""
    whole = table()
    words = [("a",) * bool(x > 0) + ("b",) * bool(y > 1) for x, y in X[:, 9:11]]
    tags = np.empty(N, object)
    tags[:] = words
    more = [
        Column("left", "boolean", X[:, 11] + DRAW.normal(size=N) > 0),
        Column("words", "tags", tags),
    ]
    return dataclasses.replace(whole, columns=whole.columns | {c.name: c for c in more})


@pytest.mark.parametrize("balanced", [False, True])
def test_every_measure_of_a_trial_is_that_of_other_packages(monkeypatch, balanced):
    monkeypatch.syspath_prepend("benchmarks")
    evaluation = {
        "groups": ["camera", "weight"], "held_out": ["left", "words", "weight"],
        "label_free": True, "balanced": balanced,
    }  # fmt: skip
    spec = TrialSpec.model_validate(
        {"encoder": {"name": "embeddings", "train": "none"}, "epochs": 0, "evaluation": evaluation}
    )
    made = data()
    scores = run_trial(spec, made, experiment="demo").scores
    compare = runpy.run_path("benchmarks/measures.py")["compare"]
    rows = compare(scores, X, made, spec.evaluation)
    apart = {(row["probe"], row["measure"]): row["largest"] for row in rows}
    assert {key: gap for key, gap in apart.items() if float(gap) > 1e-6} == {}
    left = Counter(r["measure"] for r in scores if r["measure"] in ("lidar", "alignment"))
    assert sum(row["rows"] for row in rows) == len(scores) - left.total()


def test_a_wrong_value_is_seen(monkeypatch):
    monkeypatch.syspath_prepend("benchmarks")
    spec = TrialSpec.model_validate(
        {"encoder": {"name": "embeddings", "train": "none"}, "epochs": 0, "evaluation": {}}
    )
    made = data()
    scores = run_trial(spec, made, experiment="demo").scores
    changed = [{**row, "value": row["value"] + 1e-4} for row in scores]
    rows = runpy.run_path("benchmarks/measures.py")["compare"](changed, X, made, spec.evaluation)
    assert all(float(row["largest"]) > 1e-6 for row in rows)
