"""ImageTable: what it refuses, how it discretises, what its fingerprint sees."""

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.data import TEST, TRAIN, VALIDATION, Column, ImageTable, attributes, load
from clinfonce.errors import InputError

SPLIT = np.array([0, 0, 0, 0, 1, 1, 2, 2], dtype=np.int8)


def make(**changes):
    given = {
        "name": "toy",
        "images": np.arange(8 * 12, dtype=np.uint8).reshape(8, 3, 2, 2),
        "labels": np.array([0, 1, 0, 1, 0, 1, 0, 1]),
        "label_names": ("cat", "dog"),
        "split": SPLIT,
    }
    return ImageTable(**(given | changes))


def with_column(kind, values, missing=None, **more):
    column = Column("c", kind, np.asarray(values), missing, **more)
    return make(columns={"c": column})


def test_rows_are_ascending_and_complete():
    table = make(split=np.array([2, 0, 1, 0, 1, 0, 0, 2], dtype=np.int8), labels=None)
    assert table.rows(TRAIN).tolist() == [1, 3, 5, 6]
    assert table.rows(VALIDATION).tolist() == [2, 4]
    assert table.rows(TEST).tolist() == [0, 7]
    assert table.rows(TRAIN).dtype == np.int64
    assert len(table) == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((8, 2, 2), np.uint8)}, r"\(n, c, h, w\) uint8, got \(8, 2, 2\)"),
        ({"images": np.zeros((8, 1, 2, 2), np.float32)}, "got .* float32"),
        ({"images": np.zeros((0, 1, 2, 2), np.uint8)}, "no images"),
        ({"split": SPLIT[:7]}, r"split must be \(8,\) int8"),
        ({"split": SPLIT.astype(np.int64)}, "split must be .* got .* int64"),
        ({"split": np.array([0, 0, 0, 0, 1, 1, 2, 3], np.int8)}, "split 3 at row 7"),
        ({"split": np.ones(8, np.int8), "labels": None}, "no image is in the train split"),
        ({"labels": np.zeros(7, np.int64)}, r"labels must be \(8,\) int64"),
        ({"labels": np.zeros(8, np.float64)}, "got .* float64"),
        ({"labels": np.array([0, 1, 0, 1, 0, 1, 0, 2])}, r"label 2 at row 7 is not in 0\.\.1"),
        ({"labels": np.array([0, 1, -2, 1, 0, 1, 0, 1])}, r"label -2 at row 2 is not in 0\.\.1"),
        (
            {"labels": np.array([0, 0, 0, 0, 0, 1, 0, 1])},
            "train split has no labelled image of class 'dog'",
        ),
        (
            {"labels": np.array([0, 1, 0, 1, 0, 1, -1, -1])},
            "the test split has no labelled image",
        ),
    ],
)
def test_refuses_what_does_not_fit(changes, message):
    with pytest.raises(InputError, match=message):
        make(**changes)


def test_a_split_may_lack_a_class_and_an_image_its_label():
    table = make(labels=np.array([0, 1, -1, 1, 0, -1, 1, 1]))
    assert table.n_unlabelled == 2
    assert table.targets["label"].known.tolist() == [
        True,
        True,
        False,
        True,
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("kind", "values", "missing", "message"),
    [
        ("colour", [1], None, "kind 'colour' is not one of"),
        ("boolean", [0, 1], None, r"boolean values must be \(n,\) bool"),
        ("numeric", [1, 2], None, "float64"),
        ("categorical", [1.5], None, "int64 or str"),
        ("tags", ["a"], None, "tuples of str"),
        ("numeric", [0.0, np.nan], None, "column 'c': nan at row 1"),
        ("numeric", [0.0, np.inf], np.array([True, False]), "inf at row 1"),
        ("numeric", [0.0, 1.0], np.array([True]), r"missing must be \(2,\) bool"),
    ],
)
def test_column_refuses_values_of_another_kind(kind, values, missing, message):
    with pytest.raises(InputError, match=message):
        Column("c", kind, np.asarray(values), missing)


def test_column_of_another_length_or_name():
    short = Column("c", "boolean", np.zeros(7, bool))
    with pytest.raises(InputError, match="column 'c' has 7 values for 8 images"):
        make(columns={"c": short})
    with pytest.raises(InputError, match="'c' is filed under 'd'"):
        make(columns={"d": short})
    with pytest.raises(InputError, match="level 'pixel'"):
        Column("c", "boolean", np.zeros(8, bool), level="pixel")


def test_columns_cannot_be_changed_from_outside():
    columns = {"c": Column("c", "boolean", np.zeros(8, bool))}
    table = make(columns=columns)
    columns.clear()
    assert list(table.columns) == ["c"]
    with pytest.raises(TypeError):
        table.columns["d"] = table.columns["c"]


def test_median_split_uses_training_rows_only():
    table = with_column("numeric", [1.0, 2.0, 3.0, 4.0, 100.0, 100.0, 100.0, -5.0])
    assert table.attribute("c").tolist() == [0, 0, 1, 1, 1, 1, 1, 0]
    assert table.attribute("c", bins=4).tolist() == [0, 1, 2, 3, 3, 3, 3, 0]


