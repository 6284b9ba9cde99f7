"""What a first search uses, and why other columns are left out."""

import numpy as np

from clinfonce.data import Column, ImageTable
from clinfonce.setup.columns import candidates

N = 80


def texts(*values):
    return np.array([str(values[i % len(values)]) for i in range(N)])


def objects(values):
    found = np.empty(N, dtype=object)
    found[:] = values
    return found


COLUMNS = [
    Column("colour", "categorical", texts("red", "green", "blue")),
    Column("again", "categorical", texts("r", "g", "b")),
    Column("id", "categorical", texts(*range(N))),
    Column("same", "categorical", texts("x")),
    Column("price", "numeric", np.linspace(0, 1, N)),
    Column("tags", "tags", objects([("a",) if i % 3 else ("a", "b") for i in range(N)])),
    Column("place", "hierarchy", objects([("xw"[i % 4 < 2], "yz"[i % 5 > 2]) for i in range(N)])),
]


def test_what_is_searched_and_what_is_said_of_the_rest():
    table = ImageTable(
        "t",
        np.random.default_rng(0).integers(0, 255, (N, 1, 2, 2)).astype(np.uint8),
        np.arange(N) // 7 % 2,
        ("a", "b"),
        np.array([0, 0, 1, 0, 2] * (N // 5), dtype=np.int8),
        {column.name: column for column in COLUMNS},
    )
    found = candidates(table, pretrained=False)
    assert dict(found.columns) == {"colour": 1, "price": 3, "tags": 1, "place": 2, "k-means": 2}
    assert found.n_parts == 9
    said = " ".join(found.notes)
    for words in ("again: the same as colour", "id: an identifier", "same: the same in all images"):
        assert words in said
    assert all("colour:" not in note for note in found.notes)
