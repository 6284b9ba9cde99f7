"""Attribute clusterings against a dictionary of tuples, and their granularity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.clusterings import from_attributes
from clinfonce.data import TRAIN, attributes, load
from clinfonce.errors import InputError
from clinfonce.information import entropy, measure

TABLES = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 3), min_size=width, max_size=width), min_size=1)
)


def as_mapping(rows):
    return {f"a{i}": np.array(values) for i, values in enumerate(zip(*rows, strict=True))}


@given(TABLES)
def test_same_code_same_cluster(rows):
    seen = {}
    expected = [seen.setdefault(tuple(row), len(seen)) for row in rows]
    found = from_attributes(as_mapping(rows))
    assert found.ids.tolist() == expected


@given(TABLES, st.randoms(use_true_random=False))
def test_order_of_names_does_not_matter(rows, random):
    table = as_mapping(rows)
    names = list(table)
    random.shuffle(names)
    shuffled = from_attributes(table, names=names)
    assert shuffled.clustering_id == from_attributes(table).clustering_id


def test_top_k_is_by_entropy_then_name():
    table = {
        "rare": np.array([0, 0, 0, 0, 0, 0, 0, 1]),
        "half_b": np.array([0, 1, 0, 1, 0, 1, 0, 1]),
        "half_a": np.array([1, 1, 1, 1, 0, 0, 0, 0]),
        "quarters": np.array([0, 1, 2, 3, 0, 1, 2, 3]),
    }
    expected = ["quarters", "half_a", "half_b", "rare"]
    for k in range(1, 5):
        found = from_attributes(table, top_k=k)
        assert found.provenance == {
            "source": "attributes",
            "attributes": expected[:k],
            "top_k": k,
        }
        assert found.name == f"top-{k} attributes"


def test_many_values_do_not_overflow():
    """Sixty attributes of ten values span 10^60 codes."""
    rng = np.random.default_rng(0)
    table = {f"a{i}": rng.integers(0, 10, 500) for i in range(60)}
    table["large"] = rng.integers(0, 2**62, 500)
    assert from_attributes(table).n_clusters == 500
    assert from_attributes({"a": np.array([2**62, 0, 2**62])}).ids.tolist() == [0, 1, 0]


def test_names_say_what_was_taken():
    table = {f"a{i}": np.arange(4) for i in range(9)}
    assert from_attributes(table, names=["a1", "a0"]).name == "attributes(a1, a0)"
    assert from_attributes(table, top_k=3).name == "top-3 attributes"
    assert from_attributes(table).name == "9 attributes(a0, a1, a2, a3, a4, …)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["a"], "top_k": 1}, "not both"),
        ({"names": []}, "at least one attribute is needed"),
        ({"names": ["al"]}, r"unknown attribute: 'al'; did you mean 'a'\?"),
        ({"top_k": 0}, r"top_k must be in 1\.\.3, got 0"),
        ({"top_k": 4}, r"top_k must be in 1\.\.3, got 4"),
        ({"names": ["a", "short"]}, "'short' has 2 values, 'a' has 3"),
        ({"names": ["a", "size"]}, "attribute 'size' must be integers, got float64"),
    ],
)
def test_refusals(options, message):
    table = {"a": np.array([0, 1, 1]), "short": np.array([0, 1]), "size": np.array([0.1, 1, 2])}
    with pytest.raises(InputError, match=message):
        from_attributes(table, **options)


def test_digit_facts_tell_the_digits_apart():
    table = load("digits")
    rows = table.rows(TRAIN)
    labels = table.labels[rows]
    facts = attributes(table, rows, [f"segment_{s}" for s in "abcdefg"])
    found = from_attributes(facts)
    assert found.clustering_id == from_attributes({"label": labels}).clustering_id
    pixels = attributes(table, rows, ["ink", "slant", "width", "mass_height", "symmetry"])
    assert 0.4 < measure(from_attributes(pixels).ids, labels).i_zt_excess < entropy(labels)
