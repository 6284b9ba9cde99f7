import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clinfonce.files import Folder
from clinfonce.results import Store
from clinfonce.results import open as open_results
from clinfonce.results.store.scan import listing
from tests.results.store.test_store import rows


def fill(path: Path, names: list[str]) -> Store:
    store = Store.create(path)
    for i, name in enumerate(names):
        trial, epochs, clustering = rows(name, number=i)
        key = {"clustering_id": f"c-{name}"}
        store.write_trial(trial | key, epochs, clustering | key)
    return store


def content(store: Store) -> Any:
    """All rows of all tables, read in both ways."""
    results = open_results(store)
    tables = {
        table: results.sql(f"from {table} order by all").to_pylist()
        for table in ("trials", "scores", "epochs", "clusterings")
    }
    finished = store.finished()
    assert sorted(finished) == [row["trial_id"] for row in tables["trials"]]
    assert store.trial_ids() == set(finished)
    assert [e for key in sorted(finished) for e in store.epochs_of(key)] == [
        e for e in tables["epochs"] if e["trial_id"] in finished
    ]
    return tables


def files(store: Store, table: str) -> int:
    return len(store.folder.names(table))


def test_a_compacted_store_reads_the_same(tmp_path: Path) -> None:
    store = fill(tmp_path, list("abcdef"))
    before = content(store)
    store.compact()
    assert content(store) == before
    assert [files(store, t) for t in ("trials", "epochs", "clusterings")] == [1, 1, 1]
    store.compact()
    assert content(store) == before


def test_trials_go_on_after_a_compaction(tmp_path: Path) -> None:
    store = fill(tmp_path, list("abc"))
    store.compact()
    fill(tmp_path, list("de"))
    assert sorted(store.finished()) == list("abcde")
    store.compact()
    assert sorted(store.finished()) == list("abcde")
    assert files(store, "trials") == 1
    assert not Store.open(tmp_path).folder.has("clusterings/c-a.parquet")
    fill(tmp_path, ["a"])
    assert not store.folder.has("clusterings/c-a.parquet"), "it is in the compacted file"


def test_a_trial_written_again_replaces_its_compacted_rows(tmp_path: Path) -> None:
    store = fill(tmp_path, list("abc"))
    store.compact()
    trial, epochs, _ = rows("b", seed=99)
    store.write_trial(trial, epochs[:1], None)
    for _ in range(2):
        assert store.finished()["b"]["seed"] == 99
        assert len(store.epochs_of("b")) == 1
        assert len(content(store)["trials"]) == 3
        store._compact(everything=False, wait=True)
    assert files(store, "trials") == 1


def test_epochs_of_a_running_trial_are_left_alone(tmp_path: Path) -> None:
    store = fill(tmp_path, list("abc"))
    store.folder.remove("trials/b.parquet")
    store.compact()
    assert store.folder.has("epochs/b.parquet")
    assert len(store.epochs_of("b")) == 3


def test_removing_reaches_into_compacted_files(tmp_path: Path) -> None:
    store = fill(tmp_path, list("abc"))
    store.compact()
    fill(tmp_path, ["d"])
    store.remove(["b", "d", "unknown"])
    assert sorted(store.finished()) == ["a", "c"]
    assert {e["trial_id"] for e in content(store)["epochs"]} == {"a", "c"}
    store.remove(["a", "c"])
    assert content(store)["trials"] == []
    assert files(store, "trials") == 0


class CrashError(Exception):
    pass


