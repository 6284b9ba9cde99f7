"""The state of a sweep between its plan and its store, without Ray running."""

import pytest

from clinfonce.config import SweepSpec
from clinfonce.data import load
from clinfonce.results.store import Store
from clinfonce.scaling.sweep import SweepRun

SWEEP = SweepSpec.model_validate(
    {
        "name": "demo",
        "data": {"name": "digits"},
        "trial": {"augmentation": "digits"},
        "seeds": [1, 2, 3, 4],
        "fixed": [{"name": "InfoNCE", "trial": {}}],
    }
)


class Quiet:
    """A display that shows nothing."""

    def start(self, total):
        pass

    def epoch(self, name, epoch, epochs, accuracy):
        pass

    def trial(self, row, *, earlier):
        pass


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "results")


@pytest.fixture
def run(store):
    return SweepRun(SWEEP, load("digits"), store, Quiet())


def test_a_trial_that_lost_its_process_is_a_failed_row(run, store):
    run.lose(run.next().identity, "its process died")
    (row,) = store.finished().values()
    assert (row["status"], row["error"]) == ("failed", "its process died")
    assert not run.is_hopeless


def test_a_report_in_between_keeps_up_hope(run):
    proposals = [run.next() for _ in range(4)]
    for proposal in proposals[:2]:
        run.lose(proposal.identity, "its process died")
    run.receive(proposals[3].identity, {"epochs": [], "epoch": 1, "val_knn": 0.5})
    run.lose(proposals[2].identity, "its process died")
    assert not run.is_hopeless


def test_trials_that_all_died_run_again_with_the_next_call(run, store):
    proposals = [run.next() for _ in range(3)]
    for proposal in proposals:
        run.lose(proposal.identity, "its process died")
    assert run.is_hopeless
    run.forget_lost()
    assert store.finished() == {}
    again = SweepRun(SWEEP, load("digits"), store, Quiet())
    assert [again.next().identity for _ in range(3)] == [p.identity for p in proposals]


def test_a_trial_handed_back_at_the_start_is_not_running(run):
    assert not run.is_over()
    assert run.running == 0
    run.next()
    assert run.running == 1
