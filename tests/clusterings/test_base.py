"""Clustering: numbering, identity, refusals."""

import subprocess
import sys

import numpy as np
import pytest

from clinfonce.clusterings import Clustering, from_column, from_instances, from_labels
from clinfonce.errors import InputError


def test_derived_numbers():
    found = from_labels([7, 7, 2, 9, 2, 7])
    assert found.ids.tolist() == [0, 0, 1, 2, 1, 0]
    assert found.ids.dtype == np.int64
    assert found.n_clusters == 3
    assert found.sizes.tolist() == [3, 2, 1]
    assert found.n_singletons == 1
    assert len(found) == 6


def test_same_partition_same_id_whatever_made_it():
    by_label = from_labels([5, 5, 0, 1])
    by_word = from_column(["x", "x", "b", "a"], name="word")
    assert by_label.clustering_id == by_word.clustering_id
    assert len(by_label.clustering_id) == 12
    assert from_labels([0, 1, 1, 2]).clustering_id != by_label.clustering_id
    assert from_instances(4).clustering_id == from_labels([9, 3, 8, 0]).clustering_id
    assert from_instances(4).name == "instances"


def test_ids_are_out_of_reach():
    ids = np.array([0, 1, 0])
    found = Clustering(ids, "mine", {"source": "mine"})
    ids[0] = 5
    assert found.ids.tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="read-only"):
        found.ids[0] = 5


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 0], "order of first appearance, got 1 at row 0"),
        ([0, 1, 3], "got 3 at row 2"),
        ([0, -1], "must not be negative"),
        ([0.0], "must be integers"),
        ([], "is empty"),
    ],
)
def test_refuses_other_numberings(ids, message):
    with pytest.raises(InputError, match=message):
        Clustering(np.array(ids), "mine", {})


def test_one_cluster_is_not_trainable():
    whole = from_labels([3, 3, 3])
    with pytest.raises(InputError, match="'labels' puts all 3 images into one cluster"):
        whole.check_trainable()
    from_labels([3, 3, 4]).check_trainable()


def test_sources_refuse_what_they_cannot_cluster():
    with pytest.raises(InputError, match="at least one image is needed, got 0"):
        from_instances(0)
    with pytest.raises(InputError, match="labels must be integers, got float64"):
        from_labels([0.5])
    with pytest.raises(InputError, match="'size' must hold integers, booleans or strings"):
        from_column(np.array([0.5]), name="size")
    with pytest.raises(InputError, match=r"column\(size\): one value per image .* \(0,\)"):
        from_column([], name="size")


def test_import_loads_no_torch():
    code = "import sys, clinfonce.clusterings; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_labels_keep_the_names_of_their_clusters():
    found = from_labels([2, 2, 0], names=("ant", "bee", "cow"))
    assert found.provenance == {"source": "labels", "names": ["cow", "ant"]}
    with pytest.raises(InputError, match="class 2 has no name, 2 names were given"):
        from_labels([0, 2], names=("ant", "bee"))
