"""The ready questions of docs/queries.md run as they stand and answer."""

import re
from pathlib import Path

import pytest

from clinfonce.results import Results, Store
from clinfonce.results import open as open_results
from tests.results.example_store import write_example

TEXT = (Path(__file__).parents[3] / "docs/queries.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^## \d+\. (.+?)\n.*?```sql\n(.+?)```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return open_results(write_example(tmp_path_factory.mktemp("example")))


def test_there_are_twelve() -> None:
    assert len(QUESTIONS) == 12


@pytest.mark.parametrize(("title", "query"), QUESTIONS, ids=[q[0] for q in QUESTIONS])
def test_a_ready_question_is_answered(
    results: Results, title: str, query: str, tmp_path: Path
) -> None:
    assert results.sql(query).num_rows > 0
    assert open_results(Store.create(tmp_path)).sql(query).num_rows == 0


def answer(results: Results, number: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = results.sql(QUESTIONS[number - 1][1]).to_pylist()
    return rows


def test_answers_are_right_where_they_are_known(results: Results) -> None:
    assert answer(results, 1)[0]["clustering"] == "SupCon"
    gains = {row["clustering"]: row for row in answer(results, 3)}
    assert gains["SupCon"]["pairs"] == 2
    assert gains["SupCon"]["gain"] == pytest.approx(46, abs=3)
    attributes = [row["attribute"] for row in answer(results, 5)]
    assert attributes[-1] == "bright", "the attribute that is noise"
    assert answer(results, 9)[0]["trials"] == 32
    assert answer(results, 10)[0]["error"] == "loss is not finite"
    of_tags = [row for row in answer(results, 11) if row["target"] == "tags"]
    assert "tall" in of_tags[0]["clustering"]
    assert (of_tags[0]["pairs"], of_tags[0]["gain"]) == (2, pytest.approx(30))
    groups = {row["group"]: row for row in answer(results, 12) if row["measure"] == "top1"}
    assert groups["left"]["best"] - groups["right"]["best"] == pytest.approx(20)
    assert groups["right"]["images"] == 150
