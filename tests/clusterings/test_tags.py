"""Tag clusterings."""

import numpy as np
import pytest

from clinfonce.clusterings import from_tags, tag_vectors
from clinfonce.errors import InputError

TAGS = [("red", "shoe"), ("shoe", "red", "red"), ("shoe",), (), ("red",), (), ("boot", "red")]


def test_equal_sets_share_a_cluster():
    assert from_tags(TAGS).ids.tolist() == [0, 0, 1, 2, 3, 2, 4]


def test_commonest_tag_of_the_image():
    """red has 4 images, shoe 3, boot 1."""
    assert from_tags(TAGS, by="commonest").ids.tolist() == [0, 0, 1, 2, 0, 2, 0]


def test_equally_common_tags_go_by_name():
    found = from_tags([("b", "a"), ("a",), ("b",)], by="commonest")
    assert found.ids.tolist() == [0, 0, 1]


def test_vectors():
    vectors = tag_vectors(TAGS)
    assert vectors.shape == (7, 3)
    assert vectors.dtype == np.float32
    root = 0.5**0.5
    expected = [[root, root, 0], [root, root, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0],
                [root, 0, root]]  # fmt: skip
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert tag_vectors(TAGS, max_tags=1).tolist() == [[1], [1], [0], [0], [1], [0], [1]]
    assert tag_vectors([(), ()]).tolist() == [[0], [0]]


def test_kmeans_of_vectors():
    pytest.importorskip("torch")
    found = from_tags([*[("a", "b")] * 5, *[("c",)] * 5], by="kmeans", n_clusters=2)
    assert found.ids.tolist() == [0] * 5 + [1] * 5
    assert found.name == "tags by k-means 2"


@pytest.mark.parametrize(
    ("tags", "options", "message"),
    [
        (TAGS, {"by": "first"}, "by must be one of set, commonest, kmeans, got 'first'"),
        (TAGS, {"by": "kmeans"}, "n_clusters goes with by='kmeans', got None"),
        (TAGS, {"n_clusters": 3}, "n_clusters goes with by='kmeans', got 3 and 'set'"),
        ([("a",), "red"], {}, "row 1 is the text 'red'"),
        ([], {}, "one value per image is needed"),
        (TAGS, {"by": "kmeans", "n_clusters": 2, "max_tags": 0}, "max_tags must be at least 1"),
    ],
)
def test_refusals(tags, options, message):
    with pytest.raises(InputError, match=message):
        from_tags(tags, **options)