def crash_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Let so many writes and removals through, and fail at the next."""
    left = [steps]

    def limited(do: Callable[..., None]) -> Callable[..., None]:
        def step(*arguments: Any) -> None:
            if not left[0]:
                raise CrashError
            left[0] -= 1
            do(*arguments)

        return step

    monkeypatch.setattr(Folder, "write", limited(Folder.write))
    monkeypatch.setattr(Folder, "remove", limited(Folder.remove))


@pytest.mark.parametrize("steps", range(0, 18, 2))
def test_a_compaction_may_crash_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    store = fill(tmp_path, list("ab"))
    store.compact()
    fill(tmp_path, list("cdef"))
    before = content(store)
    with monkeypatch.context() as patch:
        crash_after(patch, steps)
        with pytest.raises(CrashError):
            store.compact()
    assert content(store) == before
    store.compact()
    assert content(store) == before
    assert files(store, "epochs") == 1


@pytest.mark.parametrize("steps", range(6))
def test_a_removal_may_crash_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Then a trial is there or it is not; it never comes back with old rows."""
    store = fill(tmp_path, list("abc"))
    store.compact()
    fill(tmp_path, ["b"])
    with monkeypatch.context() as patch:
        crash_after(patch, steps)
        with pytest.raises(CrashError):
            store.remove(["a", "b"])
    assert {"c"} <= set(store.finished()) <= set("abc")
    content(store)
    store.remove(["a", "b"])
    assert set(store.finished()) == {"c"}
    assert {e["trial_id"] for e in content(store)["epochs"]} == {"c"}


def test_many_trials_are_gathered_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clinfonce.results.store.store._MOST_SINGLE", 5)
    monkeypatch.setattr("clinfonce.results.store.compaction._MOST_COMPACTED", 3)
    store = fill(tmp_path, [f"t{i:03}" for i in range(50)])
    assert len(store.finished()) == 50
    found = listing(store.folder, "trials")
    assert len(found.single) <= 6
    assert len(found.compacted) <= 4
    content(store)


def _write_some(path: Path, name: str) -> None:
    fill(path, [f"{name}{i}" for i in range(25)])


def test_compacting_while_others_write_and_read(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    store = Store.create(tmp_path)
    writers = [context.Process(target=_write_some, args=(tmp_path, n)) for n in "xy"]
    for writer in writers:
        writer.start()
    seen = 0
    deadline = time.monotonic() + 60
    while any(writer.is_alive() for writer in writers) and time.monotonic() < deadline:
        store.compact()
        count = len(Store.open(tmp_path).finished())
        rows_seen = open_results(store).sql("select count(distinct trial_id) n from epochs")
        assert count >= seen, "a trial that was there is gone"
        assert rows_seen.to_pylist()[0]["n"] >= count
        seen = count
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    store.compact()
    assert len(content(store)["trials"]) == 50
    assert files(store, "trials") == 1


def test_a_query_outlives_a_compaction(tmp_path: Path) -> None:
    store = fill(tmp_path, list("abc"))
    results = open_results(store)
    store.compact()
    assert results.sql("select count(*) n from epochs").to_pylist() == [{"n": 9}]


def test_a_query_gathers_what_lies_loose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fill(tmp_path, list("abcd"))
    before = content(store)
    monkeypatch.setattr("clinfonce.results.store.store._MOST_SINGLE", 3)
    assert content(store) == before
    assert files(store, "trials") == 1


def test_a_store_that_may_not_be_written_is_read_as_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = fill(tmp_path, list("abcd"))
    before = content(store)
    monkeypatch.setattr("clinfonce.results.store.store._MOST_SINGLE", 3)
    monkeypatch.setattr("os.access", lambda *_: False)
    assert content(store) == before
    assert files(store, "trials") == 4


def test_a_compacted_file_of_an_older_version_lacks_a_column(tmp_path: Path) -> None:
    store = fill(tmp_path, list("ab"))
    store.compact()
    fill(tmp_path, ["c"])
    (path,) = (tmp_path / "trials").glob("_compacted-*")
    pq.write_table(pq.read_table(path).drop_columns(["peak_memory_mb"]), path)
    found = open_results(store).sql("select trial_id, peak_memory_mb m from trials order by all")
    assert found.to_pylist() == [{"trial_id": t, "m": None} for t in "abc"]
    store.compact()
    assert len(content(store)["trials"]) == 3
