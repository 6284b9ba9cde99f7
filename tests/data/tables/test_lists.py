"""Lists in texts, as people and programs write them."""

import pytest

from clinfonce.data.tables.lists import are_sets, listed, paths_of, tag_reader


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("['a', 'b']", ("a", "b")),
        ('["a", "b"]', ("a", "b")),
        ("['a' 'b']", ("a", "b")),  # numpy
        ("['a'\n 'b']", ("a", "b")),
        ("[a, b c]", ("a", "b c")),
        ("{a,b}", ("a", "b")),  # PostgreSQL
        ('{a,"b, c"}', ("a", "b, c")),
        ("{'a', 'b'}", ("a", "b")),
        ("('a', 'b')", ("a", "b")),
        ("[1, 2.5]", ("1", "2.5")),
        (r"['it\'s', \"b\"]".replace(r"\"", '"'), ("it's", "b")),
        ('["caf\\u00e9"]', ("café",)),
        ("['a', None, nan]", ("a",)),
        ('["a", null]', ("a",)),
        ("[]", ()),
        ('[["a", "b"], ["c"]]', (("a", "b"), ("c",))),
        ("(unknown)", None),
        ("{'a': 1}", None),
        ('{"a": 1}', None),
        ("[a", None),
        ("a, b", None),
    ],
)
def test_listed(text, items):
    assert listed(text) == items


@pytest.mark.parametrize(
    ("texts", "sets"),
    [
        (["['b', 'a']", "[]"], [("a", "b"), ()]),
        (["b|a|b", "a"], [("a", "b"), ("a",)]),
        (["b; a", "a|c"], [("a", "b"), ("a", "c")]),
        (["b, a", "a"], [("a", "b"), ("a",)]),
        (["b a", "a"], [("a", "b"), ("a",)]),
        (["a", "b"], [("a",), ("b",)]),
        (["AC/DC, x"], [("AC/DC", "x")]),
    ],
)
def test_tags_that_the_user_names(texts, sets):
    read, _ = tag_reader(texts)
    assert [read(text) for text in texts] == sets


def test_commas_are_of_sets_if_the_parts_come_again():
    assert are_sets({"red, small", "blue, small", "red", "blue, red"})
    assert not are_sets({"Potter, Beatrix", "Merian, Maria", "Ehret, Georg"})
    assert not are_sets({"Paris, France", "Lyon, France", "Nice, France"})
    assert not are_sets({"a", "b"})


def test_paths():
    assert paths_of("a/b;c/d") == (("a", "b"), ("c", "d"))
    assert paths_of('[["a", "b"], ["c"]]') == (("a", "b"), ("c",))


def test_no_text_takes_longer_than_its_length():
    for text in ("[" + "a " * 100_000 + "(", "[" + '"' * 100_001 + "]", "[" * 100_000,
                 "(" + "," * 100_000, "[" + " " * 200_000 + "(]"):  # fmt: skip
        listed(text)
