"""Splits as data sets come with them, and groups that are never in two of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfonce.data import load, prepare_embeddings
from clinfonce.data.prepared.splits import Splitting, split_of
from clinfonce.data.tables.source import of_texts
from clinfonce.errors import InputError

CODES = {"train": 0, "validation": 1, "test": 2}
CLASSES = ("cat", "dog")


def split(texts, labels=None, *, groups=None, **wanted):
    """The names of the splits, and what is said of them."""
    columns = {"split": texts} if texts is not None else {}
    if groups is not None:
        columns["who"] = groups
        wanted["group"] = "who"
    n = len(next(iter(columns.values())))
    table = of_texts("t.csv", list(columns), list(zip(*columns.values(), strict=True)))
    codes = np.arange(n) % 2 if labels is None else np.array(labels)
    found = split_of(table, codes, CLASSES, Splitting(**wanted))
    names = list(CODES)
    return [names[code] for code in found.codes], " ".join(found.notes)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("train training TRAIN trn", "train"),
        ("validation val valid Dev development devel", "validation"),
        ("test Testing tst eval evaluation holdout", "test"),
    ],
)
def test_words(texts, expected):
    words = texts.split()
    found, notes = split([*words, "train", "train", "val", "test"])
    assert found[: len(words)] == [expected] * len(words)
    assert notes == ""


def test_words_that_are_given():
    found, _ = split(["A", "A", "b", "c", "train"], words={"a": "train", "B": "validation",
                                                           "c": "test"})  # fmt: skip
    assert found == ["train", "train", "validation", "test", "train"]
    with pytest.raises(InputError, match=r"line|row 3: split is 'b', not one of .*--split b=test"):
        split(["train", "train", "b", "test"])
    with pytest.raises(InputError, match="split b=tests: not one of train, validation, test"):
        split(["train", "b"], words={"b": "tests"})


def test_folds():
    found, notes = split([str(i % 5) for i in range(10)])
    assert found == [["train", "train", "train", "validation", "test"][i % 5] for i in range(10)]
    assert "fold 4 tests and fold 3 validates" in notes
    found, notes = split([str(i % 5) for i in range(20)], words={"0": "test"})
    assert found.count("validation") == 4  # a fifth of those that train
    assert [i for i in range(20) if found[i] == "test"] == [0, 5, 10, 15]
    assert notes == ""
    with pytest.raises(InputError, match="split is 0 or 1; say which is which, such as 1=test"):
        split(["0", "1", "0", "1"])


def test_what_validates_tests_where_nothing_does():
    found, notes = split(["train"] * 20 + ["val"] * 6)
    assert found[20:] == ["test"] * 6
    assert found.count("validation") == 4
    assert "nothing tests, so what validates does" in notes


def test_the_only_image_of_a_class_trains_on():
    labels = [0] * 10 + [1] + [0, 1] * 2
    found, _ = split(["train"] * 11 + ["test"] * 4, labels)
    assert found[10] == "train"
    assert found.count("validation") == 2


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["test", "val"], "no image is in the train split"),
        (["train", "train", "test"], "too few training images with a label to validate on some"),
    ],
)
def test_splits_that_are_refused(texts, message):
    labels = list(range(len(texts)))
    with pytest.raises(InputError, match=message):
        split(texts, labels)


def homes(found, groups):
    return {(group, name) for group, name in zip(groups, found, strict=True) if group}


def test_groups_are_kept_together():
    groups = [f"p{i // 4}" for i in range(80)]
    found, notes = split(None, groups=groups)
    assert len(homes(found, groups)) == 20
    assert [found.count(name) for name in CODES] == [40, 16, 24]
    assert notes == ""


def test_rows_without_a_group_are_groups_of_their_own():
    groups = ["", "NA"] * 20 + ["a", "b"] * 4
    found, _ = split(None, groups=groups)
    assert len({name for name, group in zip(found, groups, strict=True) if not group}) == 3


def test_a_class_of_one_group_trains():
    groups = [f"p{i // 4}" for i in range(40)]
    labels = [1 if i < 4 else 0 for i in range(40)]
    found, notes = split(None, labels, groups=groups)
    assert set(found[:4]) == {"train"}
    assert "1 of 2 classes have no image that is in the validation split, such as 'dog'" in notes


def test_validation_is_held_out_by_groups_too():
    groups = [f"p{i // 4}" for i in range(48)]
    found, _ = split(["train"] * 40 + ["test"] * 8, groups=groups)
    assert len(homes(found, groups)) == 12
    assert 4 <= found.count("validation") <= 12


def test_groups_in_two_given_splits_are_counted():
    groups = ["a", "a", "b", "b", "c", "c", "a", "c"]
    texts = ["train", "train", "train", "val", "test", "test", "test", "test"]
    assert "2 groups of 'who' are in more than one split" in split(texts, groups=groups)[1]


def test_images_without_a_label_train():
    groups = [f"p{i // 4}" for i in range(40)]
    labels = [-1 if i % 4 == 0 else i % 2 for i in range(40)]
    found, notes = split(None, labels, groups=groups)
    assert {found[i] for i in range(0, 40, 4)} == {"train"}
    assert "images without a label train, of groups of 'who' that validate or test" in notes


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a"] * 8, "group 'who' is 'a' in every row; there is nothing to keep apart"),
        (["a", "b"] * 4, "group 'who' has 2 values among labelled images; three are needed"),
    ],
)
def test_groups_that_are_refused(groups, message):
    with pytest.raises(InputError, match=message):
        split(None, groups=groups)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 1)), min_size=4, max_size=40))
def test_no_group_is_in_two_splits_and_every_class_trains(rows):
    groups = [f"g{group}" for group, _ in rows]
    labels = [label for _, label in rows]
    try:
        found, _ = split(None, labels, groups=groups)
    except (InputError, ValueError):
        return
    labelled = [i for i, label in enumerate(labels) if label >= 0]
    assert len({(groups[i], found[i]) for i in labelled}) == len({groups[i] for i in labelled})
    assert {labels[i] for i in labelled} == {labels[i] for i in labelled if found[i] == "train"}
    assert {found[i] for i in labelled} == set(CODES)


def test_a_group_column_through_prepare(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("e.npy", np.random.default_rng(0).normal(size=(24, 2)))
    rows = [f"{'ab'[i % 2]},p{i // 3}" for i in range(24)]
    (tmp_path / "t.csv").write_text("\n".join(["label,patient", *rows]))
    prepare_embeddings("t.csv", "e.npy", "out", group="patient")
    table = load("out")
    patients = table.columns["patient"].values.tolist()
    assert len(set(zip(patients, table.split.tolist(), strict=True))) == 8
    with pytest.raises(InputError, match=r"unknown column of .*'doctor'"):
        prepare_embeddings("t.csv", "e.npy", "x", group="doctor")


def test_a_trial_on_an_official_split_that_lacks_classes(tmp_path):
    from PIL import Image

    from clinfonce.config import TrialSpec
    from clinfonce.data import prepare_folder
    from clinfonce.trial.run import run_trial

    (tmp_path / "p").mkdir()
    lines = ["path,label,split"]
    for i in range(30):
        Image.new("RGB", (8, 8), (i * 8, 0, 255)).save(tmp_path / f"p/{i}.png")
        part = "train" if i < 18 else "dev" if i < 24 else "test"
        lines.append(f"{i}.png,{'abc'[i % 3] if i < 18 else 'ab'[i // 24]},{part}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    made = prepare_folder(tmp_path / "p", tmp_path / "t.csv", tmp_path / "out", image_size=8)
    spec = {
        "encoder": {"width": 4}, "head": {"hidden_dim": 8, "out_dim": 4}, "epochs": 1,
        "sampler": {"batch_size": 6}, "augmentation": "digits", "clustering": {"source": "labels"},
    }  # fmt: skip
    result = run_trial(TrialSpec.model_validate(spec), load(made.folder), experiment="official")
    assert result.trial["status"] == "complete"
    assert result.trial["test_linear_top1_all"] is not None
