"""Hierarchies in which nodes have several parents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.data import hierarchy, root_paths
from clinfonce.errors import InputError

PARENTS = {
    "spaniel": ["pet", "dog"],
    "dog": ["canine"],
    "canine": ["animal"],
    "pet": ["animal"],
    "cat": ["pet", "pet"],
    "rock": [],
}


def test_every_path_from_a_root():
    paths = root_paths(PARENTS)
    assert paths["spaniel"] == (
        ("animal", "canine", "dog", "spaniel"),
        ("animal", "pet", "spaniel"),
    )
    assert paths["cat"] == (("animal", "pet", "cat"),)
    assert paths["animal"] == (("animal",),)
    assert paths["rock"] == (("rock",),)
    assert list(paths) == sorted(paths)
    assert root_paths(dict(reversed(PARENTS.items()))) == paths
    assert root_paths(PARENTS, ["dog", "new"]) == {"dog": paths["dog"], "new": (("new",),)}


def test_cycle():
    with pytest.raises(InputError, match="a < b are above each other in a cycle"):
        root_paths({"a": ["b", "root"], "b": ["a"]})
    assert root_paths({"a": ["b"], "b": ["a"], "c": ["d"]}, ["c"]) == {"c": (("d", "c"),)}


def test_too_many_paths():
    """Two parents on each of ten steps are 1,024 paths."""
    ladder = {f"{step}{side}": [f"{step - 1}a", f"{step - 1}b"] for step in range(1, 12)
              for side in "ab"}  # fmt: skip
    with pytest.raises(InputError, match=f"1024 paths lead to '10a', above {hierarchy.MAX_PATHS}"):
        root_paths(ladder, ["10a"])
    assert len(root_paths(ladder, ["9a"])["9a"]) == 512


@given(
    st.dictionaries(
        st.integers(1, 9),
        st.lists(st.integers(0, 8), min_size=1, max_size=3, unique=True),
        max_size=9,
    )
)
def test_paths_are_those_that_a_walk_upward_finds(above):
    """Parents are smaller numbers, so there is no cycle."""
    parents = {str(n): [str(p % n) for p in ps] for n, ps in above.items()}

    def walk(node):
        if not parents.get(node):
            return {(node,)}
        return {(*path, node) for parent in parents[node] for path in walk(parent)}

    for node, paths in root_paths(parents).items():
        assert list(paths) == sorted(walk(node))