def test_ties_are_cut_at_the_most_even_place():
    heavy_top = with_column("numeric", [1.0, 9.0, 9.0, 9.0, 1.0, 9.0, 1.0, 9.0])
    heavy_bottom = with_column("numeric", [1.0, 1.0, 1.0, 9.0, 1.0, 9.0, 1.0, 9.0])
    flat = with_column("numeric", np.ones(8))
    assert heavy_top.attribute("c").tolist() == [0, 1, 1, 1, 0, 1, 0, 1]
    assert heavy_bottom.attribute("c").tolist() == [0, 0, 0, 1, 0, 1, 0, 1]
    assert flat.attribute("c", bins=3).tolist() == [0] * 8


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4), st.integers(2, 6))
def test_bins_keep_the_order_of_values(values, bins):
    column = np.array(values * 2)
    codes = with_column("numeric", column).attribute("c", bins)
    order = np.argsort(column, kind="stable")
    assert (np.diff(codes[order]) >= 0).all()
    assert codes.max() < bins
    assert len(np.unique(codes)) == 1 or len(np.unique(column[:4])) > 1


def test_missing_is_a_value_of_its_own():
    missing = np.array([True, False, False, False, True, False, False, False])
    numeric = with_column("numeric", [np.nan, 1.0, 2.0, 3.0, np.nan, 1.0, 2.0, 3.0], missing)
    codes = numeric.attribute("c")
    assert codes[0] == codes[4] == 2
    assert set(codes[~missing].tolist()) == {0, 1}
    words = with_column("categorical", np.array(["", "b", "a", "b", "", "a", "a", "c"]), missing)
    assert words.attribute("c").tolist() == [3, 1, 0, 1, 3, 0, 0, 2]
    flags = with_column("boolean", [False, True, True, True, False, True, True, True], missing)
    assert flags.attribute("c").tolist() == [1, 0, 0, 0, 1, 0, 0, 0]
    nothing = with_column("boolean", np.zeros(8, bool), np.ones(8, bool))
    assert nothing.attribute("c").tolist() == [0] * 8


def test_attributes_takes_every_single_valued_column():
    tags = np.empty(8, dtype=object)
    tags[:] = [("x",)] * 8
    columns = [
        Column("flag", "boolean", np.arange(8) > 3),
        Column("tags", "tags", tags),
        Column("size", "numeric", np.arange(8.0)),
    ]
    table = make(columns={c.name: c for c in columns})
    found = attributes(table, table.rows(TRAIN), bins=4)
    assert {k: v.tolist() for k, v in found.items()} == {"flag": [0] * 4, "size": [0, 1, 2, 3]}
    assert all(v.dtype == np.int64 for v in found.values())
    assert list(attributes(table, table.rows(TEST), ["size"])) == ["size"]
    with pytest.raises(InputError, match=r"'sise'; did you mean 'size'\? \(known: flag, tags"):
        attributes(table, table.rows(TRAIN), ["sise"])
    with pytest.raises(InputError, match=r"'tags' holds tags, .* clusterings.from_tags"):
        attributes(table, table.rows(TRAIN), ["tags"])
    with pytest.raises(InputError, match="bins must be at least 2, got 1"):
        attributes(table, table.rows(TRAIN), ["size"], bins=1)


def test_fingerprint_sees_every_part():
    flag = Column("c", "boolean", np.arange(8) > 3)
    base = make(columns={"c": flag})
    other_images = base.images.copy()
    other_images[7, 2, 1, 1] += 1
    changed = [
        make(columns={"c": flag}, images=other_images),
        make(columns={"c": flag}, images=base.images.reshape(8, 3, 4, 1)),
        make(columns={"c": flag}, labels=1 - base.labels),
        make(columns={"c": flag}, labels=None),
        make(columns={"c": flag}, label_names=("cat", "cow")),
        make(columns={"c": flag}, split=np.array([0, 0, 0, 0, 2, 2, 1, 1], np.int8)),
        make(),
        make(columns={"c": dataclasses.replace(flag, values=~flag.values)}),
        make(columns={"c": dataclasses.replace(flag, missing=flag.values)}),
        make(columns={"d": dataclasses.replace(flag, name="d")}),
    ]
    prints = {table.fingerprint for table in [base, *changed]}
    assert len(prints) == len(changed) + 1
    assert all(len(p) == 16 for p in prints)
    same = make(columns={"c": flag}, images=np.asfortranarray(base.images))
    assert same.fingerprint == base.fingerprint


def test_pickles_whole():
    flag = Column("c", "boolean", np.arange(8) > 3)
    table = make(columns={"c": flag})
    again = pickle.loads(pickle.dumps(table))
    assert again.fingerprint == table.fingerprint
    assert again.columns["c"].values.tolist() == flag.values.tolist()


def test_a_table_that_gained_columns_may_keep_its_fingerprint():
    table = load("digits")
    names = list(table.columns)
    kept = {name: table.columns[name] for name in names[:-2]}
    before = dataclasses.replace(table, columns=kept)
    again = table.with_more_columns_than(before.fingerprint, names[:-2])
    assert again.fingerprint == before.fingerprint != table.fingerprint
    assert pickle.loads(pickle.dumps(again)).fingerprint == before.fingerprint
    assert list(again.columns) == names
    other = dataclasses.replace(before, split=np.roll(before.split, 1))
    assert table.with_more_columns_than(other.fingerprint, names[:-2]) is table
    assert table.with_more_columns_than(before.fingerprint, [*names, "gone"]) is table
