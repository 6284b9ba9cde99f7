"""A mistake in the values gets one line: the column, the row, the value, and what is allowed."""

import numpy as np
import pytest

from clinfonce import similarity as s
from clinfonce.errors import InputError

EYE = np.eye(3)

BAD = [
    (lambda: s.gaussian([1.0], bandwidth=0, name="price"),
     "price: bandwidth is 0: must be a finite number above 0"),
    (lambda: s.equal([1], bandwidth=-1, name="price"),
     "price: bandwidth is -1: must be a finite number above 0"),
    (lambda: s.differences(EYE > 0, bandwidth=float("nan"), name="price"),
     "price: bandwidth is nan: must be a finite number above 0"),
    (lambda: s.cyclic([1.0], period=24, bandwidth=float("inf"), name="hour"),
     "hour: bandwidth is inf: must be a finite number above 0"),
    (lambda: s.cyclic([1.0], period=0, name="hour"),
     "hour: period is 0: must be a finite number above 0"),
    (lambda: s.great_circle([1.0], [2.0], bandwidth=-5, name="place"),
     "place: bandwidth is -5: must be a finite number above 0"),
    (lambda: s.cosine(EYE, bandwidth=0, name="caption"),
     "caption: bandwidth is 0: must be a finite number above 0"),
    (lambda: s.jaccard([("a",)], power=0, name="tags"),
     "tags: power is 0: must be a finite number above 0"),
    (lambda: s.common_ancestor([("a",)], power=-2, name="taxon"),
     "taxon: power is -2: must be a finite number above 0"),
    (lambda: s.gaussian([1.0], unit="euro", name="price"),
     "price: unit is 'euro': must be 'spread' or 'value'"),
    (lambda: s.gaussian([1.0, float("nan")], name="price"),
     "price: row 1 holds nan: must be finite; say by `unknown` which are missing"),
    (lambda: s.gaussian([[1.0]], name="price"),
     "price: values have shape (1, 1): must be (1,)"),
    (lambda: s.gaussian(["cheap"], name="price"), "price: values must be numbers"),
    (lambda: s.cyclic([float("inf")], period=24, name="hour"),
     "hour: row 0 holds inf: must be finite; say by `unknown` which are missing"),
    (lambda: s.equal(np.array([1.0, np.nan]), name="group"),
     "group: row 1 holds nan: say by `unknown` which are missing"),
    (lambda: s.equal(EYE, name="group"), "group: values have shape (3, 3): must be (n,)"),
    (lambda: s.great_circle([0.0, 91.0], [0.0, 0.0], name="place"),
     "place: row 1 has latitude 91: must be -90 to 90 degrees"),
    (lambda: s.great_circle([0.0], [-180.5], name="place"),
     "place: row 0 has longitude -180.5: must be -180 to 180 degrees"),
    (lambda: s.great_circle([0.0], [0.0, 1.0], name="place"),
     "place: values have shape (2,): must be (1,)"),
    (lambda: s.great_circle([float("nan")], [0.0], name="place"),
     "place: row 0 holds nan: must be finite; say by `unknown` which are missing"),
    (lambda: s.differences(EYE, name="attributes"),
     "attributes: values are float64 of shape (3, 3): must be bool of (n, m)"),
    (lambda: s.jaccard(["cat dog"], name="tags"),
     "tags: row 0 is the text 'cat dog', not a collection of tags"),
    (lambda: s.jaccard(np.array([True]), name="tags"),
     "tags: values are bool of shape (1,): must be (n, m)"),
    (lambda: s.common_ancestor(["a/b"], name="taxon"),
     "taxon: row 0 is the text 'a/b', not a path"),
    (lambda: s.cosine(None, name="caption"),
     "caption: a text has no kernel of its own: bring embeddings (n, d) of it, "
     "or make it a category or tags"),
    (lambda: s.cosine(EYE * [1, 0, 1], name="caption"),
     "caption: row 1 is 0: an embedding must have a direction"),
    (lambda: s.cosine(EYE / [1, 1, 0.0], name="caption"),
     "caption: row 0 holds nan: must be finite; say by `unknown` which are missing"),
    (lambda: s.cosine(np.ones(3), name="caption"),
     "caption: values have shape (3,): must be (3, d)"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_values_are_named(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message


def test_a_missing_value_may_hold_anything():
    unknown = np.array([False, True])
    for values in ([1.0, float("nan")], [1.0, float("inf")]):
        s.gaussian(values, unknown=unknown)
        s.cyclic(values, period=24, unknown=unknown)
    s.great_circle([0.0, 999.0], [0.0, float("nan")], unknown=unknown)
    s.equal(np.array([1.0, np.nan]), unknown=unknown)
    s.cosine(np.array([[1.0, 2.0], [0.0, 0.0]]), unknown=unknown)


def test_an_empty_path_is_missing():
    column = s.common_ancestor([("a", "b"), (), ((),)])
    assert column.unknown.tolist() == [False, True, True]
