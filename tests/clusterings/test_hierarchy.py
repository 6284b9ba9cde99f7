"""Hierarchy cuts."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


# A spaniel is a dog and a pet, a cat is a pet alone, a wolf is neither.
SPANIEL = (("animal", "canine", "dog"), ("animal", "pet"))
CAT, WOLF = (("animal", "pet"),), (("animal", "canine", "wolf"),)


def test_all_of_several_parents_count():
    places = [SPANIEL, CAT, WOLF, SPANIEL[::-1], ()]
    assert from_hierarchy(places, level=1).ids.tolist() == [0, 0, 0, 0, 1]
    assert from_hierarchy(places, level=2).ids.tolist() == [0, 1, 2, 0, 3]
    assert from_hierarchy([SPANIEL, WOLF], level=2).ids.tolist() == [0, 1]
    mixed = [SPANIEL, CAT[0], WOLF[0], SPANIEL[:1]]  # one path may stand alone
    assert from_hierarchy(mixed, level=2).ids.tolist() == [0, 1, 2, 2]
    assert from_hierarchy(mixed, level=3).ids.tolist() == [0, 1, 2, 3]


@given(
    st.lists(
        st.lists(st.lists(st.sampled_from("ab"), max_size=4).map(tuple), max_size=3).map(tuple),
        min_size=1,
        max_size=12,
    )
)
def test_deeper_levels_refine_also_with_several_paths(places):
    deepest = max((len(path) for place in places for path in place), default=0)
    cuts = [from_hierarchy(places, level=level).ids for level in range(1, deepest + 1)]
    for coarse, fine in itertools.pairwise(cuts):
        assert len(set(zip(fine, coarse, strict=True))) == fine.max() + 1


@pytest.mark.parametrize("level", [0, 4])
def test_level_out_of_range(level):
    with pytest.raises(InputError, match=rf"level must be in 1\.\.3, got {level}"):
        from_hierarchy(PATHS, level=level)


def test_no_images():
    with pytest.raises(InputError, match="one value per image"):
        from_hierarchy([], level=1)
