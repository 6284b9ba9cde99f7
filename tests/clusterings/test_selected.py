"""Attributes ranked by what they say of the labels."""

import numpy as np
import pytest

from clinfonce.clusterings import from_attributes, from_selected_attributes, select_by_excess
from clinfonce.errors import InputError
from clinfonce.information import measure


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, 1000)
    attributes = {
        "noise": rng.integers(0, 40, 1000),  # the highest entropy, and no information
        "bit 2": labels >> 2,
        "bit 2 again": labels >> 2,
        "bit 0": labels & 1,
        "faint bit 1": np.where(rng.random(1000) < 0.2, 0, (labels >> 1) & 1),
    }
    return attributes, labels


def test_redundant_and_useless_attributes_come_last(table):
    attributes, labels = table
    names = select_by_excess(attributes, labels, top_k=5)
    assert set(names[:2]) == {"bit 0", "bit 2"}
    assert names[2:] == ["faint bit 1", "bit 2 again", "noise"]
    by_entropy = from_attributes(attributes, top_k=1)
    by_excess = from_selected_attributes(attributes, labels, top_k=1)
    assert by_entropy.provenance["attributes"] == ["noise"]
    assert measure(by_excess.ids, labels).i_zt_excess > 0.9


def test_labels_of_the_rest_are_not_looked_at(table):
    attributes, labels = table
    labelled = np.arange(1000) < 300
    hidden = np.where(labelled, labels, 0)
    first = from_selected_attributes(attributes, labels, top_k=3, labelled=labelled)
    second = from_selected_attributes(attributes, hidden, top_k=3, labelled=labelled)
    assert first.clustering_id == second.clustering_id
    assert len(first) == 1000


def test_unknown_labels_may_be_negative(table):
    attributes, labels = table
    labelled = np.arange(1000) < 300
    marked = np.where(labelled, labels, -1)
    assert select_by_excess(attributes, marked, top_k=1, labelled=labelled)
    with pytest.raises(InputError, match="labels of labelled images must not be negative"):
        select_by_excess(attributes, marked, top_k=1)


def test_refusals(table):
    attributes, labels = table
    with pytest.raises(InputError, match=r"top_k must be in 1\.\.5, got 6"):
        select_by_excess(attributes, labels, top_k=6)
    with pytest.raises(InputError, match="labelled marks no image"):
        select_by_excess(attributes, labels, top_k=1, labelled=np.zeros(1000, bool))
    with pytest.raises(InputError, match=r"labelled must be \(1000,\) bool"):
        select_by_excess(attributes, labels, top_k=1, labelled=np.zeros(9, bool))
