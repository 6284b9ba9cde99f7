"""The probe: adapters for a few epochs, the better half on."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from clinfonce.advice import advise
from clinfonce.advice.probe import Bench, probe
from clinfonce.advice.sample import take_sample
from clinfonce.cli import main
from clinfonce.data import TEST, TRAIN, VALIDATION, Column, ImageTable
from clinfonce.errors import InputError

N = 900


def table(seed=0, **changes):
    """Embeddings that hide the class; `kind` tells two classes of four, `noise` nothing."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, N)
    hidden = rng.normal(size=(4, 40))[labels]
    x = np.concatenate((hidden, 3 * rng.normal(size=(N, 40))), axis=1) + 1.5 * rng.normal(
        size=(N, 80)
    )
    noisy = np.where(rng.random(N) < 0.15, rng.integers(0, 4, N), labels)
    columns = {
        "kind": labels // 2, "noisy": noisy, "noise": rng.integers(0, 4, N),
        "group": rng.integers(0, 12, N),
    }  # fmt: skip
    split = rng.choice([TRAIN, VALIDATION, TEST], N, p=[0.6, 0.2, 0.2]).astype(np.int8)
    values = {
        "name": "embedded", "images": x.astype(np.float32), "labels": labels,
        "label_names": tuple("abcd"), "split": split,
        "columns": {name: Column(name, "categorical", v) for name, v in columns.items()},
    }  # fmt: skip
    return ImageTable(**values | changes)


@pytest.fixture(scope="module")
def advice():
    said = []
    return advise(table(), say=said.append), said


def test_what_is_good_trains_longest_and_comes_first(advice):
    found, said = advice
    by_name = {c.name: c for c in found.candidates}
    assert "noisy" in found.candidates[0].name
    assert found.candidates[0].probed.epochs == 8
    assert found.candidates[0].verdict == "helps"
    assert by_name["noisy"].probed.epochs == 8
    noise = by_name["noise"].probed
    assert noise is None or noise.epochs == 2
    epochs = [c.probed.epochs for c in found.candidates if c.probed is not None]
    assert epochs == sorted(epochs, reverse=True)
    n = len(epochs)
    assert [epochs.count(e) for e in (8, 4, 2)] == [n // 4, n // 2 - n // 4, n - n // 2]
    assert [line[:9] for line in said[:3]] == ["probe 1/3", "probe 2/3", "probe 3/3"]
    weights = [w.probed.epochs for w in found.weights]
    sets = 3  # one column, two, all four
    around = len(weights) - sets
    assert found.cost.epochs == (
        2 * (n + sets + 1) + 4 * (n // 2 + sets // 2 + 1) + 8 * (n // 4 + 1 + around + 1)
    )


def test_columns_are_weighed_and_worked_against_by_what_they_say(advice):
    found, _ = advice
    assert [c.column for c in found.columns][:2] == ["kind", "noisy"]  # all useful; most
    assert {c.column for c in found.columns if not c.tells} == {"noise", "group"}
    best = found.weights[0]
    assert set(best.attracting) <= {"kind", "noisy"}
    assert best.probed.epochs == 8
    assert best.probed.above_instances > 0.03
    against = [w for w in found.weights if "suppress" in w.similarity]
    assert {w.similarity["suppress"]["by"] for w in against} <= {"adversary", "condition"}
    assert all(w.similarity["columns"]["noise"] == {"role": "suppress"} for w in against)
    assert against
    ranked = [(w.probed.epochs, w.probed.accuracy) for w in found.weights]
    assert ranked == sorted(ranked, reverse=True)


def test_bandwidths_are_tried_where_they_change_something(advice):
    found, _ = advice
    assert not any("bandwidth" in w.similarity for w in found.weights)  # equal or not
    rng = np.random.default_rng(0)
    one = table()
    soft = one.labels + 0.3 * rng.normal(size=N)
    columns = {"soft": Column("soft", "numeric", soft)}
    found = advise(replace(one, columns=columns))
    assert {w.similarity.get("bandwidth", 1.0) for w in found.weights} == {0.5, 1.0, 2.0}


def test_the_test_split_and_unknown_labels_are_not_looked_at():
    one = table()
    rng = np.random.default_rng(1)
    x, labels = one.images.copy(), one.labels.copy()
    held_out = np.flatnonzero(one.split == TEST)
    x[held_out] = rng.normal(size=(len(held_out), 80))
    labels[held_out] = rng.permutation(labels[held_out])
    rows, known = one.rows(TRAIN), np.arange(0, 500, 5)
    hidden = np.setdiff1d(np.arange(len(rows)), known)
    labels[rows[hidden]] = rng.permutation(labels[rows[hidden]])
    other = table(images=x, labels=labels)
    ids = one.columns["kind"].values[rows]
    reached = []
    for t in (one, other):
        sample = take_sample(t, 1.0, 0)
        sample = replace(sample, known=known, labels=t.labels[rows[known]])
        bench = Bench(t, np.asarray(t.images), sample)
        weights = {"similarity": {"columns": {"noisy": {}, "group": {"role": "suppress"}}}}
        reached.append(probe([ids, rows % 7, weights], bench))
    assert reached[0] == reached[1]


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("clinfonce.data.load", lambda name, root=None: table())
    monkeypatch.setattr(sys.modules["clinfonce.advice.advise"], "FIRST_ROUND", 4)
    assert main(["advise", "embedded", "--top", "3"]) == 0
    shown = capsys.readouterr()
    assert "The probe took" in shown.out
    assert "points (8 epochs)" in shown.out
    assert "probe 3/3" in shown.err
    assert main(["advise", "embedded", "--no-probe", "--json"]) == 0
    shown = capsys.readouterr()
    assert all(one["probed"] is None for one in json.loads(shown.out))
    assert shown.err == ""


def test_a_probe_needs_features():
    images = np.zeros((N, 1, 4, 4), dtype=np.uint8)
    with pytest.raises(InputError, match="a probe needs features"):
        advise(table(images=images), probing=True)
