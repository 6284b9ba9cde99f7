import numpy as np
import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.similarity import combine, differences, equal, gaussian, jaccard
from tests.similarity.kernels import CASES, N

ALL = torch.arange(N)
NAMES = ["differences", "gaussian", "equal"]
UNKNOWN = np.arange(N) % 5 == 2


def columns(names=NAMES, **more):
    return {name: CASES[name].encode(CASES[name].values, **more) for name in names}


def alone(name, **more):
    return combine(columns([name], **more), dtype=torch.float64).weights(ALL, ALL)


@pytest.mark.parametrize("missing", ["apart", "alike", "average"])
def test_a_product_multiplies(missing):
    more = {"unknown": UNKNOWN, "missing": missing}
    found = combine(columns(**more), dtype=torch.float64).weights(ALL, ALL)
    expected = torch.stack([alone(name, **more) for name in NAMES]).prod(0)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("missing", ["apart", "alike", "average"])
def test_a_sum_weighs(missing):
    more = {"unknown": UNKNOWN, "missing": missing}
    one = combine(
        columns(**more), by="sum", weights={"gaussian": 3, "equal": 0}, dtype=torch.float64
    )
    expected = (alone("differences", **more) + 3 * alone("gaussian", **more)) / 4
    torch.testing.assert_close(one.weights(ALL, ALL), expected)
    assert len(one.columns) == 2


def test_images_must_be_alike_in_every_column_to_share_a_profile():
    one = combine({"a": equal([0, 0, 1, 1, 0]), "b": equal([5, 6, 5, 5, 5])})
    assert one.profiles.tolist() == [0, 1, 2, 2, 0]


def test_categories_alone_are_a_partition():
    colours, shapes = equal(["r", "r", "g", "r"]), equal([1, 1, 1, 2])
    one = combine({"colour": colours, "shape": shapes})
    assert one.partition
    assert one.weights(torch.arange(4), torch.arange(4)).tolist() == [
        [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1],
    ]  # fmt: skip
    assert not combine({"colour": colours, "shape": shapes}, by="sum").partition
    assert combine({"colour": colours}, by="sum").partition
    softened = equal(["r", "r", "g"], unknown=np.array([0, 0, 1], bool), missing="average")
    assert not combine({"colour": softened}).partition


def test_soft_categories_multiply_to_differences():
    values = np.random.default_rng(0).random((20, 4)) < 0.5
    rows = torch.arange(20)
    whole = combine({"all": differences(values, bandwidth=0.7)}).weights(rows, rows)
    parts = {str(i): equal(values[:, i], bandwidth=0.7) for i in range(4)}
    torch.testing.assert_close(combine(parts).weights(rows, rows), whole)


def test_values_without_spread_are_alike_and_ties_do_not_hide_it():
    rows = torch.arange(6)
    constant = combine({"x": gaussian([3.0] * 6)}).weights(rows, rows)
    assert constant.eq(1).all()
    tied = combine({"x": gaussian([7.0, 7, 7, 7, 7, 9])}).weights(rows, rows)
    assert tied[0, 5] == pytest.approx(np.exp(-((2 / 0.7453559924999299) ** 2) / 2))


def test_a_wild_value_does_not_widen_the_others():
    values = np.arange(100.0)
    wild = np.append(values, 1e9)
    pairs = torch.tensor([0]), torch.tensor([50])
    one, other = (combine({"x": gaussian(v)}).weights(*pairs) for v in (values, wild))
    assert float(other) == pytest.approx(float(one), rel=0.05)


def test_a_tag_that_all_have_is_worth_nothing_by_idf():
    tags = [("photo", "cat"), ("photo", "dog"), ("photo",), ("photo", "cat", "rare")]
    rows = torch.arange(4)
    found = combine({"tags": jaccard(tags, idf=True)}, dtype=torch.float64).weights(rows, rows)
    assert found[0, 1] == 0
    cat, rare = np.log(2), np.log(4)
    assert found[0, 3] == pytest.approx(cat / (cat + rare))
    plain = combine({"tags": jaccard(tags)}).weights(rows, rows)
    assert plain[0, 1] == pytest.approx(1 / 3)


BAD = [
    (lambda: combine({}), "similarity: columns are empty: at least one is needed"),
    (lambda: combine({"a": equal([])}), "similarity: columns have no images"),
    (
        lambda: combine({"a": equal([1]), "b": equal([1, 2])}),
        "similarity: columns differ in length: {'a': 1, 'b': 2}",
    ),
    (
        lambda: combine({"a": equal([1])}, by="mean"),
        "similarity: by is 'mean': must be 'product' or 'sum'",
    ),
    (
        lambda: combine({"a": equal([1])}, by="sum", weights={"a": 0}),
        "similarity: all weights are 0: at least one must be above",
    ),
    (
        lambda: combine({"a": equal([1])}, by="sum", weights={"a": -1}),
        "similarity: weight of 'a' is -1: must be finite and 0 or above",
    ),
    (
        lambda: combine({"a": equal([1])}, by="sum", weights={"a": float("nan")}),
        "similarity: weight of 'a' is nan: must be finite and 0 or above",
    ),
    (
        lambda: combine({"a": equal([1])}, by="sum", weights={"b": 1}),
        "similarity: weight of 'b', which is none of ['a']",
    ),
    (
        lambda: combine({"a": equal([1])}, weights={"a": 1}),
        "similarity: weights go with by='sum'; in a product choose bandwidths",
    ),
    (
        lambda: combine({"a": equal([1, 2])}).weights(torch.tensor([0]), torch.tensor([2])),
        "images are 2 to 2: must be 0 to 1",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_combinations_are_named(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message
