"""The probe: adapters for a few epochs, the better half on."""

import json
import sys

import numpy as np
import pytest

from clinfonce.advice import advise
from clinfonce.advice.probe import Bench, probe
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
    assert len(said) == 3
    assert found.cost.epochs == 2 * (n + 1) + 4 * (n // 2 + 1) + 8 * (n // 4 + 1)


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
    reached = [
        probe([ids, rows % 7], Bench(t, np.asarray(t.images), rows, known))[0] for t in (one, other)
    ]
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
