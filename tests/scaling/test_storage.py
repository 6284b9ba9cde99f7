"""Sweeps whose store is full, away, or in S3, with their trials run one by one without Ray.

Training, rows, checkpoints, encoders and the search are real, and so are the disk and the server.
tests/scaling/test_storage_faults.py has the same faults under Ray.
"""

import contextlib
import threading
import time

import pytest
import yaml

from clinfonce.config import SweepSpec
from clinfonce.errors import StorageError
from clinfonce.results import Store
from clinfonce.scaling.bookkeeping.state import SweepState
from clinfonce.scaling.execution import worker
from clinfonce.scaling.execution.task_queue import Task
from clinfonce.scaling.sweep import prepare_sweep
from clinfonce.trial.run import run_trial
from tests.scaling.storage import SWEEP, TRIALS, s3_server
from tests.scaling.sweeps import Quiet, reproducible

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Reporter:
    """Hands a trial's reports to the state of its sweep."""

    def __init__(self, state, identity, after):
        self.state, self.identity, self.after = state, identity, after

    def report(self, report):
        stop = self.state.receive(self.identity, report)
        self.after()
        return stop

    def fail(self, error, message, epochs):
        self.report({"epochs": epochs, "failure": message})


def sweep(home, after=lambda: None):
    """What `run_sweep` does, without Ray; `after` is called after each report."""
    specification = SweepSpec.model_validate(yaml.safe_load(SWEEP))
    table, store, _ = prepare_sweep(specification, home)
    state = SweepState(specification, table, store, Quiet())
    context = worker.SweepContext(table, specification.name, store.folder.place, run_trial)
    try:
        while (proposal := state.next()) is not None:
            task = Task(proposal.identity, proposal.spec.model_dump_json())
            try:
                worker.run_task(task, context, Reporter(state, proposal.identity, after))
            except StorageError:
                assert state.broken is not None
    except StopIteration:
        pass
    if state.broken is not None:
        raise state.broken
    state.close()
    return store


@pytest.fixture(scope="module", autouse=True)
def without_ray():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker.ray, "get", lambda value: value)
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    rows = reproducible(sweep(tmp_path_factory.mktemp("undisturbed") / "results"))
    assert len(rows["trials"]) == TRIALS
    return rows


@pytest.mark.parametrize("broken", ["rows", "checkpoint"])
def test_a_full_disk_ends_a_sweep_that_goes_on_once_there_is_room(
    disk, tmp_path, undisturbed, broken
):
    home, ballast, reports = disk / "results", disk / "ballast", []

    def fill():
        """Once, while the second trial runs (checkpoint) or as it ends (rows)."""
        reports.append(1)
        if len(reports) != (5 if broken == "checkpoint" else 7):
            return
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    with pytest.raises(StorageError) as caught:
        sweep(home, fill)
    assert str(caught.value) == (
        f"no space left in {home}: make room, then the same command goes on"
    )
    assert not list(home.rglob(".tmp-*"))
    assert 0 < len(Store.open(home).finished()) < TRIALS
    assert {row["status"] for row in Store.open(home).finished().values()} <= {
        "complete",
        "stopped",
    }
    ballast.unlink()
    assert reproducible(sweep(home)) == undisturbed


def test_s3_may_be_away_for_a_while(tmp_path, undisturbed, monkeypatch):
    reports = []
    with s3_server(tmp_path, monkeypatch) as (server, home):

        def stop_for_a_while():
            reports.append(1)
            if len(reports) == 6:
                server.stop()
                threading.Timer(5, server.go_on).start()

        began = time.monotonic()
        store = sweep(home, stop_for_a_while)
        assert time.monotonic() - began > 5
        assert reproducible(store) == undisturbed
        assert store.folder.names("checkpoints") == []
        rows = store.finished()
        searched = [r for r in rows.values() if r["role"] == "search" and r["status"] == "complete"]
        best = max(searched, key=lambda row: row["val_knn"])["trial_id"]
        always = {key for key, r in rows.items() if r["role"] != "search"}
        kept = {name.removesuffix(".safetensors") for name in store.folder.names("encoders")}
        assert kept == {best, *always}
        assert len(store.folder.read("sweeps/demo.optuna.log").splitlines()) > 10
