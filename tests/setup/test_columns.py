"""Which columns a first search uses, and why others are left out."""

import numpy as np
import pytest

from clinfonce.data import Column, ImageTable
from clinfonce.setup.columns import candidates

N = 40


def texts(*values):
    return np.array([str(values[i % len(values)]) for i in range(N)])


def objects(values):
    found = np.empty(N, dtype=object)
    found[:] = values
    return found


TAGS = objects([("a",) if i % 3 else ("a", "b") for i in range(N)])
PATHS = objects([("x", "yzyyz"[i % 5], f"leaf {i}") for i in range(N)])
COLUMNS = [
    Column("colour", "categorical", texts("red", "green", "blue")),
    Column("again", "categorical", texts("r", "g", "b")),
    Column("id", "categorical", texts(*range(N))),
    Column("same", "categorical", texts("x")),
    Column("price", "numeric", np.linspace(0, 1, N)),
    Column("rare", "numeric", np.linspace(0, 1, N), missing=np.arange(N) > 1),
    Column("empty", "categorical", texts("x"), missing=np.ones(N, dtype=bool)),
    Column("shape", "boolean", np.arange(N) % 2 == 0, level="class"),
    Column("tags", "tags", TAGS),
    Column("place", "hierarchy", PATHS),
    Column("each", "tags", objects([(f"t{i}",) for i in range(N)])),
]


@pytest.fixture
def found():
    table = ImageTable(
        "t",
        np.zeros((N, 1, 2, 2), dtype=np.uint8),
        np.arange(N) % 2,
        ("a", "b"),
        np.array([0, 0, 1, 2] * (N // 4), dtype=np.int8),
        {column.name: column for column in COLUMNS},
    )
    return candidates(table)


def test_what_is_searched(found):
    assert found.attributes == ("colour", "price", "shape")
    assert found.of_the_class == ("shape",)
    assert found.bins


def test_tags_and_hierarchies_stand_alone(found):
    assert found.alone == {
        "tags": {"source": "tags", "column": "tags", "by": "set"},
        "place, level 2": {"source": "hierarchy", "column": "place", "level": 2},
    }


def test_why_the_others_are_left_out(found):
    assert found.left_out == {
        "again": "says the same as colour",
        "id": "another value for every image",
        "same": "one value only",
        "rare": "95% of the images have no value",
        "empty": "no image has a value",
        "each": "its sets or paths leave hardly two images together, or all",
    }
