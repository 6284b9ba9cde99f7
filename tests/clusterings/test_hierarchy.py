"""Hierarchy cuts."""

import pytest

from clinfonce.clusterings import from_hierarchy
from clinfonce.errors import InputError

PATHS = [
    ("animal", "cat", "lion"),
    ("animal", "cat"),
    ("plant",),
    ("animal", "dog", "lion"),
    (),
    ("animal", "cat", "lion"),
]


def test_cuts():
    assert from_hierarchy(PATHS, level=1).ids.tolist() == [0, 0, 1, 0, 2, 0]
    assert from_hierarchy(PATHS, level=2).ids.tolist() == [0, 0, 1, 2, 3, 0]
    assert from_hierarchy(PATHS, level=3).ids.tolist() == [0, 1, 2, 3, 4, 0]


@pytest.mark.parametrize("level", [0, 4])
def test_level_out_of_range(level):
    with pytest.raises(InputError, match=rf"level must be in 1\.\.3, got {level}"):
        from_hierarchy(PATHS, level=level)


def test_no_images():
    with pytest.raises(InputError, match="one value per image"):
        from_hierarchy([], level=1)
