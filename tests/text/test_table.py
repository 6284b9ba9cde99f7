"""Tables of any size on terminals of any width: everything is there, no number in two."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfonce.text import Table, width_of

NUMBERS = st.floats(-1e6, 1e6).map(lambda x: f"{x:.6g}") | st.integers(0, 10**9).map(str)
WORDS = st.lists(
    st.text("abcdefghi", min_size=1, max_size=9) | st.text("漢字é", min_size=1, max_size=4),
    min_size=1,
    max_size=12,
).map(" ".join)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    right = draw(st.lists(st.booleans(), min_size=1, max_size=40))
    names = [draw(st.text("abc_", min_size=1, max_size=12)) for _ in right]
    rows = draw(st.integers(0, 4))
    cells = [[draw(NUMBERS if r else WORDS) for r in right] for _ in range(rows)]
    return Table(names, right, cells)


@settings(max_examples=300)
@given(tables(), st.integers(30, 200))
def test_every_table_fits_and_every_value_is_there(table: Table, width: int) -> None:
    lines = list(table.lines(width))
    assert max(map(width_of, lines)) <= width
    words = " ".join(lines).split()
    for row in table.rows:
        for cell, right in zip(row, table.right, strict=True):
            assert cell in words if right else set(cell.split()) <= set(words)
    if not table.rows:
        assert set(table.names) <= set(words)


@given(tables())
def test_without_a_width_a_row_is_a_line(table: Table) -> None:
    lines = list(table.lines())
    assert len(lines) == 2 + len(list(table.rows))
    for row, line in zip(table.rows, lines[2:], strict=True):
        assert line.split() == " ".join(row).split()


def shown(table: Table, width: int | None) -> str:
    return "\n".join(table.lines(width))


def test_a_table_that_fits_is_aligned() -> None:
    table = Table(["name", "K"], [False, True], [["instances", "898"], ["漢字", "2"]])
    assert shown(table, 80) == (
        "name         K\n"  # the rule is as wide as the widest cell
        "─────────  ───\n"
        "instances  898\n"
        "漢字         2"
    )


def test_long_texts_go_over_lines_before_columns_move() -> None:
    table = Table(
        ["name", "bits"], [False, True], [["attributes(loop, even, round, tall)", "0.123456"]]
    )
    assert shown(table, 34) == (
        "name                          bits\n"
        "────────────────────────  ────────\n"
        "attributes(loop, even,    0.123456\n"
        "round, tall)"
    )


def test_columns_that_do_not_fit_stand_below_with_the_first_again() -> None:
    names = ["name", *(f"column {i}" for i in range(4))]
    table = Table(names, [False, *[True] * 4], [["a", *["0.12345678"] * 4]])
    blocks = shown(table, 30).split("\n\n")
    assert len(blocks) == 2
    assert all(block.startswith("name") for block in blocks)
    assert [block.count("0.12345678") for block in blocks] == [2, 2]


def test_very_many_columns_are_shown_row_by_row() -> None:
    names = [f"column_{i}" for i in range(40)]
    table = Table(names, [True] * 40, [[str(i * j) for i in range(1, 41)] for j in (1, 2)])
    lines = list(table.lines(40))
    assert lines[0].startswith("── row 1 ──")
    assert lines[1:4] == ["column_0   1", "column_1   2", "column_2   3"]
    assert lines[41].startswith("── row 2 ──")
    assert lines[-1] == "column_39  80"


def test_what_all_rows_share_is_said_once_and_what_none_has_at_the_end() -> None:
    names = ["key", "same", *(f"none_{i}" for i in range(40)), "some"]
    rows = [[key, "x", *["–"] * 40, some] for key, some in (("a", "1"), ("b", "–"), ("c", "3"))]
    lines = list(Table(names, [False] * 43, rows).lines(60))
    assert [line.strip("─ ") for line in lines[: lines.index("")]] == [
        *("all 3 rows", "same     x", "row 1", "key      a", "some     1", "row 2", "key      b"),
        *("row 3", "key      c", "some     3"),
    ]
    assert lines[lines.index("") + 1].startswith("No value in any row: none_0, none_1")
    assert max(map(len, lines)) <= 60
    (alone,) = rows[:1]
    one = list(Table(names, [False] * 43, [alone]).lines(60))
    assert one[1:4] == ["key      a", "same     x", "some     1"]


def test_cells_of_several_lines_keep_them() -> None:
    table = Table(["plan", "n"], [False, True], [["┌─┐\n└─┘", "1"]])
    assert shown(table, None).splitlines()[2:] == ["┌─┐   1", "└─┘"]


@pytest.mark.parametrize("width", [1, 20, 80, None])
def test_names_and_values_command_nothing(width: int | None) -> None:
    table = Table(["\x1b[2Jname"], [False], [["value\x1b[31m \u202e"]])
    assert "\x1b" not in shown(table, width)
    assert "\u202e" not in shown(table, width)
