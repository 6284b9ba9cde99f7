"""Hierarchies in which nodes have several parents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.data import tree_paths
from clinfonce.errors import InputError


def test_nearest_parent_wins_then_the_first_by_name():
    parents = {
        "spaniel": ["dog", "pet"],
        "dog": ["canine"],
        "canine": ["animal"],
        "pet": ["animal"],
        "puppy": ["spaniel", "dog"],
        "cat": ["feline", "canine"],
        "feline": ["animal"],
        "rock": [],
    }
    paths = tree_paths(parents)
    assert paths["spaniel"] == ("animal", "pet", "spaniel")
    assert paths["puppy"] == ("animal", "canine", "dog", "puppy")
    assert paths["cat"] == ("animal", "canine", "cat")
    assert paths["animal"] == ("animal",)
    assert paths["rock"] == ("rock",)
    assert list(tree_paths(dict(reversed(parents.items())))) == list(paths)


def test_equally_near_parents_go_by_name_not_by_list_order():
    assert tree_paths({"x": ["b", "a"], "a": ["r"], "b": ["r"]})["x"] == ("r", "a", "x")


def test_cycle():
    with pytest.raises(InputError, match="'a' is in a cycle"):
        tree_paths({"a": ["b"], "b": ["a"], "c": ["d"]})
    assert tree_paths({"a": ["b", "root"], "b": ["a"]})["b"] == ("root", "a", "b")


@given(
    st.dictionaries(
        st.integers(1, 12),
        st.lists(st.integers(0, 11), min_size=1, max_size=3, unique=True),
        max_size=12,
    )
)
def test_paths_form_a_tree_of_shortest_paths(above):
    """Parents are smaller numbers, so there is no cycle."""
    parents = {str(n): [str(p % n) for p in ps] for n, ps in above.items()}
    paths = tree_paths(parents)

    def depth(node):
        return 1 + min((depth(p) for p in parents.get(node, [])), default=0)

    for node, path in paths.items():
        assert path[-1] == node
        assert len(path) == depth(node)
        assert paths.get(path[-2], ()) == path[:-1] if len(path) > 1 else not parents.get(node)
