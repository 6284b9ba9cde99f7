"""Columns that are no information: what is named, what is left out, and what is not."""

import numpy as np
import pytest

from clinfonce.data import TEST, TRAIN, UNLABELLED, Column
from clinfonce.information.cautions import column_cautions, left_out, told

N = 1200
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 10, N)
SPLIT = np.where(np.arange(N) % 5 == 4, TEST, TRAIN).astype(np.int8)


def categorical(name, codes):
    return Column(name, "categorical", np.asarray(codes, dtype=np.int64))


def found(*columns, labels=LABELS, split=SPLIT):
    return column_cautions({c.name: c for c in columns}, labels, split)


def why(*columns, **options):
    return {caution.name: caution.why for caution in found(*columns, **options)}


def by_loop(clusters, labels):
    """The label of each image told from the other images of its cluster."""
    right = 0
    for i in range(len(labels)):
        others = [labels[j] for j in range(len(labels)) if j != i and clusters[j] == clusters[i]]
        counts = {label: others.count(label) for label in others}
        most = max(counts.values(), default=0)
        right += [label for label, count in counts.items() if count == most] == [labels[i]]
    commonest = max(labels.count(label) for label in labels) / len(labels)
    return (right / len(labels) - commonest) / (1 - commonest)


@pytest.mark.parametrize("seed", range(5))
def test_told_is_what_a_plain_loop_finds(seed):
    rng = np.random.default_rng(seed)
    clusters, labels = rng.integers(0, 15, 60), rng.integers(0, 4, 60)
    assert told(clusters, labels) == pytest.approx(by_loop(clusters.tolist(), labels.tolist()))


def test_identifiers_are_told_from_categories():
    tracks = RNG.permutation(N) // 4
    columns = [
        Column("id", "categorical", np.array([f"image {i}" for i in range(N)])),
        categorical("track", tracks),
        Column("row", "numeric", np.arange(N, dtype=float)),
        Column("width", "numeric", RNG.normal(size=N)),
        categorical("place", RNG.integers(0, 60, N)),
    ]
    assert why(*columns) == {"id": "identifier", "track": "identifier", "row": "identifier"}
    (_, track, _) = found(*columns)
    assert "nearly an identifier, 300 values of 960 training images" in track.text
    assert "share theirs with a training image" in track.text


def test_as_fine_as_the_label_is_no_identifier():
    labels = RNG.permutation(N) // 6
    alike = RNG.permutation(N) // 7
    assert why(categorical("other", alike), labels=labels) == {}


def test_the_label_and_what_tells_it_are_named():
    nearly = np.where(RNG.random(N) < 0.02, RNG.integers(0, 10, N), LABELS)
    noisy = np.where(RNG.random(N) < 0.3, RNG.integers(0, 10, N), LABELS)
    columns = [
        categorical("copy", 9 - LABELS),
        categorical("nearly", nearly),
        categorical("finer", LABELS * 4 + RNG.integers(0, 4, N)),
        Column("number", "numeric", LABELS * 1.5),
        categorical("noisy", noisy),
        categorical("coarser", LABELS // 2),
    ]
    named = why(*columns)
    assert named == {
        "copy": "label", "nearly": "label", "finer": "label", "number": "label",
        "coarser": "of the label",
    }  # fmt: skip
    assert set(left_out(found(*columns))) == {"copy", "nearly", "finer", "number"}


def test_labels_of_held_out_images_are_not_looked_at():
    """Only training images agree with the label; then none does."""
    agrees = np.where(SPLIT == TRAIN, LABELS, RNG.integers(0, 10, N))
    assert why(categorical("agrees", agrees)) == {"agrees": "label"}
    differs = np.where(SPLIT == TRAIN, RNG.integers(0, 10, N), LABELS)
    assert why(categorical("differs", differs)) == {}


def test_constants_copies_and_what_the_split_explains():
    place, flag = RNG.integers(0, 7, N), RNG.random(N) < 0.3
    columns = [
        categorical("one", np.zeros(N)),
        categorical("fold", SPLIT),
        categorical("place", place),
        categorical("same", (place * 3) % 7 + 1),
        Column("flag", "boolean", flag),
        Column("not flag", "boolean", ~flag),
        Column("centimetres", "numeric", place * 2.54),
    ]
    assert why(*columns) == {
        "one": "constant", "fold": "split", "same": "copy", "not flag": "copy",
        "centimetres": "copy",
    }  # fmt: skip
    assert "as place" in found(*columns)[2].text


def test_a_missing_value_is_a_value():
    missing = RNG.random(N) < 0.5
    column = Column("sparse", "categorical", np.array(["x"] * N), missing)
    assert why(column) == {}
    assert why(Column("none", "categorical", np.array(["x"] * N))) == {"none": "constant"}


def test_levels_of_a_hierarchy_are_judged_one_by_one():
    paths = np.empty(N, dtype=object)
    paths[:] = [
        ("all", f"group {t // 5}", f"class {t}", f"image {i}") for i, t in enumerate(LABELS)
    ]
    hierarchy = Column("path", "hierarchy", paths)
    assert why(hierarchy) == {
        "path, level 1": "constant", "path, level 2": "of the label", "path, level 3": "label",
        "path, level 4": "identifier",
    }  # fmt: skip
    assert left_out(found(hierarchy)) == {"path": {1, 3, 4}}


def test_groups_that_tell_the_label_and_are_in_two_splits_are_said_but_kept():
    patients = LABELS * 10 + RNG.integers(0, 6, N)
    noisy = np.where(RNG.random(N) < 0.3, RNG.integers(0, 100, N), patients)
    (caution,) = found(categorical("patient", noisy))
    assert (caution.why, caution.left_out) == ("leak", False)
    assert "--group" in caution.text
    whole = column_cautions({"patient": categorical("patient", noisy)}, LABELS, None)
    assert whole == ()


def test_without_labels_and_with_few():
    columns = (categorical("copy", LABELS), categorical("id", np.arange(N)))
    assert why(*columns, labels=None) == {"id": "identifier"}
    few = np.where(np.arange(N) < 10, LABELS, UNLABELLED)
    assert why(*columns, labels=few) == {"id": "identifier"}


def test_a_million_rows_take_seconds():
    n = 200_000
    rng = np.random.default_rng(1)
    columns = [categorical(f"c{i}", rng.integers(0, 2 + i, n)) for i in range(5)]
    columns.append(categorical("id", rng.permutation(n)))
    split = np.where(np.arange(n) % 5 == 4, TEST, TRAIN).astype(np.int8)
    assert why(*columns, labels=rng.integers(0, 10, n), split=split) == {"id": "identifier"}
