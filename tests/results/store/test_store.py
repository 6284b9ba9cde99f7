import json
import multiprocessing
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from clinfonce.errors import InputError, StorageError
from clinfonce.files import Folder
from clinfonce.results import Store
from clinfonce.results import open as open_results
from clinfonce.results.store.schema import TABLES

Row = dict[str, Any]


def rows(trial_id: str = "t1", **changes: Any) -> tuple[Row, list[Row], Row]:
    trial = {
        "trial_id": trial_id,
        "sweep": "s",
        "number": 0,
        "role": "fixed",
        "name": "InfoNCE",
        "clustering_id": "c1",
        "seed": 3,
        "status": "complete",
        "spec": "{}",
        "attributes": ["loop", "even"],
        "test_linear_top1_5": 0.5,
        "finished_at": datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
    }
    epochs = [{"trial_id": trial_id, "epoch": e, "loss": 1.0 / e} for e in (1, 2, 3)]
    return trial | changes, epochs, {"clustering_id": "c1", "name": "instances", "n_clusters": 4}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    Store.create(tmp_path / "r").write_trial(*rows())
    store = Store.open(tmp_path / "r")
    assert store.trial_ids() == {"t1"}
    found = store.finished()["t1"]
    for name, value in rows()[0].items():
        assert found[name] == value, name
    assert found["error"] is None
    assert [e["epoch"] for e in store.epochs_of("t1")] == [1, 2, 3]
    assert store.epochs_of("t1")[1]["loss"] == 0.5
    assert store.epochs_of("other") == []
    measured = [{**epoch, "val_knn": 0.5} for epoch in rows()[1][:1]]
    store.write_trial(rows()[0], [*measured, *rows()[1][1:]], None)
    assert store.accuracies() == {"t1": {1: 0.5}}


def test_creating_again_keeps_the_rows(tmp_path: Path) -> None:
    Store.create(tmp_path).write_trial(*rows())
    assert Store.create(tmp_path).trial_ids() == {"t1"}


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="something else"):
        Store.create(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_store_that_is_deleted_meanwhile_is_missed_and_not_made_again(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "r")
    store.write_trial(*rows("a"))
    shutil.rmtree(tmp_path / "r")
    with pytest.raises(StorageError, match=r"r are gone: they were deleted or moved"):
        store.write_trial(*rows("b"))
    for write in (lambda: store.folder.write("checkpoints/b.pt", b"x"), store.compact):
        with pytest.raises(StorageError, match=r"/r is gone: was it deleted or moved\?"):
            write()
    assert list(tmp_path.iterdir()) == []
    assert Store.create(tmp_path / "r").trial_ids() == set()


def test_a_store_whose_files_are_deleted_meanwhile_is_missed(tmp_path: Path) -> None:
    """As by `rm -rf results/*`, which leaves what is hidden, while a trial writes a checkpoint."""
    store = Store.create(tmp_path)
    store.write_trial(*rows("a"))
    for path in tmp_path.iterdir():
        if path.name[0] != ".":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    store.folder.write("checkpoints/b.pt", b"x")
    with pytest.raises(StorageError, match="are gone"):
        store.write_trial(*rows("b"))
    again = Store.create(tmp_path)
    assert again.trial_ids() == set()
    again.write_trial(*rows("b"))
    assert Store.open(tmp_path).trial_ids() == {"b"}


def test_a_store_without_its_marker_keeps_its_rows(tmp_path: Path) -> None:
    Store.create(tmp_path).write_trial(*rows("a"))
    (tmp_path / "store.json").unlink()
    assert Store.create(tmp_path).trial_ids() == {"a"}


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write results to"):
        Store.create(tmp_path / "file" / "r")


def test_opening_nothing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"clinfonce sweep.*--results"):
        Store.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('{"format": "clinfonce-results", "version": 3}', "version 3"),
        ('{"format": "other", "version": 1}', "other"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": "clinfonce-results"}', "damaged"),
        ('{"format": "clinfonce-results", "version": Infinity}', "damaged"),
        ("[" * 100_000, "damaged"),
        ("\0\ufffd", "damaged"),
    ],
)
def test_a_marker_that_is_not_ours(tmp_path: Path, marker: str, message: str) -> None:
    (tmp_path / "store.json").write_text(marker)
    with pytest.raises(InputError, match=message):
        Store.open(tmp_path)


def test_an_unknown_uri(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allowed: a local path"):
        Store.open("carrier-pigeon://loft/results")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"colour": "red"}, ValueError, "no column 'colour'"),
        ({"seed": None}, ValueError, "seed of table trials is required"),
        ({"status": "done"}, ValueError, "'done' is not one of complete, stopped, failed"),
        ({"role": "extra"}, ValueError, "'extra' is not one of"),
        ({"seed": 1.5}, TypeError, "column seed of table trials is int64"),
        ({"number": 2**40}, TypeError, "column number"),
        ({"name": 7}, TypeError, "column name"),
        ({"loss": "low"}, TypeError, "column loss"),
        ({"loss": True}, TypeError, "column loss"),
        ({"attributes": {"a", "b"}}, TypeError, "column attributes"),
        ({"trial_id": "../t1"}, ValueError, "trial_id"),
        ({"trial_id": ".tmp-1"}, ValueError, "trial_id"),
    ],
)
def test_a_wrong_row_is_refused_whole(
    tmp_path: Path, change: Row, error: type[Exception], message: str
) -> None:
    store = Store.create(tmp_path)
    trial, _, clustering = rows()
    with pytest.raises(error, match=message):
        store.write_trial(trial | change, [], clustering)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["store.json"]


