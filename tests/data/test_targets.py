"""Several targets of one data set: classes, labels, numbers, each missing on some images."""

import dataclasses
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from clinfonce.cli import main
from clinfonce.data import ImageTable, Target, load, prepare_embeddings
from clinfonce.errors import InputError

N = 24
VECTORS = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
SPLIT = ["train"] * 12 + ["validation"] * 6 + ["test"] * 6
COLUMNS = {
    "split": SPLIT,
    "label": [["cat", "dog"][i % 2] for i in range(N)],
    "sex": ["", *(["f", "m"][i // 2 % 2] for i in range(1, N - 1)), "NA"],
    "tags": [["a|b", "b", "a", ""][i % 4] for i in range(N)],
    "price": ["" if i == 7 else f"{i / 2}" for i in range(N)],
    "near": [["1", "0"][i % 3 == 0] for i in range(N)],
    "far": ["" if i == 5 else ["yes", "no"][i % 2] for i in range(N)],
    "colour": [["red", "blue"][i % 5 == 0] for i in range(N)],
}


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """A function from changes of the table and options to the data set, loaded."""
    monkeypatch.chdir(tmp_path)
    np.save("e.npy", VECTORS)

    def prepare(changes=None, out="out", **options):
        columns = {k: v for k, v in (COLUMNS | (changes or {})).items() if v is not None}
        lines = [",".join(row) for row in zip(*columns.values(), strict=True)]
        (tmp_path / "t.csv").write_text("\n".join([",".join(columns), *lines]))
        prepare.made = prepare_embeddings("t.csv", "e.npy", out, **options)
        return load(out)

    return prepare


ALL = ["sex", "tags:multilabel", "price:number", "place=near,far"]


def test_targets_arrive(prepare):
    table = prepare(targets=ALL)
    assert {name: target.kind for name, target in table.targets.items()} == {
        "label": "class", "sex": "class", "tags": "multilabel", "price": "number",
        "place": "multilabel",
    }  # fmt: skip
    assert list(table.columns) == ["colour"]
    assert table.targets["label"].values is table.labels
    assert table.label_names == ("cat", "dog")
    sex, tags, price, place = (table.targets[name] for name in ("sex", "tags", "price", "place"))
    assert sex.names == ("f", "m")
    assert sex.values.tolist() == [-1, *(i // 2 % 2 for i in range(1, N - 1)), -1]
    assert sex.known.sum() == N - 2
    assert tags.names == ("a", "b")
    assert tags.values.tolist() == [[i % 4 in (0, 2), i % 4 in (0, 1)] for i in range(N)]
    assert tags.known.tolist() == [i % 4 < 3 for i in range(N)]
    assert np.flatnonzero(~price.known).tolist() == [7]
    assert price.values[8] == 4.0
    assert place.names == ("near", "far")
    assert place.values[1].tolist() == [True, False]
    assert np.flatnonzero(~place.known).tolist() == [5]


def test_they_are_written_and_sent_as_they_are(prepare):
    table, made = prepare(targets=ALL), prepare.made.table
    for other in (made, pickle.loads(pickle.dumps(table))):
        assert other.fingerprint == table.fingerprint
        assert list(other.targets) == list(table.targets)
        assert other.targets["label"].values is other.labels
        for name, target in table.targets.items():
            np.testing.assert_array_equal(other.targets[name].values, target.values)
            assert other.targets[name].known.tolist() == target.known.tolist()
            assert other.targets[name].names == target.names
    stored = table.fingerprint
    del table.__dict__["fingerprint"]
    assert table.fingerprint == stored


def test_the_fingerprint_covers_them(prepare):
    prints = {
        prepare(out="a").fingerprint,
        prepare(out="b", targets=["price"]).fingerprint,
        prepare({"price": [str(i + 1) for i in range(N)]}, out="c",
                targets=["price:number"]).fingerprint,
        prepare(out="d", targets=["sex"]).fingerprint,
    }  # fmt: skip
    assert len(prints) == 4


def test_the_first_class_target_is_the_label_if_there_is_no_column_of_that_name(prepare):
    table = prepare({"label": None}, targets=["price", "sex:class", "colour:class"])
    assert list(table.targets) == ["price", "sex", "colour"]
    assert table.label_names == ("f", "m")
    assert table.targets["sex"].values is table.labels
    again = prepare({"label": None}, out="b", targets=["price"])
    assert again.labels is None
    assert list(again.targets) == ["price"]


def test_kinds_are_suggested_by_the_values(prepare):
    table = prepare(targets=["price", "tags", "near", "colour"])
    kinds = [target.kind for target in table.targets.values()]
    assert kinds == ["class", "number", "multilabel", "class", "class"]


def test_typed_columns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = {
        "label": COLUMNS["label"],
        "tags": [[["a/b", "c"], ["c"], None][i % 3] for i in range(N)],
        "age": [None if i == 3 else i for i in range(N)],
        "e": list(VECTORS),
    }
    pyarrow.parquet.write_table(pa.table(columns), "t.parquet")
    prepare_embeddings("t.parquet", "e", "out", targets=["tags", "age:number"])
    targets = load("out").targets
    assert targets["tags"].names == ("a/b", "c")
    assert targets["tags"].known.tolist() == [i % 3 < 2 for i in range(N)]
    assert np.flatnonzero(~targets["age"].known).tolist() == [3]


def every(value):
    return [value] * N


@pytest.mark.parametrize(
    ("changes", "targets", "message"),
    [
        ({"price": every("3")}, ["price:number"], "target 'price' is 3 in every row"),
        ({"price": ["1.5"] * 12 + ["2.5"] * 12}, ["price"], "'price' has one value in the"),
        ({"price": ["cheap", *COLUMNS["price"][1:]]}, ["price:number"], "line 2: price is 'cheap'"),
        ({"colour": every("red")}, ["colour:class"], "every colour is 'red'"),
        ({"sex": [*["f", "m"] * 11, "x", "x"]}, ["sex"],
         "1 classes of 'sex', such as 'x', are in the test split alone"),
        ({"tags": [["a", "b"][i % 2] for i in range(N)]}, ["tags:multilabel"],
         "'tags' has no row of several labels.*tags:class"),
        ({"tags": every("a|b")}, ["tags"], "'tags' has the same labels in every row"),
        ({"tags": [["a|", ""][i % 2] for i in range(N)]}, ["tags"], "'tags' has 1 labels; two"),
        ({"near": every("1"), "far": every("no")}, ["x=near,far"], "'x' has the same labels in ev"),
        ({"near": every("2")}, ["x=near,far"], "line 2: near is '2', not boolean"),
        ({"price": [*map(str, range(18)), *[""] * 6]}, ["price:number"], "no value in the test"),
        ({"sex": every("")}, ["sex:class"], "not one sex"),
        ({}, ["prize"], "unknown column of .*'prize'; did you mean 'price'"),
        ({}, ["x=near,afar"], "unknown column of .*'afar'; did you mean 'far'"),
        ({}, ["price:money"], "kind 'money' is none of class, multilabel, number"),
        ({}, ["x:multilabel=near,far"],
         "columns stand before the kind: x=near,far:multilabel"),
        ({}, ["x=near,far:number"], "several columns make a multilabel target, not number"),
        ({}, ["price", "price:class"], "target 'price' is asked for twice"),
    ],
)  # fmt: skip
def test_mistakes_take_one_line(prepare, tmp_path, changes, targets, message):
    with pytest.raises(InputError, match=message) as caught:
        prepare(changes, targets=targets)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_does_not_fit_is_counted(prepare):
    changes = {"price": ["cheap", *COLUMNS["price"][1:]], "sex": [*["f", "m"] * 11, "x", "x"]}
    table = prepare(changes, targets=["price:number", "sex"], skip_bad=True)
    assert prepare.made.skipped == {"unfit value": 1, "class without a training image": 2}
    assert np.flatnonzero(~table.targets["price"].known).tolist() == [0, 7]
    assert table.targets["sex"].names == ("f", "m")
    assert np.flatnonzero(~table.targets["sex"].known).tolist() == [N - 2, N - 1]


def test_what_a_split_lacks_is_said(prepare):
    label = ["cat"] * 4 + ["dog"] * 4 + ["eel"] * 4 + ["cat"] * 6 + ["dog", "eel"] * 3
    tags = ["a|b", "b|c"] * 6 + ["a|b", "b"] * 6
    table = prepare({"label": label, "tags": tags}, targets=["tags"])
    notes = "\n".join(prepare.made.notes)
    assert "label: the validation split has no image of 2 of 3 classes, such as 'dog'" in notes
    assert "label: the test split has no image of 1 of 3 classes, such as 'cat'" in notes
    assert "tags: the test split has no image of 1 of 3 labels, such as 'c'" in notes
    assert table.label_names == ("cat", "dog", "eel")


def test_an_image_needs_one_of_the_targets_to_evaluate(prepare):
    label = ["cat", "dog"] * 10 + ["", "", "cat", "dog"]
    with pytest.raises(InputError, match="line 22: '20' has no label, and is in the split 'test'"):
        prepare({"label": label})
    table = prepare({"label": label}, targets=["sex"])
    assert table.n_unlabelled == 2


def test_the_command(prepare, capsys):
    prepare()
    command = ["prepare", "embeddings", "--table", "t.csv", "--embeddings", "e.npy", "--out", "x"]
    assert main([*command, "--target", "sex", "--target", "price:number"]) == 0
    assert list(load("x").targets) == ["label", "sex", "price"]
    shown = capsys.readouterr().out
    assert "targets: label (2 classes), sex (2 classes, 22 images), price (a number" in shown
    assert main(["information", "x/table.parquet", "--clusters", "all", "--label", "label"]) == 0
    assert "target:price" not in capsys.readouterr().out


def make(**changes):
    given = {
        "name": "toy", "images": VECTORS, "labels": np.arange(N) % 2, "label_names": ("a", "b"),
        "split": np.repeat(np.array([0, 1, 2], np.int8), 8),
    }  # fmt: skip
    return ImageTable(**(given | changes))


def test_tables_in_memory():
    number = Target("age", "number", np.arange(N) / 2)
    table = make(targets={"age": number})
    assert list(table.targets) == ["label", "age"]
    other = dataclasses.replace(table, labels=1 - table.labels)
    assert other.targets["label"].values.tolist() == (1 - table.labels).tolist()
    none = dataclasses.replace(table, labels=None, label_names=())
    assert list(none.targets) == ["age"]
    assert len({table.fingerprint, make().fingerprint, other.fingerprint}) == 3
    with pytest.raises(TypeError):
        table.targets["x"] = number


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": {"b": Target("a", "number", np.zeros(N))}}, "'a' is filed under 'b'"),
        ({"targets": {"a": Target("a", "number", np.zeros(3))}}, "'a' has 3 values for 24 images"),
        (
            {"labels": None, "label_names": (),
             "targets": {"a": Target("a", "class", np.zeros(N, np.int64), ("x",))}},
            "the labels must be those of 'a'",
        ),
    ],
)  # fmt: skip
def test_tables_that_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("kind", "values", "more", "message"),
    [
        ("colour", np.zeros(3), {}, "kind 'colour' is not one of"),
        ("class", np.zeros(3), {}, r"class values must be .n,. int64, got .3,. float64"),
        ("class", np.array([0, 2, -1]), {"names": ("a", "b")}, r"2 at row 1 is not in 0\.\.1"),
        ("number", np.zeros(3, np.float32), {}, "float64, got .3,. float32"),
        ("number", np.array([0, np.inf]), {}, "inf at row 1"),
        ("multilabel", np.zeros((3, 2), bool), {"names": ("a",)}, r"must be .n, 1. bool, got"),
        ("number", np.zeros(3), {"missing": np.zeros(3, bool)}, "of a multilabel target alone"),
        ("multilabel", np.zeros((3, 1), bool), {"names": ("a",), "missing": np.zeros(2, bool)},
         "missing is .3,. bool"),
    ],
)  # fmt: skip
def test_targets_that_are_refused(kind, values, more, message):
    with pytest.raises(InputError, match=message):
        Target("t", kind, values, **more)
