"""What a data set offers to make clusterings of."""

import numpy as np
import pytest

from clinfonce.config import ClusteringSpec
from clinfonce.data import TRAIN, Column, ImageTable
from clinfonce.errors import InputError
from clinfonce.trial.clusterings import build_clustering
from clinfonce.trial.parts import (
    attribute_names,
    build_trainable,
    clustering_of,
    parts_in,
    parts_of,
)

N = 120
RNG = np.random.default_rng(0)
LABELS = np.arange(N) % 4


def objects(values):
    array = np.empty(N, dtype=object)
    array[:] = values
    return array


@pytest.fixture(scope="module")
def table():
    words = [("red",) * (i % 2) + ("big",) * (i % 3 == 0) + (("odd",) if i == 7 else ())
             for i in range(N)]  # fmt: skip
    paths = [("all", "ab"[i % 2], f"{'ab'[i % 2]}{i % 6 // 2}") for i in range(N)]
    columns = [
        Column("colour", "categorical", RNG.integers(0, 5, N)),
        Column("id", "categorical", np.array([f"i{i}" for i in range(N)])),
        Column("copy", "categorical", LABELS),
        Column("size", "numeric", RNG.normal(size=N)),
        Column("tags", "tags", objects(words)),
        Column("place", "hierarchy", objects(paths)),
    ]
    split = np.repeat([0, 0, 0, 1, 2], N // 5).astype(np.int8)
    images = RNG.integers(0, 256, (N, 1, 4, 4), dtype=np.uint8)
    names = ("w", "x", "y", "z")
    return ImageTable("made", images, LABELS, names, split, {c.name: c for c in columns})


def by_name(table, **options):
    return {part.name: part for part in parts_of(table, **options)}


def test_everything_that_is_information_is_offered(table):
    parts = by_name(table)
    expected = ["colour", "size", "size/4", "size/8", "tags=red", "tags=big", "place:2", "place:3",
                "k-means 10", "k-means 5"]  # fmt: skip
    assert [name for name in parts if name != "k-means 20"] == expected[:8] + [
        name for name in parts if name in expected[8:]
    ]
    assert {"id", "copy", "tags=odd", "place:1"}.isdisjoint(parts)
    assert attribute_names(table) == ["colour", "size"]


def test_what_is_none_is_offered_by_name(table):
    assert {"id", "copy"} <= by_name(table, include=["id", "copy"]).keys()
    assert list(by_name(table, columns=["id"], features=None)) == ["id"]
    with pytest.raises(InputError, match=r"'colr'.*colour"):
        parts_of(table, columns=["colr"])


def test_every_part_and_crossing_makes_the_partition_of_its_name(table):
    parts = by_name(table)
    rows = table.rows(TRAIN)
    tags = [("red" in t, "big" in t) for t in table.columns["tags"].values[rows]]
    places = [p[:2] for p in table.columns["place"].values[rows]]
    colours = table.columns["colour"].values[rows]
    for names, values in (
        (["tags=red"], [red for red, _ in tags]),
        (["place:2"], places),
        (["tags=big", "place:2", "colour"],
         [(big, place, c) for (_, big), place, c in zip(tags, places, colours, strict=True)]),
    ):  # fmt: skip
        spec = clustering_of([parts[name] for name in names])
        ids = build_clustering(ClusteringSpec.model_validate(spec), table).ids
        seen: dict[object, int] = {}
        assert ids.tolist() == [seen.setdefault(value, len(seen)) for value in values]
    for part in parts.values():
        assert build_trainable(clustering_of([part]), table) is not None


def test_clusterings_are_written_in_their_shortest_form_and_found_again(table):
    parts = by_name(table)
    for names, source in (
        ([], "instances"), (["colour"], "attributes"), (["colour", "size"], "attributes"),
        (["place:2"], "hierarchy"), (["k-means 5"], "kmeans"), (["size/4"], "column"),
        (["tags=red"], "crossing"), (["colour", "place:3"], "crossing"),
    ):  # fmt: skip
        spec = clustering_of([parts[name] for name in names])
        assert spec["source"] == source
        found = parts_in(spec, list(parts.values()))
        assert [part.name for part in found] == names
    assert parts_in({"source": "attributes", "attributes": ["id"]}, list(parts.values())) is None
    assert parts_in({"source": "labels"}, list(parts.values())) is None
