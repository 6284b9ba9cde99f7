"""The table `factors`: what the features of a trial let one read, before and after."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clinfonce.config import TrialSpec
from clinfonce.data import Target, load
from clinfonce.results.store.rows import to_table
from clinfonce.trial.factors import describe_factors
from clinfonce.trial.run import run_trial
from tests.trial.test_attraction import made_table
from tests.trial.test_targets import SPEC
from tests.trial.test_targets import table as several_targets


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def spec(**more):
    values = {
        "device": "cpu", "augmentation": "digits", "encoder": {"width": 8}, "epochs": 4,
        "evaluation": {"every": 4, "draws": 3}, "objective": {"temperature": 0.3},
        "optimizer": {"learning_rate": 0.01},
    }  # fmt: skip
    return TrialSpec.model_validate(values | more)


def of(rows, factor, measure="bits"):
    found = {
        r["stage"]: r["value"] for r in rows if (r["factor"], r["measure"]) == (factor, measure)
    }
    return found["before"], found["after"]


def test_what_attracts_can_be_read_better_after_training_and_the_rows_fit_the_table(digits):
    similarity = {"columns": {"loop": "equal", "even": "equal"}}
    rows = run_trial(spec(similarity=similarity), digits, experiment="x").factors
    to_table("factors", [{**row, "trial_id": "t"} for row in rows])
    for name in ("loop", "even"):
        before, after = of(rows, name)
        assert before < after <= 1
    assert {row["factor"] for row in rows} == {"label", *digits.columns}
    assert {row["stage"] for row in rows} == {"before", "after"}
    numbers = {row["measure"] for row in rows if row["kind"] == "numeric"}
    assert numbers == {"bits", "r2"}
    assert of(rows, "label", "accuracy")[1] > 0.5


def test_labels_of_a_target_of_several_are_read_one_by_one():
    data = several_targets()
    rows = run_trial(SPEC, data, experiment="x").factors
    targets = {row["factor"] for row in rows if row["kind"] == "target"}
    labels = [f"tags/{name}" for name in "pqrs"]
    assert targets == {"kind", "size", "age", *labels}
    told = {row["factor"]: row for row in rows if row["measure"] == "accuracy"}
    for place, name in enumerate(labels):
        share = data.targets["tags"].values[data.rows(0), place].mean()
        assert told[name]["chance"] == pytest.approx(max(share, 1 - share))
        assert told[name]["value"] > told[name]["chance"] + 0.1, "it is a column of the features"


def test_of_very_many_labels_the_commonest_are_read():
    data = several_targets()
    draw = np.random.default_rng(0)
    has = draw.random((len(data.images), 60)) < np.linspace(0.1, 0.6, 60)
    tags = Target("tags", "multilabel", has, tuple(f"t{i}" for i in range(60)))
    rows = run_trial(SPEC, replace(data, targets={"tags": tags}), experiment="x").factors
    found = {row["factor"] for row in rows if row["factor"].startswith("tags/")}
    sizes = has[data.rows(0)].sum(0)
    assert len(found) == 40
    left = [sizes[i] for i in range(60) if f"tags/t{i}" not in found]
    assert max(left) <= min(sizes[int(name[6:])] for name in found)


def test_they_are_the_same_after_a_resumption_and_can_be_left_out(digits, tmp_path):
    whole = run_trial(spec(), digits, experiment="x").factors
    checkpoint = tmp_path / "trial.pt"

    def stop(epoch):
        if epoch.epoch == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(spec(), digits, experiment="x", on_epoch=stop, checkpoint=checkpoint)
    resumed = run_trial(spec(), digits, experiment="x", checkpoint=checkpoint)
    assert resumed.factors == whole
    without = spec(evaluation={"every": 4, "draws": 3, "factors": False})
    assert run_trial(without, digits, experiment="x").factors == []


def test_an_encoder_as_it_is_has_no_after(digits):
    rows = run_trial(spec(epochs=0), digits, experiment="x").factors
    assert {row["stage"] for row in rows} == {"before"}


def test_every_kind_of_column_and_missing_values_are_read():
    table = made_table()
    many = np.tile(np.arange(len(table)), 8)
    columns = {
        name: type(c)(name, c.kind, c.values[many], None if c.missing is None else c.missing[many])
        for name, c in table.columns.items()
    }
    large = type(table)(
        "large",
        table.images[many],
        table.labels[many],
        table.label_names,
        table.split[many],
        columns,
    )
    rows = describe_factors(lambda r: torch.randn(len(r), 6), large, "after")
    factors = {row["factor"] for row in rows}
    assert {"label", "flag", "kind", "price", "tags", "taxon/2", "taxon/3"} <= factors
    assert "constant" not in factors
    counts = {row["factor"]: row["n_images"] for row in rows}
    assert counts["price"] < counts["flag"] == len(large.rows(0))
