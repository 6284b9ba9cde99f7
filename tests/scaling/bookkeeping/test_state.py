"""The state of a sweep between its plan and its store, without Ray running."""

import dataclasses
import errno
import os

import numpy as np
import pytest

from clinfonce.config import SweepSpec
from clinfonce.data import Column, load
from clinfonce.models.saved import encoder_file
from clinfonce.results.store.store import Store
from clinfonce.scaling.bookkeeping.retention import BestEncoders
from clinfonce.scaling.bookkeeping.state import SweepState
from clinfonce.scaling.limits import MOST_DEATHS
from clinfonce.scaling.sweep import prepare_sweep
from clinfonce.training.checkpoint import checkpoint_file
from clinfonce.trial.rows import describe_clustering, describe_trial
from clinfonce.trial.run import check_trial
from tests.scaling.sweeps import Quiet

SWEEP = SweepSpec.model_validate(
    {
        "name": "demo",
        "data": {"name": "digits"},
        "trial": {"augmentation": "digits"},
        "seeds": [1, 2, 3, 4],
        "fixed": [{"name": "InfoNCE", "trial": {}}],
    }
)


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "results")


@pytest.fixture
def state(store):
    return SweepState(SWEEP, load("digits"), store, Quiet())


def finish(state, proposal):
    """A report that ends a trial, as a worker sends it."""
    table = state.table
    clustering = check_trial(proposal.spec, table)
    trial = describe_trial(proposal.spec, table, clustering, experiment=SWEEP.name)
    report = {"trial": [trial], "clustering": [describe_clustering(clustering, table)]}
    state.receive(proposal.identity, {"epochs": [], **report})


def test_a_trial_that_lost_its_process_leaves_no_row_and_runs_with_the_next_call(state, store):
    proposal = state.next()
    state.lose(proposal.identity, "its process died")
    assert list(state.lost) == [proposal.identity]
    assert not state.is_hopeless
    assert store.finished() == {}
    assert SweepState(SWEEP, load("digits"), store, Quiet()).next() == proposal


def test_a_trial_that_its_group_gave_up_leaves_no_row(state, store):
    proposal = state.next()
    assert not state.receive(proposal.identity, {"epochs": [], "lost": "its workers died"})
    assert list(state.lost) == [proposal.identity]
    assert store.finished() == {}


def test_a_trial_whose_process_died_is_the_next_one_until_it_is_given_up(state):
    first = state.next()
    for _ in range(MOST_DEATHS - 1):
        assert state.die(first.identity)
        assert state.next() == first
    state.receive(first.identity, {"epochs": [], "epoch": 1, "val_knn": 0.5})
    for _ in range(MOST_DEATHS - 1):
        assert state.die(first.identity)
        assert state.next() == first
    assert not state.die(first.identity)
    assert list(state.lost) == [first.identity]
    assert state.next() != first


def test_a_report_in_between_keeps_up_hope(state):
    proposals = [state.next() for _ in range(4)]
    for proposal in proposals[:2]:
        state.lose(proposal.identity, "its process died")
    state.receive(proposals[3].identity, {"epochs": [], "epoch": 1, "val_knn": 0.5})
    state.lose(proposals[2].identity, "its process died")
    assert not state.is_hopeless


def test_three_trials_in_a_row_that_died_leave_no_hope(state):
    for proposal in [state.next() for _ in range(3)]:
        state.lose(proposal.identity, "its process died")
    assert state.is_hopeless


def test_a_trial_that_was_put_back_is_the_next_one(state):
    first = state.next()
    state.put_back(first)
    assert state.next() == first
    assert state.next() != first


def test_rows_that_the_sweep_would_not_have_any_more_go_at_its_end(state, store):
    """What a search proposed without a trial that was lost, and does not propose with it."""
    proposals = [state.next() for _ in range(4)]
    other = proposals[0].spec.model_copy(update={"seed": 99})
    table = state.table
    row = describe_trial(other, table, None, experiment=SWEEP.name) | {"name": "InfoNCE"}
    left = [encoder_file(store.folder, row["trial_id"])]
    left += [checkpoint_file(store.folder, SWEEP.name, row["trial_id"])]
    for file in left:
        file.write(b"weights")
    row |= {"status": "failed", "error": "", "number": 5, "role": "search", "epochs_run": 0}
    store.write_trial(row, [], None)
    theirs = describe_trial(other, table, None, experiment="other") | {"name": "InfoNCE"}
    store.write_trial(row | theirs, [], None)
    for proposal in proposals:
        finish(state, proposal)
    state.forget_outdated()
    assert store.trial_ids() == {*(p.identity for p in proposals), theirs["trial_id"]}
    assert not any(file.exists() for file in left)


