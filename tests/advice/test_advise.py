import json

import numpy as np
import pytest

from clinfonce.advice import advise
from clinfonce.advice.bits import Labelled
from clinfonce.advice.measured import Trials
from clinfonce.cli import main
from clinfonce.config import ClusteringSpec, TrialSpec
from clinfonce.data import Column, ImageTable, load
from clinfonce.errors import InputError
from clinfonce.results import Store
from clinfonce.results import open as open_results
from clinfonce.trial.clusterings import build_clustering
from clinfonce.trial.rows import describe_clustering, describe_trial
from tests.results.example_store import write_example


def table(n=1200, **columns):
    """Four classes; `half` and `parity` name them together, `noise` says nothing."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(n) % 4)
    values = {
        "half": labels >= 2,
        "parity": labels % 2 == 1,
        "noise": rng.random(n) < 0.5,
    } | {name: make(labels, rng) for name, make in columns.items()}
    return ImageTable(
        name="made-up",
        images=rng.integers(0, 256, (n, 1, 4, 4), dtype=np.uint8),
        labels=labels,
        label_names=tuple("abcd"),
        split=np.array([0, 0, 0, 1, 2, 2] * (n // 6), dtype=np.int8),
        columns={
            name: Column(name, "boolean" if v.dtype == bool else "categorical", v)
            for name, v in values.items()
        },
    )


@pytest.fixture(scope="module")
def digits():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clinfonce.trial.parts._KS", (10,))
        return advise(load("digits"), label_fraction=0.1)


@pytest.fixture(autouse=True)
def _few_clusters(monkeypatch):
    monkeypatch.setattr("clinfonce.trial.parts._KS", (5,))


def by_name(advice, *attributes):
    return next(
        c for c in advice.candidates if set(c.clustering.get("attributes") or ()) == set(attributes)
    )


def test_the_attributes_that_name_the_label_come_first():
    advice = advise(table(), label_fraction=0.2)
    best = advice.candidates[0]
    assert "noise" not in best.clustering.get("attributes", [])
    pair = by_name(advice, "half", "parity")
    assert pair.useful == pytest.approx(2, abs=0.05)
    assert pair.nuisance == pytest.approx(0, abs=0.05)
    assert pair.gain.mean > by_name(advice, "half").gain.mean > by_name(advice, "noise").gain.mean
    assert "1.0 useful and 0.0 nuisance bits" in pair.reason
    assert all(c.gain.low <= c.gain.mean <= c.gain.high for c in advice.candidates)


def test_a_noisy_attribute_is_told_from_a_useful_one_by_few_labels():
    advice = advise(table(), label_fraction=0.1)
    assert by_name(advice, "noise").useful < 0.2
    assert by_name(advice, "half").useful > 0.8


def test_only_the_labelled_part_decides():
    one, other = table(), table()
    rows = np.flatnonzero(other.split == 0)
    from clinfonce.trial.clusterings import labelled_part

    hidden = rows[~labelled_part(len(rows), 0.2, 0)]
    shuffled = other.labels.copy()
    shuffled[hidden] = np.random.default_rng(1).permutation(shuffled[hidden])
    object.__setattr__(other, "labels", shuffled)
    assert advise(one, label_fraction=0.2) == advise(other, label_fraction=0.2)


def test_every_candidate_can_be_trained_and_is_listed_once(digits):
    specs = [json.dumps(c.clustering, sort_keys=True) for c in digits.candidates]
    assert len(specs) == len(set(specs)) > 20
    for candidate in digits.candidates:
        ClusteringSpec.model_validate(candidate.clustering)
        assert 1 < candidate.n_clusters < digits.n_images
        assert candidate.useful <= digits.h_t + 1e-9
    gains = [c.rank_by for c in digits.candidates]
    assert gains == sorted(gains, reverse=True)
    sources = {c.clustering["source"] for c in digits.candidates}
    assert sources >= {"attributes", "kmeans", "column"}


def test_the_glyph_s_facts_are_advised_for_digits(digits):
    best = digits.candidates[0]
    assert best.useful > 2.5
    assert best.verdict == "helps"
    harmful = next(c for c in digits.candidates if c.name == "ink")
    assert harmful.gain.mean < best.gain.mean - 0.5
    assert digits.n_labelled == 90


def test_a_store_refits_and_gives_accuracies(tmp_path):
    results = open_results(write_example(tmp_path))
    renamed = table()
    object.__setattr__(renamed, "name", "made-up test data")
    with_store = advise(renamed, label_fraction=0.2, results=results)
    without = advise(renamed, label_fraction=0.2)
    assert with_store.fitted_on > without.fitted_on
    assert "made-up test data" in with_store.fitted_data
    best = with_store.candidates[0]
    assert best.accuracy is not None
    assert 0 <= best.accuracy.low <= best.accuracy.mean <= best.accuracy.high <= 1
    assert without.candidates[0].accuracy is None


def test_what_is_no_information_is_named_and_not_ranked():
    named = table(
        copy=lambda labels, rng: labels, track=lambda labels, rng: rng.permutation(1200) // 4
    )
    advice = advise(named, label_fraction=0.2)
    listed = {name for c in advice.candidates for name in c.clustering.get("attributes", ())}
    assert not {"copy", "track"} & listed
    assert any(note.startswith("copy: the label itself") for note in advice.notes)
    assert any(note.startswith("track: nearly an identifier") for note in advice.notes)
    asked = advise(named, label_fraction=0.2, include=["track"])
    assert by_name(asked, "track").gain.mean < by_name(asked, "half", "parity").gain.mean
    assert not any(note.startswith("track") for note in asked.notes)
    with pytest.raises(InputError, match="'trak'"):
        advise(named, include=["trak"])


def test_trials_of_the_same_partition_are_shown_as_measured(tmp_path):
    made = table()
    store = Store.create(tmp_path / "store")
    accuracies = {"instances": 0.5, "labels": 0.9, "noise": 0.7, "half": 0.45}
    for name, accuracy in accuracies.items():
        source = name if name in ("instances", "labels") else "attributes"
        clustering = {"source": source} | ({"attributes": [name]} if source == "attributes" else {})
        spec = TrialSpec.model_validate({"clustering": clustering})
        built = build_clustering(spec.clustering, made)
        row = describe_trial(spec, made, built, experiment="s")
        row |= {"status": "complete", "role": "fixed", "name": name, "number": 0}
        row |= {"test_linear_top1_5": accuracy}
        store.write_trial(row, [], describe_clustering(built, made))
    advice = advise(made, label_fraction=0.2, results=open_results(store))
    noise, half = by_name(advice, "noise"), by_name(advice, "half")
    assert noise.measured.gain == pytest.approx(0.5)
    assert (noise.verdict, half.verdict) == ("helps", "harms"), "as measured, whatever is expected"
    assert noise.helps < 0.5 < half.helps
    names = [c.name for c in advice.candidates]
    assert names.index("noise") < names.index("half")
    assert by_name(advice, "half", "parity").measured.gain == 1, "the partition of the labels"
    of_features = {"column": "half"}, {"n_clusters": 10, "features": "pretrained"}
    trials = Trials(open_results(store), made, "scratch")
    assert trials.of({"source": "crossing", "parts": of_features}) is None, "no k-means is run"
    other = advise(made, label_fraction=0.2, results=open_results(store), regime="adapter")
    assert by_name(other, "noise").measured is None


def test_a_large_data_set_costs_no_more_than_a_sample(monkeypatch):
    monkeypatch.setattr("clinfonce.advice.sample._IMAGES", 300)
    monkeypatch.setattr("clinfonce.advice.sample._LABELLED", 100)
    advice = advise(table(), label_fraction=0.5)
    assert advice.n_labelled == 100
    assert "300 of 600 training images looked at." in advice.notes
    assert advice.candidates[0].useful > 1.8


@pytest.mark.parametrize(
    ("fraction", "message"), [(0, "above 0"), (1.5, "at most 1"), (0.002, "at least 8")]
)
def test_a_wrong_fraction(fraction, message):
    with pytest.raises(InputError, match=message):
        advise(table(), label_fraction=fraction)


def test_data_without_labels_or_columns():
    bare = table()
    object.__setattr__(bare, "labels", None)
    object.__setattr__(bare, "label_names", ())
    with pytest.raises(InputError, match="no labels"):
        advise(bare)


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # where there is no store
    assert main(["advise", "digits", "--top", "2"]) == 0
    said = capsys.readouterr().out
    assert "90 labels of 898 training images looked at" in said
    assert 'clustering: {"source": "' in said, "to be copied"
    assert "1. " in said
    assert "3. " not in said
    assert main(["advise", "digits", "--json", "--label-fraction", "0.05"]) == 0
    found = json.loads(capsys.readouterr().out)
    first = found[0]
    assert first["gain"]["low"] < first["expected_gain"] < first["gain"]["high"]
    assert 0 <= first["helps"] <= 1
    assert first["measured"] is None
    ClusteringSpec.model_validate(first["specification"])
    for wrong in (["--label-fraction", "2"], ["--results", "none"], ["--regime", "none"]):
        assert main(["advise", "digits", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_bits_of_a_clustering_by_few_labels():
    rng = np.random.default_rng(0)
    labels = np.arange(2000) % 4
    labelled = Labelled(np.arange(100), labels[:100])
    same = labelled.bits(labels, with_error=True)
    assert (same.useful, same.nuisance) == pytest.approx((2, 0), abs=1e-6)
    random = labelled.bits(rng.integers(0, 4, 2000), with_error=True)
    assert random.useful < 0.15
    assert random.useful + random.nuisance == pytest.approx(2, abs=0.01), "H(Z) is exact"
    alone = labelled.bits(np.arange(2000), with_error=True)
    assert alone.useful == 0
    assert alone.share_error == 0.5, "nothing is known of it"
