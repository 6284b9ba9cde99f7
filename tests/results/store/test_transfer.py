from pathlib import Path

import pytest

from clinfonce.results import Store
from clinfonce.results.store.transfer import take_sweep
from tests.results.store.test_store import rows


@pytest.fixture
def source(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "there")
    for name in "abc":
        store.write_trial(*rows(name))
    store.write_trial(*rows("of another sweep".replace(" ", "-"), sweep="other"))
    return store


@pytest.fixture
def target(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "here")


def everything(store: Store) -> tuple[object, object]:
    trials = store.finished()
    return trials, {key: store.epochs_of(key) for key in trials}


def test_a_sweep_comes_whole_and_alone(source: Store, target: Store) -> None:
    target.write_trial(*rows("mine", sweep="my own"))
    take_sweep(target, source, "s")
    trials, epochs = everything(target)
    assert trials == {**{k: source.finished()[k] for k in "abc"}, "mine": target.finished()["mine"]}
    assert epochs == {key: source.epochs_of(key) for key in "abc"} | {
        "mine": target.epochs_of("mine")
    }
    assert (target.folder.local / "clusterings/c1.parquet").exists()  # type: ignore[operator]


def test_again_it_writes_nothing(source: Store, target: Store) -> None:
    take_sweep(target, source, "s")
    files = {p: p.stat().st_mtime_ns for p in Path(target.folder.root).rglob("*.parquet")}
    take_sweep(target, source, "s")
    assert files == {p: p.stat().st_mtime_ns for p in Path(target.folder.root).rglob("*.parquet")}


def test_rows_that_changed_or_went_follow(source: Store, target: Store) -> None:
    take_sweep(target, source, "s")
    source.compact()
    source.remove(["a"])
    source.write_trial(*rows("b", seed=4))
    take_sweep(target, source, "s")
    assert {key: row["seed"] for key, row in target.finished().items()} == {"b": 4, "c": 3}
    assert target.epochs_of("a") == []


def test_a_sweep_without_rows(source: Store, target: Store) -> None:
    take_sweep(target, source, "nothing of this name")
    assert target.finished() == {}