def test_a_fresh_sweep_forgets_what_it_left_and_nothing_of_others(state, store):
    first, second = state.next(), state.next()
    finish(state, first)
    mine = [
        encoder_file(store.folder, first.identity),
        checkpoint_file(store.folder, SWEEP.name, second.identity),  # half-run, without a row
        checkpoint_file(store.folder, SWEEP.name, "0123456789ab"),  # of another data set, perhaps
    ]
    theirs = [
        checkpoint_file(store.folder, f"{SWEEP.name}{end}", "0123456789ab")
        for end in (".more", "-more", ".0123456789ab")
    ]
    for file in (*mine, *theirs):
        file.write(b"weights")
    prepare_sweep(SWEEP, store.folder.place)
    assert all(file.exists() for file in (*mine, *theirs))
    prepare_sweep(SWEEP, store.folder.place, fresh=True)
    assert not any(file.exists() for file in mine)
    assert all(file.exists() for file in theirs)
    assert store.finished() == {}


def test_a_full_disk_ends_the_sweep_and_fails_no_trial(state, store, monkeypatch):
    first, second = state.next(), state.next()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert state.receive(first.identity, {"epochs": [], "failure": "the loss is not finite"})
    assert "no space left in" in str(state.broken)
    assert state.receive(second.identity, {"epochs": [], "failure": "too late"})
    state.lose(second.identity, "its process died")
    with pytest.raises(StopIteration):
        state.next()
    assert store.finished() == {}


def test_a_worker_that_cannot_save_ends_the_sweep_and_fails_no_trial(state, store):
    proposal = state.next()
    assert state.receive(proposal.identity, {"epochs": [], "storage": "no space left in here"})
    assert str(state.broken) == "no space left in here"
    assert store.finished() == {}


def test_the_encoders_of_the_best_searched_trials_are_kept(store):
    def ended(number, value, role="search", status="complete"):
        identity = f"t{number}"
        encoder_file(store.folder, identity).write(b"weights")
        row = {"trial_id": identity, "number": number, "role": role, "status": status}
        return row | {"val_knn": value}

    rows = [ended(n, v) for n, v in enumerate((0.5, 0.7, None, 0.6, 0.7, float("nan")))]
    rows += [ended(6, 0.1, "fixed"), ended(7, 0.1, "confirm"), ended(8, 0.9, status="stopped")]
    for _ in range(2):  # a sweep that goes on takes them again
        encoders = BestEncoders(store.folder, ["val_knn"], 2)
        for row in rows:
            encoders.take(row)
        kept = [name.removesuffix(".safetensors") for name in store.folder.names("encoders")]
        assert kept == ["t1", "t4", "t6", "t7", "t8"]


def test_the_clusterings_of_fixed_trials_are_told_once_before_any_training(store):
    lines = []
    display = Quiet()
    display.say = lines.append
    fixed = [
        {"name": "InfoNCE", "trial": {}},
        {"name": "SupCon", "trial": {"clustering": {"source": "labels"}}},
    ]
    sweep = SweepSpec.model_validate(SWEEP.model_dump() | {"fixed": fixed, "seeds": [1, 2]})
    state = SweepState(sweep, load("digits"), store, display)
    assert [state.next().name for _ in range(4)] == ["InfoNCE"] * 2 + ["SupCon"] * 2
    ceiling = "a batch teaches at most 9.00 bits"
    assert lines == [
        "InfoNCE: 898 images in 898 clusters of 1, 898 of them single; H(Z) 9.81 bits; "
        f"{ceiling}, with 0 positives an image besides its other view",
        "SupCon: 898 images in 10 clusters of 87 to 92, 0 of them single; H(Z) 3.32 bits; "
        f"{ceiling}, with 25.3 positives an image besides its other view",
    ]


def test_a_search_over_all_attributes_passes_by_those_of_one_value(store):
    table = load("digits")
    same = Column("same", "boolean", np.zeros(len(table), dtype=bool))
    table = dataclasses.replace(table, columns={"same": same, "loop": table.columns["loop"]})
    space = {"clustering.attributes": {"subset": "all"}}
    search = {"trials": 4, "sampler": "random", "space": space, "confirm": 0}
    search["trial"] = {"clustering": {"source": "attributes"}}
    fields = {**SWEEP.model_dump(exclude_unset=True), "fixed": [], "search": search}
    state = SweepState(SweepSpec.model_validate(fields), table, store, Quiet())
    points = [state.next().spec.clustering.attributes for _ in range(4)]
    assert points == [("loop",)] * 4
