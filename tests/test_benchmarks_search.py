"""Searches replayed on tables of finished trials: what is counted; are the tables whole?"""

import csv
import runpy
import sys
from itertools import pairwise

import pytest


@pytest.fixture(scope="module")
def search():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend("benchmarks")
        yield runpy.run_path("benchmarks/search.py")


@pytest.fixture(scope="module")
def tables(search):
    return {(table.kind, table.data): table for table in search["read_tables"]()}


def by_name(search, name):
    return next(each for each in search["SEARCHES"] if each.name == name)


def test_the_tables_hold_every_point_of_their_spaces(tables):
    for (kind, _), table in tables.items():
        drafts = set(table.trained)
        if kind == "roles":
            assert len(drafts) == 3**4
        elif kind == "subsets":
            assert len(drafts) == 2**10 - 1
        else:
            assert {frozenset([name]) for name in table.names} <= drafts
            assert max(map(len, drafts)) == 2
        assert set(table.advised) <= drafts
        assert all(list(each.curve) == [2, 4, 6, 8] for each in table.trained.values())
    assert {kind for kind, _ in tables} >= {"pairs", "roles"}


def test_a_draft_is_the_point_that_stands_for_it(tables):
    for table in tables.values():
        for draft in [*table.trained][:40]:
            assert table.draft(table.point(draft)) == draft


def test_trials_until_near_are_counted_in_epochs_and_stopped_trials_reach_nothing(search):
    made, tried = search["Trained"], search["Tried"]
    trained = {
        frozenset([name]): made(val, val - 0.1, {2: val, 4: val, 6: val, 8: val})
        for name, val in {"a": 0.5, "b": 0.7, "c": 0.705, "d": 0.6}.items()
    }
    table = search["Table"]("made", "subsets", tuple("abcd"), trained, [])
    a, b, c, d = (trained[frozenset([name])] for name in "abcd")
    run = [tried(a, 8), tried(c, 4), tried(None, 8), tried(d, 8), tried(b, 8)]
    found = search["measure"](table, run, 6)
    assert found.until == 4.5  # b is within a point of c; half of c's epochs were run
    assert found.stopped_best
    assert found.regret == pytest.approx([0.205, 0.205, 0.205, 0.105, 0.005, 0.005])
    assert found.test_regret == pytest.approx(found.regret)
    assert search["measure"](table, run[:4], 6).until == 7  # none near the best was finished
    assert not search["measure"](table, [tried(c, 8)], 6).stopped_best


@pytest.mark.parametrize("name", ["tpe", "gp", "tpe, advice", "additive, window 4", "advice"])
def test_a_search_tries_what_the_table_holds_and_the_same_again(search, tables, name):
    table = tables["roles", "digits"]
    tried = search["replay"](table, by_name(search, name), 3, 6)
    assert len(tried) == 6
    assert all(each.ended for each in tried)
    assert tried == search["replay"](table, by_name(search, name), 3, 6)
    if "advice" in name:
        assert table.trained[table.advised[0]] in [each.trial for each in tried[:2]]


def test_a_wider_window_sees_later(search, tables):
    table = tables["roles", "digits"]
    narrow, wide = (
        [each.trial for each in search["replay"](table, by_name(search, name), 0, 12)]
        for name in ("additive", "additive, window 16")
    )
    assert narrow[0] == wide[0]
    assert narrow != wide


def test_a_scheduler_spends_the_same_epochs_on_more_trials(search, tables):
    table = tables["pairs", "digits"]
    tried = search["replay"](table, by_name(search, "additive, asha 2"), 0, 12)
    epochs = [each.epochs for each in tried]
    assert set(epochs) <= {2, 4, 8}
    assert 12 * 8 <= sum(epochs) < 13 * 8
    assert len(tried) > 12
    assert by_name(search, "additive, asha 2").scheduler["grace_epochs"] == 2


def test_rows_of_other_searches_stay(search, tmp_path, monkeypatch):
    out, figure = tmp_path / "search.csv", tmp_path / "figure.svg"
    small = ["--tables", "roles", "--trials", "4", "--repeats", "2", "--processes", "1"]
    for name in ("random", "additive"):
        arguments = [*small, "--searches", name, "--out", str(out), "--figure", str(figure)]
        monkeypatch.setattr(sys, "argv", ["search.py", *arguments])
        monkeypatch.syspath_prepend("benchmarks")
        runpy.run_path("benchmarks/search.py", run_name="__main__")
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["search"] for row in rows] == ["random", "additive"] * 4
    curves = list(csv.DictReader((tmp_path / "search-curves.csv").read_text().splitlines()))
    for row in curves:
        assert all(float(b) <= float(a) for a, b in pairwise(row[str(n)] for n in range(1, 5)))
    assert figure.read_text(encoding="utf-8").startswith("<?xml")


def test_the_tables_of_the_documentation_are_those_of_the_results(monkeypatch):
    monkeypatch.syspath_prepend("benchmarks")
    page = runpy.run_path("benchmarks/search_page.py")
    written = page["PAGE"].read_text(encoding="utf-8")
    for name, lines in page["tables"]().items():
        inside = written.split(page["BEGIN"].format(name))[1].split(page["END"].format(name))[0]
        assert inside.strip().splitlines() == lines
