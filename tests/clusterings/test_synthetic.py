"""Synthetic families have the information they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfonce.clusterings import from_instances, from_labels, synthetic
from clinfonce.errors import InputError
from clinfonce.information import measure

LABELS = np.random.default_rng(1).choice(11, size=3000, p=np.arange(1, 12) / 66)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.integers(0, 5), st.integers(0, 9))
@settings(deadline=None)
def test_promises(labels, level, seed):
    labels = np.array(labels)
    n_classes = len(np.unique(labels))
    merged_level = min(level, (n_classes - 1).bit_length())
    merged = measure(synthetic(labels, family="merged", level=merged_level, seed=seed).ids, labels)
    assert merged.h_z_given_t == 0
    assert merged.i_zt == merged.h_z
    assert merged.n_clusters == -(-n_classes // 2**merged_level)

    largest = np.unique(labels, return_counts=True)[1].max()
    split_level = min(level, int(largest - 1).bit_length())
    split = measure(synthetic(labels, family="split", level=split_level, seed=seed).ids, labels)
    assert split.h_t_given_z == pytest.approx(0, abs=1e-12)
    assert split.i_zt == pytest.approx(split.h_t, abs=1e-12)

    permuted_level = min(level, n_classes)
    permuted = synthetic(labels, family="permuted", level=permuted_level, seed=seed)
    assert measure(permuted.ids, labels).h_z == measure(labels, labels).h_z


def test_ends_are_labels_and_instances():
    by_label = from_labels(LABELS).clustering_id
    assert synthetic(LABELS, family="merged", level=0).clustering_id == by_label
    assert synthetic(LABELS, family="permuted", level=0).clustering_id == by_label
    assert synthetic(LABELS, family="permuted", level=1).clustering_id == by_label
    assert synthetic(LABELS, family="merged", level=4).n_clusters == 1
    assert synthetic(LABELS, family="split", level=9).clustering_id == by_label
    instances = from_instances(len(LABELS)).clustering_id
    assert synthetic(LABELS, family="split", level=0).clustering_id == instances


def test_split_blocks_have_their_size():
    sizes = synthetic(LABELS, family="split", level=3).sizes
    assert sizes.max() == 8
    assert np.count_nonzero(sizes < 8) <= 11
    in_table_order = np.empty_like(LABELS)
    for label in range(11):
        rows = np.flatnonzero(label == LABELS)
        in_table_order[rows] = np.arange(len(rows)) >> 3
    first_block = synthetic(LABELS, family="split", level=3).ids[LABELS == 10][:8]
    assert len(set(first_block.tolist())) > 1  # blocks are drawn, not taken in table order


def test_permuting_lowers_information_as_predicted():
    """Inside the shuffled classes only chance information is left."""
    whole = measure(LABELS, LABELS)
    values = []
    for level in range(12):
        found = synthetic(LABELS, family="permuted", level=level, seed=2)
        values.append(measure(found.ids, LABELS).i_zt)
        if level >= 2:
            mixed = [c for c in range(11) if len(np.unique(found.ids[c == LABELS])) > 1]
            assert len(mixed) == level
            shuffled = np.isin(LABELS, mixed)
            inside = measure(LABELS[shuffled], LABELS[shuffled])
            lost = shuffled.mean() * (inside.h_t - inside.i_zt_chance)
            assert values[-1] == pytest.approx(whole.h_t - lost, abs=0.01)
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.1


def test_seeds_differ():
    ids = {synthetic(LABELS, family="merged", level=1, seed=s).clustering_id for s in range(5)}
    assert len(ids) > 3


@pytest.mark.parametrize(
    ("family", "level", "message"),
    [
        ("mixed", 0, "family must be one of merged, split, permuted, got 'mixed'"),
        ("merged", 5, r"merged: level must be in 0\.\.4, got 5"),
        ("merged", -1, r"merged: level must be in 0\.\.4, got -1"),
        ("permuted", 12, r"permuted: level must be in 0\.\.11, got 12"),
    ],
)
def test_refusals(family, level, message):
    with pytest.raises(InputError, match=message):
        synthetic(LABELS, family=family, level=level)
