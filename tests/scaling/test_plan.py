"""The order of a sweep: the same trials and verdicts however fast each trial ends."""

import random

import pytest

from clinfonce.config import SweepSpec
from clinfonce.scaling.plan import Plan, at_rung

SEARCH = {
    "trials": 12,
    "space": {"objective.temperature": {"low": 0.1, "high": 1.0}},
    "window": 3,
    "confirm": 2,
}


def sweep(**changes):
    values = {
        "name": "demo",
        "data": {"name": "digits"},
        "trial": {"epochs": 4},
        "seeds": [5, 6],
        "fixed": [{"name": "InfoNCE", "trial": {}}],
        "search": SEARCH,
        "scheduler": {"name": "asha", "grace_epochs": 1, "reduction_factor": 2},
    }
    return SweepSpec.model_validate(values | changes)


class Memory:
    """A searcher whose points follow from everything it was told."""

    def __init__(self):
        self.log = []

    def ask(self, number):
        self.log.append(("ask", number))
        return {"objective.temperature": random.Random(str(self.log)).uniform(0.1, 1.0)}

    def tell(self, number, value, reached):
        self.log.append(("tell", number, value, sorted(reached.items())))

    def fail(self, number):
        self.log.append(("fail", number))


def accuracy(spec, epoch):
    return round(spec.objective.temperature * 0.5 + 0.1 * epoch + 0.01 * (spec.seed % 7), 6)


def run(plan, order):
    """Run a plan with trials that make progress in an arbitrary order; return what happened."""
    running, ended, verdicts = {}, False, []
    while running or not ended:
        while not ended:
            try:
                proposal = plan.next()
            except StopIteration:
                ended = True
                break
            if proposal is None:
                break
            running[proposal.identity] = [proposal, 0]
        if not running:
            continue
        identity = order.choice(sorted(running))
        proposal, epoch = running[identity]
        epoch += 1
        running[identity][1] = epoch
        value = accuracy(proposal.spec, epoch)
        stop = plan.should_stop(identity, epoch, value)
        verdicts.append((proposal.number, epoch, stop))
        if stop or epoch == proposal.spec.epochs:
            status = "stopped" if stop else "complete"
            row = {"status": status, "val_knn": value, "number": proposal.number}
            row["spec"] = proposal.spec
            plan.finish(identity, row)
            del running[identity]
    return plan.rows, sorted(verdicts)


def test_trials_and_verdicts_do_not_depend_on_who_is_fast():
    searcher = Memory()
    rows, verdicts = run(Plan(sweep(), "data", searcher), random.Random(0))
    assert any(row["status"] == "stopped" for row in rows)
    for seed in range(1, 6):
        again = Memory()
        assert run(Plan(sweep(), "data", again), random.Random(seed)) == (rows, verdicts)
        assert again.log == searcher.log


def test_a_plan_has_fixed_then_searched_then_confirmed_trials():
    plan = Plan(sweep(), "data", Memory())
    rows, _ = run(plan, random.Random(0))
    assert len(rows) == plan.size == 2 + 12 + 2 * 2
    assert [row["number"] for row in rows] == list(range(plan.size))
    assert [row["spec"].seed for row in rows[:2]] == [5, 6]
    complete = [row for row in rows[2:14] if row["status"] == "complete"]
    ranked = sorted(complete, key=lambda row: -row["val_knn"])
    confirmed = [row["spec"].objective.temperature for row in rows[14:]]
    wanted = [row["spec"].objective.temperature for row in ranked[:2] for _ in (5, 6)]
    assert confirmed == wanted


def test_a_proposal_waits_for_the_trial_its_window_names():
    plan = Plan(sweep(fixed=[]), "data", Memory())
    first = [plan.next() for _ in range(3)]
    assert plan.next() is None
    for proposal in first[1:]:  # the oldest still runs
        plan.finish(proposal.identity, {"status": "complete", "val_knn": 0.5})
    assert plan.next() is None
    plan.finish(first[0].identity, {"status": "complete", "val_knn": 0.5})
    assert plan.next() is not None


def test_rows_of_an_earlier_run_lead_to_the_same_plan():
    plan = Plan(sweep(), "data", Memory())
    rows, _ = run(plan, random.Random(0))
    known = {record.proposal.identity: record for record in plan._records.values()}
    replay = Plan(sweep(), "data", Memory())
    for _ in range(replay.size):
        record = known[replay.next().identity]
        replay.finish(record.proposal.identity, record.row, record.reached)
    with pytest.raises(StopIteration):
        replay.next()
    assert replay.rows == rows


def test_a_point_proposed_again_runs_with_another_seed():
    class Stubborn(Memory):
        def ask(self, number):
            return {"objective.temperature": 0.5}

    plan = Plan(sweep(fixed=[]), "data", Stubborn())
    proposals = [plan.next() for _ in range(3)]
    assert len({p.identity for p in proposals}) == len({p.spec.seed for p in proposals}) == 3


def test_a_failed_trial_is_told_as_failed_and_never_confirmed():
    searcher = Memory()
    plan = Plan(sweep(fixed=[], search=SEARCH | {"trials": 2, "confirm": 1}), "data", searcher)
    bad, good = plan.next(), plan.next()
    plan.finish(bad.identity, {"status": "failed", "val_knn": None})
    plan.finish(good.identity, {"status": "complete", "val_knn": 0.4})
    assert plan.next().spec.objective == good.spec.objective
    assert ("fail", 0) in searcher.log


def test_halving_keeps_the_better_half_at_each_rung():
    plan = Plan(sweep(fixed=[], search=SEARCH | {"window": 1}), "data", Memory())
    for value in (0.5, 0.6, 0.7):
        proposal = plan.next()
        plan.should_stop(proposal.identity, 1, value)
        plan.finish(proposal.identity, {"status": "stopped", "val_knn": value})
    among_the_best, too_low = 0.65, 0.55
    proposal = plan.next()
    assert not plan.should_stop(proposal.identity, 1, among_the_best)
    plan.finish(proposal.identity, {"status": "complete", "val_knn": among_the_best})
    assert plan.should_stop(plan.next().identity, 1, too_low)


def test_a_trial_that_reached_its_last_epoch_is_not_stopped():
    plan = Plan(sweep(fixed=[], search=SEARCH | {"window": 1}), "data", Memory())
    for value in (0.9, 0.8):
        proposal = plan.next()
        assert not plan.should_stop(proposal.identity, 4, value)
        plan.finish(proposal.identity, {"status": "complete", "val_knn": value})


def test_fixed_trials_always_run_to_their_end():
    plan = Plan(sweep(), "data", Memory())
    proposal = plan.next()
    assert not any(plan.should_stop(proposal.identity, epoch, 0.0) for epoch in (1, 2, 3))


def test_the_accuracy_at_a_rung_is_the_first_at_or_after_it():
    assert at_rung({5: 0.1, 10: 0.2, 15: 0.3}, 7) == 0.2
    assert at_rung({5: 0.1}, 7) is None