def test_epochs_of_another_trial_are_refused(tmp_path: Path) -> None:
    trial, epochs, clustering = rows()
    epochs[1]["trial_id"] = "t2"
    with pytest.raises(ValueError, match="t2"):
        Store.create(tmp_path).write_trial(trial, epochs, clustering)


def test_a_trial_appears_only_when_its_epochs_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.create(tmp_path)
    order = []
    write = Folder.write
    monkeypatch.setattr(
        Folder, "write", lambda self, name, data: (order.append(name), write(self, name, data))
    )
    store.write_trial(*rows())
    tables = ("epochs", "scores", "trials")
    assert order == ["clusterings/c1.parquet", *(f"{table}/t1.parquet" for table in tables)]
    store.write_trial(*rows("t2"))
    assert order[4:] == [f"{table}/t2.parquet" for table in tables]


def test_a_crash_before_the_rename_leaves_nothing_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.create(tmp_path)
    store.write_trial(*rows())

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            store.write_trial(*rows("t2"))
    assert store.trial_ids() == {"t1"}
    assert not list(tmp_path.rglob(".tmp-*"))


def test_leftovers_are_ignored_and_cleaned(tmp_path: Path) -> None:
    Store.create(tmp_path).write_trial(*rows())
    dead = tmp_path / "trials" / ".tmp-999999999-x-t2.parquet"
    alive = tmp_path / "trials" / f".tmp-{os.getpid()}-x-t3.parquet"
    dead.write_bytes(b"PAR1 half")
    alive.write_bytes(b"PAR1 half")
    assert Store.open(tmp_path).trial_ids() == {"t1"}
    assert set(Store.open(tmp_path).finished()) == {"t1"}
    Store.create(tmp_path)
    assert not dead.exists()
    assert alive.exists(), "another process is still writing it"


def test_removed_trials_are_gone(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.write_trial(*rows("t1"))
    store.write_trial(*rows("t2"))
    store.remove(["t1", "unknown"])
    assert set(store.finished()) == {"t2"}
    assert store.epochs_of("t1") == []
    assert (tmp_path / "clusterings/c1.parquet").exists()


def test_an_older_store_lacks_a_column(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    store.write_trial(*rows())
    path = tmp_path / "trials/t1.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["peak_memory_mb"]), path)
    assert store.finished()["t1"]["peak_memory_mb"] is None
    assert store.finished()["t1"]["test_linear_top1_5"] == 0.5


def _write(path: Path, first: int) -> None:
    store = Store.create(path)
    for i in range(first, first + 10):
        store.write_trial(*rows(f"t{i}"))


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    writers = [context.Process(target=_write, args=(tmp_path, n)) for n in (0, 10, 20)]
    Store.create(tmp_path)
    for writer in writers:
        writer.start()
    store = Store.open(tmp_path)
    while any(writer.is_alive() for writer in writers):
        store.finished()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert len(store.finished()) == 30


def test_a_store_on_another_file_system(tmp_path: Path) -> None:
    """A sub-tree file system takes the path of object stores: whole puts, no rename."""
    (tmp_path / "bucket").mkdir()
    filesystem = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
    folder = Folder(filesystem, "bucket", "bucket")
    assert folder.local is None
    folder.write("store.json", json.dumps({"format": "clinfonce-results", "version": 1}).encode())
    for table in TABLES:  # an object store needs no folders
        (tmp_path / "bucket" / table).mkdir()
    store = Store(folder)
    store.write_trial(*rows())
    assert store.finished()["t1"]["seed"] == 3
    assert len(store.epochs_of("t1")) == 3
    store.remove(["t1"])
    assert store.trial_ids() == set()


def test_a_stored_store_of_version_1_is_read(tmp_path: Path) -> None:
    """Two trials compacted, one not, as the first version wrote them."""
    old = Path(__file__).with_name("store-of-version-1")
    store = Store.open(shutil.copytree(old, tmp_path / "old"))
    assert {key: row["seed"] for key, row in store.finished().items()} == {"a": 3, "b": 3, "c": 9}
    found = open_results(store).sql(
        "select trial_id, attributes, finished_at, n_clusters, sum(e.loss) as loss from trials "
        "join epochs e using (trial_id) join clusterings using (clustering_id) group by all "
        "order by trial_id"
    )
    trial, epochs, _ = rows()
    expected = {
        "attributes": trial["attributes"],
        "finished_at": trial["finished_at"],
        "n_clusters": 4,
        "loss": pytest.approx(sum(e["loss"] for e in epochs)),
    }
    assert found.to_pylist() == [{"trial_id": t, **expected} for t in "abc"]
    store.write_trial(*rows("d"))
    store.compact()
    assert sorted(store.finished()) == list("abcd")
