import html.parser
import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clinfonce.errors import InputError
from clinfonce.results import Results, Store, report
from clinfonce.results import open as open_results
from clinfonce.results.store.measures import parse_metric
from clinfonce.results.store.scores import parted, score_row
from tests.results.example_store import write_example
from tests.results.store.test_store import rows

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{title}}"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return open_results(write_example(tmp_path_factory.mktemp("example")))


def page(results: Results, path: Path, **options: Any) -> str:
    return report(results, path / "report.html", **options).read_text(encoding="utf-8")


def data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    loaded: dict[str, Any] = json.loads(found[1])
    return loaded


class Tags(html.parser.HTMLParser):
    """The elements of a page, and whether each is closed in order."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_else(results: Results, tmp_path: Path) -> None:
    text = page(results, tmp_path)
    tags = Tags(text)
    assert not tags.open
    ids = [a["id"] for _, a in tags.seen if "id" in a]
    assert len(ids) == len(set(ids))
    for name, attributes in tags.seen:
        assert "src" not in attributes, name
        assert attributes.get("href", "data:,") == "data:,"
        assert not [a for a in attributes if a.startswith("on")]
    addresses = set(re.findall(r"https?://[^\"\s<]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}, "a name space, not fetched"
    assert "url(" not in text
    assert "@import" not in text
    assert "{{" not in text


def test_the_page_says_the_answer_the_data_and_the_setting(
    results: Results, tmp_path: Path
) -> None:
    text = page(results, tmp_path, command="clinfonce sweep sweeps/<my>.yaml")
    assert "chosen by validation, reaches" in text
    assert "1 stopped early" in text
    assert "loss is not finite" in text
    assert "<dt>PyTorch</dt><dd>2.13.0</dd>" in text
    assert "clinfonce sweep sweeps/&lt;my&gt;.yaml" in text
    found = data(text)
    assert found["rows"][0]["name"] == "SupCon"
    assert found["chosen"] in {row["clustering_id"] for row in found["rows"]}


def test_the_same_store_gives_the_same_page(results: Results, tmp_path: Path) -> None:
    assert page(results, tmp_path) == page(open_results(results.store), tmp_path)


def test_evil_names_stay_text(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "r")
    trial, epochs, clustering = rows()
    words = {"name": EVIL, "clustering": EVIL, "sweep": EVIL, "data": EVIL, "device": EVIL}
    trial |= words | {"source": "labels"}
    store.write_trial(trial, epochs, clustering | {"name": EVIL, "i_zt": 1.0, "h_z_given_t": 0.5})
    failed = {"trial_id": "t2", "status": "failed", "error": EVIL}
    store.write_trial(trial | failed, [], None)
    text = page(open_results(store), tmp_path)
    tags = Tags(text)
    assert not tags.open
    assert sum(name == "script" for name, _ in tags.seen) == 2
    assert not any(name == "img" for name, _ in tags.seen)
    assert data(text)["rows"][0]["name"] == EVIL


def _row(status: str, accuracy: float | None) -> dict[str, Any]:
    return {"status": status, "test_linear_top1_5": accuracy}


def test_clusterings_that_are_no_information_are_named(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    trial, epochs, clustering = rows()
    store.write_trial(trial, epochs, clustering | {"name": "id", "caution": "an identifier <b>"})
    text = page(open_results(store), tmp_path)
    assert "Clusterings that are no information" in text
    assert "<b>id</b>: an identifier &lt;b&gt;" in text


def test_control_characters_are_spelled_out(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "r")
    trial, epochs, clustering = rows()
    hostile = "a\x1b[2J\x00\x07\u202e\ufffeb"
    names = {"name": hostile, "clustering": hostile, "sweep": "s", "error": hostile}
    store.write_trial(trial | names, epochs, clustering | {"name": hostile})
    store.write_trial(trial | names | {"trial_id": "t2", "status": "failed"}, [], None)
    shown = page(open_results(store), tmp_path)
    assert not set(shown) & set("\x1b\x00\x07\u202e\ufffe")
    assert r"a\x1b[2J\x00\x07\u202e\ufffeb" in shown
    Tags(shown)


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [_row("complete", 0.5)],
        [_row("complete", None)],
        [_row("complete", math.nan)],
        [_row("failed", None), _row("failed", None)],
        [_row("stopped", None)],
    ],
)
def test_the_page_stands_with_next_to_nothing(tmp_path: Path, trials: list[dict[str, Any]]) -> None:
    store = Store.create(tmp_path / "r")
    for i, changes in enumerate(trials):
        trial, epochs, clustering = rows(f"t{i}", **changes)
        epochs = [e | {"val_knn": math.nan} for e in epochs]
        store.write_trial(trial, epochs, clustering)
    text = page(open_results(store), tmp_path)
    assert not Tags(text).open
    data(text)
    assert "NaN" not in text
    assert ">nan" not in text


def test_another_metric_and_a_sweep(results: Results, tmp_path: Path) -> None:
    text = page(results, tmp_path, metric="test_knn_top1_all", sweep="example")
    assert "test accuracy, kNN probe, all labels" in text
    with pytest.raises(InputError, match="no trials of sweep"):
        report(results, tmp_path / "other.html", sweep="other")
    assert not (tmp_path / "other.html").exists()


def test_the_page_is_replaced_whole(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "report.html"
    report(results, path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            report(results, path, metric="val_knn")
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_four_times_as_many_trials_take_four_times_as_many_calls(tmp_path: Path) -> None:
    def calls(count: int) -> int:
        store = write_example(tmp_path / str(count), seeds=1, epochs=2)
        trial = next(r for r in store.finished().values() if r["source"] == "kmeans")
        clustering = {
            "clustering_id": "",
            "name": "x",
            "i_zt": 1.0,
            "h_z_given_t": 1.0,
            "n_clusters": 9,
        }
        # One file of many rows: what is counted is the page, not small files.
        _write_many(store, trial, clustering, count)
        made, text = _calls(lambda: page(open_results(store), tmp_path))
        assert len(data(text)["rows"]) > count
        assert len(text) < 1_600 * count + 1_000_000
        return made

    assert calls(1_200) < 4.5 * calls(300)


def _calls(what: Callable[[], str]) -> tuple[int, str]:
    """How many calls of functions something took, and what it gave."""
    made = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        given = what()
    finally:
        sys.setprofile(before)
    return made, given


def _write_many(
    store: Store, trial: dict[str, Any], clustering: dict[str, Any], count: int
) -> None:
    from clinfonce.results.store.parquet import parquet_bytes
    from clinfonce.results.store.rows import to_table

    columns, _ = parted(trial)
    trials = [columns | {"trial_id": f"m{i}", "clustering_id": f"m{i}"} for i in range(count)]
    metric = parse_metric("test_linear_top1_5")
    scores = [
        score_row(metric, trial_id=f"m{i}", value=i % 97 / 97, **more)
        for i in range(count)
        for more in ({}, {"grouped_by": "camera", "group": "left"})
    ]
    clusterings = [
        clustering | {"clustering_id": f"m{i}", "i_zt": i % 89 / 30} for i in range(count)
    ]
    tables = {"trials": trials, "scores": scores, "clusterings": clusterings}
    for table, content in tables.items():
        many = parquet_bytes(to_table(table, content), name=f"{table}/many")
        store.folder.write(f"{table}/many.parquet", many)


def test_a_search_shows_what_was_decisive_and_temperatures(
    tmp_path: Path, results: Results
) -> None:
    store = Store.create(tmp_path / "r")
    for i in range(16):
        trial, epochs, clustering = rows(
            f"t{i}",
            number=i,
            role="search",
            source="attributes",
            objective="cl_infonce",
            attributes=[name for bit, name in enumerate(("<b>evil", "even")) if i >> bit & 1],
            temperature=0.1 * (1 + i % 4),
            test_linear_top1_5=0.5 + 0.02 * (i % 2) + i / 1000,
        )
        store.write_trial(trial, epochs, clustering)
    text = page(open_results(store), tmp_path)
    assert not Tags(text).open
    assert "What the search found decisive" in text
    assert "16 searched trials" in text
    assert text.count('class="dot"') == 2 * 16, "for wide and for narrow windows"
    assert "&lt;b&gt;evil" in text
    assert "<b>evil" not in text
    fixed = page(results, tmp_path)
    assert "What the search found decisive" not in fixed
    assert ">Temperature<" not in fixed, "all have the same"


def test_several_targets_stand_side_by_side(results: Results, tmp_path: Path) -> None:
    text = page(results, tmp_path)
    section = text[text.index('<h2 id="h-targets">') : text.index('id="h-why"')]
    assert '<th scope="col" class="number">tags<br><small>mean average precision' in section
    assert "<li>tags: " in section
    assert '<td>camera</td><td>right</td><td class="number">150</td>' in section
    about_tags = page(results, tmp_path, metric="tags:test_linear_map_all")
    assert "mean average precision of tags" in about_tags


def test_names_of_targets_and_groups_stay_text(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "r")
    trial, epochs, clustering = rows(clustering=EVIL, target=EVIL)
    metric = parse_metric(f"{EVIL}:test_linear_top1_all")
    scores = [score_row(replace(metric, split=split), value=0.5) for split in ("val", "test")]
    group = {"grouped_by": EVIL, "group": EVIL, "images": 3}
    store.write_trial(trial, epochs, clustering, [*scores, score_row(metric, value=0.1, **group)])
    text = page(open_results(store), tmp_path)
    tags = Tags(text)
    assert not tags.open
    assert not any(name == "img" for name, _ in tags.seen)
    assert "Worst groups" in text
