"""Files of a store are not trusted by their names: damage is named, strangers count for nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clinfonce.errors import StorageError
from clinfonce.results import Store
from clinfonce.results import open as open_results
from clinfonce.results.sql.output import write_table
from tests.results.store.test_compaction import content, fill

TABLES = ("trials", "epochs", "clusterings")


def the_file(path: Path, table: str) -> Path:
    return sorted((path / table).iterdir())[0]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return fill(tmp_path / "r", list("abc"))


@pytest.fixture(params=["single", "compacted"])
def either(request: pytest.FixtureRequest, store: Store) -> Store:
    if request.param == "compacted":
        store.compact()
    return store


def outcome(place: str) -> Any:
    """All rows, or what is said instead."""
    try:
        return content(Store.open(place))
    except StorageError as error:
        return str(error)


@pytest.mark.parametrize("table", TABLES)
def test_no_flipped_bit_changes_a_value_unseen(either: Store, table: str) -> None:
    path = the_file(Path(either.folder.root), table)
    before, whole, random = content(either), path.read_bytes(), Random(0)
    unseen = 0
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[random.randrange(len(whole))] ^= 1 << random.randrange(8)
        path.unlink()
        path.write_bytes(damaged)
        named = f"{table}/{path.name} is damaged"
        if (found := outcome(either.folder.root)) == before:
            unseen += 1
        else:
            assert named in str(found)
    assert unseen <= 3  # in the mark of the digest, or in its name
    path.unlink()
    path.write_bytes(whole)
    assert content(either) == before


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: b"",
        lambda whole: b"garbage",
        lambda whole: whole[:100] + bytes(100) + whole[200:],
        lambda whole: whole + b"more",
        lambda whole: b"PAR1" + b"\xff" * 500 + b"PAR1",
    ],
)
def test_what_is_damaged_is_named(
    either: Store, table: str, damage: Callable[[bytes], bytes]
) -> None:
    path = the_file(Path(either.folder.root), table)
    path.write_bytes(damage(path.read_bytes()))
    reads: list[Callable[[], Any]] = [
        lambda: open_results(either.folder.root),
        lambda: content(Store.open(either.folder.root)),
        either.compact,
    ]
    for read in reads:
        with pytest.raises(
            StorageError, match=r"is damaged: .*\. Restore it, or remove it"
        ) as caught:
            read()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    path.unlink()  # as the message says
    open_results(either.folder.root)


def foreign(path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2], "name": ["x", "y"]}), path)


STRANGERS: dict[str, Callable[[Path], Any]] = {
    "trials/mine.parquet": foreign,
    "trials/a (copy).parquet": lambda path: shutil.copy(path.with_name("a.parquet"), path),
    "trials/a-copy.parquet": lambda path: shutil.copy(path.with_name("a.parquet"), path),
    "trials/a.sync-conflict-20260102-030405-ABCDEFG.parquet": (
        lambda path: shutil.copy(path.with_name("a.parquet"), path)
    ),
    "epochs/a-copy.parquet": lambda path: shutil.copy(path.with_name("a.parquet"), path),
    "clusterings/d.parquet": lambda path: shutil.copy(path.with_name("c-a.parquet"), path),
    "epochs/d.parquet": lambda path: shutil.copy(path.parents[1] / "trials" / "a.parquet", path),
    "trials/cut (1).parquet": lambda path: path.write_bytes(b"PAR1"),
    "trials/_compacted-backup.parquet": foreign,
    "trials/two.parquet": (
        lambda path: pq.write_table(
            pa.table({"trial_id": ["two", "two"], "sweep": ["s"] * 2}), path
        )
    ),
    "trials/typed.parquet": (
        lambda path: pq.write_table(pa.table({"trial_id": ["typed"], "number": ["one"]}), path)
    ),
    "trials/double.parquet": (
        lambda path: pq.write_table(
            pa.Table.from_arrays([pa.array(["double"])] * 2, ["trial_id", "trial_id"]), path
        )
    ),
    "trials/numbers.parquet": lambda path: pq.write_table(pa.table({"trial_id": [1]}), path),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_count_for_nothing_and_are_named_and_left_alone(store: Store, name: str) -> None:
    before, path = content(store), Path(store.folder.root, name)
    STRANGERS[name](path)
    stranger = path.read_bytes()
    assert content(Store.open(store.folder.root)) == before
    assert store.strangers() == [str(path)]
    store.compact()
    assert content(store) == before
    store.remove(["a"])
    assert path.read_bytes() == stranger


@pytest.mark.parametrize("name", ["_compacted-" + "0" * 32, "_compacted-x (copy)", "copy"])
def test_a_copy_of_a_compacted_file_counts_for_nothing(store: Store, name: str) -> None:
    store.compact()
    before = content(store)
    for table in TABLES:
        path = the_file(Path(store.folder.root), table)
        shutil.copy(path, path.with_name(f"{name}.parquet"))
    assert content(store) == before
    assert len(store.strangers()) == 3


def test_what_is_no_file_is_passed_over(store: Store, tmp_path: Path) -> None:
    before = content(store)
    (tmp_path / "r/trials/folder.parquet").mkdir()
    (tmp_path / "r/trials/dangling.parquet").symlink_to("nowhere")
    (tmp_path / "r/trials/notes.txt").write_text("notes")
    assert content(store) == before
    assert store.strangers() == []


def test_a_result_of_a_query_among_the_rows(store: Store, tmp_path: Path) -> None:
    before = content(store)
    rows = open_results(store).sql("from trials")
    write_table(rows, "parquet", tmp_path / "r/trials/all.parquet")
    write_table(rows.slice(0, 1), "parquet", tmp_path / "r/trials/first.parquet")
    assert content(store) == before


def test_a_backup_laid_over_the_store(store: Store, tmp_path: Path) -> None:
    """Its compacted files and single files come back beside what has replaced them."""
    shutil.copytree(tmp_path / "r", tmp_path / "backup 1")
    store.compact()
    shutil.copytree(tmp_path / "r", tmp_path / "backup 2")
    fill(tmp_path / "r", list("de"))
    store.compact()
    fill(tmp_path / "r", list("fg"))
    store.compact()  # the file of backup 2 is no longer known to be replaced
    before = content(store)
    for backup in ("backup 1", "backup 2"):
        shutil.copytree(tmp_path / backup, tmp_path / "r", dirs_exist_ok=True)
        assert content(store) == before
    fill(tmp_path / "r", ["h"])
    store._compact(everything=False, wait=True)
    store.remove(["h"])
    assert content(store)["trials"] == before["trials"]
    store.compact()
    assert content(store)["epochs"] == before["epochs"]
    assert len(list((tmp_path / "r/trials").iterdir())) == 1
    store.remove(["a"])
    assert sorted(store.finished()) == list("bcdefg")


def test_a_file_is_read_again_when_it_has_changed(store: Store) -> None:
    assert store.trial_ids() == set("abc")
    path = Path(store.folder.root, "trials/a.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"2")
    with pytest.raises(StorageError, match="damaged"):
        store.trial_ids()
    path.write_bytes(whole)
    assert store.trial_ids() == set("abc")


def test_a_table_that_is_no_folder(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    (tmp_path / "trials").write_text("x")
    with pytest.raises(StorageError, match="Not a directory"):
        store.finished()
