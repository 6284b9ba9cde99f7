"""The order of a sweep: the same trials and decisions however fast each trial ends."""

import random
import sys

import pytest

from clinfonce.config import SweepSpec
from clinfonce.scaling.search.plan import Plan
from clinfonce.scaling.search.race import still_racing
from clinfonce.scaling.search.searcher import OptunaSearcher

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

    def tell(self, number, values, reached):
        self.log.append(("tell", number, values, sorted(reached.items())))

    def fail(self, number):
        self.log.append(("fail", number))


def accuracy(spec, epoch):
    return round(spec.objective.temperature * 0.5 + 0.1 * epoch + 0.01 * (spec.seed % 7), 6)


def run(plan, order):
    """Run a plan with trials that make progress in an arbitrary order; return what happened."""
    running, ended, decisions = {}, False, []
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
        decisions.append((proposal.number, epoch, stop))
        if stop or epoch == proposal.spec.epochs:
            status = "stopped" if stop else "complete"
            row = {"status": status, "val_knn": value, "number": proposal.number}
            row["spec"] = proposal.spec
            plan.finish(identity, row)
            del running[identity]
    return plan.rows, sorted(decisions)


def test_trials_and_decisions_do_not_depend_on_who_is_fast():
    searcher = Memory()
    rows, decisions = run(Plan(sweep(), "data", searcher), random.Random(0))
    assert any(row["status"] == "stopped" for row in rows)
    for seed in range(1, 6):
        again = Memory()
        assert run(Plan(sweep(), "data", again), random.Random(seed)) == (rows, decisions)
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


@pytest.mark.parametrize("sampler", ["grid", "random"])
def test_a_search_that_looks_at_no_results_waits_for_none(sampler):
    space = {"epochs": {"low": 1, "high": 8}}
    search = {"space": space, "sampler": sampler, "seeds": 2}
    search |= {} if sampler == "grid" else {"trials": 8}
    free = sweep(fixed=[], search=search, scheduler={"name": "none"})
    plan = Plan(free, "data", OptunaSearcher(free, ()))
    assert len({plan.next().identity for _ in range(8)}) == 8
    assert plan.next() is None
    rows, _ = run(Plan(free, "data", OptunaSearcher(free, ())), random.Random(0))
    for seed in (1, 2):
        assert run(Plan(free, "data", OptunaSearcher(free, ())), random.Random(seed))[0] == rows
    halved = sweep(fixed=[], search=search)  # whose decisions look at results
    plan = Plan(halved, "data", OptunaSearcher(halved, ()))
    assert [plan.next() is None for _ in range(5)] == [False] * 4 + [True]


def test_a_search_that_looks_at_no_results_is_told_them_as_they_come():
    """So that its study shows them."""
    told, free = Memory(), SEARCH | {"sampler": "random"}
    plan = Plan(sweep(fixed=[], search=free, scheduler={"name": "none"}), "data", told)
    first = plan.next()
    plan.finish(first.identity, {"status": "complete", "val_knn": 0.5})
    assert plan.next() is not None
    assert told.log == [("ask", 0), ("tell", 0, [0.5], []), ("ask", 1)]


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


CHOOSE = [
    {
        "name": "InfoNCE",
        "trial": {},
        "choose": {"objective.temperature": [0.1, 0.5], "optimizer.learning_rate": [0.01, 0.1]},
    },
    {"name": "SupCon", "trial": {"clustering": {"source": "labels"}}},
]


def test_a_fixed_trial_runs_with_the_settings_that_its_grid_chose():
    rows, _ = run(Plan(sweep(fixed=CHOOSE, search=None), "data", None), random.Random(0))
    grid, fixed = rows[:4], rows[4:]
    assert [(r["spec"].objective.temperature, r["spec"].optimizer.learning_rate) for r in grid] == [
        (0.1, 0.01), (0.1, 0.1), (0.5, 0.01), (0.5, 0.1)
    ]  # fmt: skip
    assert {r["spec"].seed for r in grid} == {0}
    assert [r["spec"].seed for r in fixed] == [5, 6, 5, 6]
    first_of_the_best = grid[2]["spec"]
    for row in fixed[:2]:
        assert row["spec"].model_copy(update={"seed": 0}) == first_of_the_best


def test_a_grid_runs_whole_and_is_waited_for():
    plan = Plan(sweep(fixed=CHOOSE, search=None), "data", None)
    assert plan.size == 4 + 2 * 2
    points = [plan.next() for _ in range(4)]
    assert {(p.role, p.name) for p in points} == {("choose", "InfoNCE")}
    assert not any(plan.should_stop(p.identity, 1, 0.0) for p in points)
    for value, point in enumerate(points[:3]):
        plan.finish(point.identity, {"status": "complete", "val_knn": float(value)})
    assert plan.next() is None
    plan.finish(points[3].identity, {"status": "failed", "val_knn": None})
    chosen = plan.next()
    assert (chosen.role, chosen.spec.objective) == ("fixed", points[2].spec.objective)


def test_a_grid_of_failures_leaves_its_first_point_to_say_why():
    plan = Plan(sweep(fixed=CHOOSE[:1], search=None), "data", None)
    points = [plan.next() for _ in range(4)]
    for point in points:
        plan.finish(point.identity, {"status": "complete", "val_knn": float("nan")})
    assert plan.next().spec.objective == points[0].spec.objective


def finished(plan, proposal, value, status="complete"):
    plan.finish(proposal.identity, {"status": status, "val_knn": value})


def test_further_seeds_run_once_the_first_is_complete_and_their_mean_counts():
    searcher = Memory()
    search = SEARCH | {"trials": 2, "seeds": 3, "window": 2, "confirm": 1}
    plan = Plan(sweep(fixed=[], search=search), "data", searcher)
    first, second = plan.next(), plan.next()
    assert plan.next() is None
    finished(plan, first, 0.9)
    further = [plan.next(), plan.next()]
    assert [p.spec.seed for p in (first, *further)] == [0, 1000, 2000]
    assert {p.role for p in (first, *further)} == {"search"}
    assert [p.number for p in (first, *further, second)] == [0, 1, 2, 3]
    assert {p.spec.objective for p in further} == {first.spec.objective}
    assert not plan.should_stop(further[0].identity, 1, 0.0)
    finished(plan, second, 0.8)
    for proposal in (plan.next(), plan.next()):
        finished(plan, proposal, 0.8)
    assert plan.next() is None
    for proposal, value in zip(further, (0.6, 0.3), strict=True):
        finished(plan, proposal, value)
    assert plan.next().spec.objective == second.spec.objective  # 0.8 against 0.6 on average
    assert [entry[2] for entry in searcher.log if entry[0] == "tell"] == [
        [pytest.approx(0.6)],
        [pytest.approx(0.8)],
    ]


def test_a_stopped_configuration_runs_with_no_further_seed():
    search = SEARCH | {"trials": 2, "seeds": 2, "confirm": 0}
    plan = Plan(sweep(fixed=[], search=search), "data", searcher := Memory())
    first, second = plan.next(), plan.next()
    finished(plan, first, 0.1, "stopped")
    finished(plan, second, 0.2)
    last = plan.next()
    assert (last.number, last.spec.objective) == (3, second.spec.objective)
    finished(plan, last, None, "failed")  # so that it has no mean
    with pytest.raises(StopIteration):
        plan.next()
    assert [entry[0] for entry in searcher.log] == ["ask", "ask", "tell", "fail"]


def test_a_confirmation_that_is_a_fixed_trial_does_not_run_again():
    class Known(Memory):
        def ask(self, number):
            return {"objective.temperature": 0.2}

    search = SEARCH | {"trials": 1, "confirm": 1}
    plan = Plan(sweep(search=search), "data", Known())
    proposals = [plan.next() for _ in range(3)]
    for proposal in proposals:
        finished(plan, proposal, 0.5)
    with pytest.raises(StopIteration):
        plan.next()


def test_the_two_thousandth_trial_takes_no_more_lines_than_the_first():
    search = SEARCH | {"trials": 2000, "window": 8, "confirm": 0}
    plan = Plan(sweep(fixed=[], search=search), "data", Memory())
    plan._searcher.ask = lambda number: {"objective.temperature": 0.1 + number / 4000}
    lines = 0

    def count(_frame, event, _argument):
        nonlocal lines
        lines += event == "line"
        return count

    def run(trials):
        for _ in range(trials):
            proposal = plan.next()
            plan.should_stop(proposal.identity, 1, random.Random(proposal.number).random())
            finished(plan, proposal, 0.5, "stopped")

    def run_counted(trials):
        nonlocal lines
        lines, before = 0, sys.gettrace()
        sys.settrace(count)
        try:
            run(trials)
        finally:
            sys.settrace(before)
        return lines

    run(50)  # a window of peers is there
    early = run_counted(100)
    run(1750)
    assert run_counted(100) < 1.5 * early


def in_time(plan, seconds):
    """Run trials one after the other, each of so many seconds."""
    rows = []
    while True:
        try:
            proposal = plan.next()
        except StopIteration:
            return rows
        assert proposal is not None
        row = {"status": "complete", "val_knn": accuracy(proposal.spec, 4), "seconds": seconds}
        plan.finish(proposal.identity, row)
        rows.append(proposal)


def test_minutes_say_how_many_are_tried_by_what_trials_took():
    search = SEARCH | {"minutes": 5, "window": 1, "confirm": 1}
    scheduler = {"name": "none"}
    found = in_time(Plan(sweep(search=search, scheduler=scheduler), "d", Memory()), 60.0)
    assert [p.role for p in found].count("search") == 5
    assert [p.role for p in found].count("confirm") == 2
    unlimited = {k: v for k, v in search.items() if k != "trials"}
    plan = Plan(sweep(search=unlimited, scheduler=scheduler), "d", Memory())
    assert [p.role for p in in_time(plan, 10.0)].count("search") == 30
    behind = SEARCH | {"minutes": 5, "window": 3, "confirm": 0, "trials": 50}
    plan = Plan(sweep(search=behind, scheduler=scheduler), "d", Memory())
    assert [p.role for p in in_time(plan, 60.0)].count("search") == 7, "it sees 5 minutes later"


def test_a_race_gives_seeds_to_those_that_cannot_be_told_apart():
    search = SEARCH | {"confirm": 3, "race": True}
    specification = sweep(search=search, seeds=[5, 6, 7, 8], scheduler={"name": "none"}, fixed=[])
    rows, _ = run(Plan(specification, "data", Memory()), random.Random(0))
    again, _ = run(Plan(specification, "data", Memory()), random.Random(1))
    assert rows == again
    confirmed = rows[12:]
    by_point = {}
    for row in confirmed:
        by_point.setdefault(row["spec"].objective.temperature, []).append(row["spec"].seed)
    sizes = sorted(map(len, by_point.values()))
    assert sizes[-1] == 4, "the best runs with all"
    assert sizes[0] < 4, "who is far behind does not"
    assert min(sizes) >= 2


def test_a_race_seldom_sends_out_the_best():
    rng = random.Random(0)
    lost = 0
    for _ in range(300):
        truth = [0.0, 0.0, -0.5]
        reached = [[t + rng.gauss(0, 1) for _ in range(2)] for t in truth]
        racing = still_racing([0, 1, 2], reached)
        lost += 0 not in racing
    assert lost / 300 < 0.08
    sure = [[0.5, 0.51], [0.9, 0.91], [0.89, 0.92]]
    assert still_racing([0, 1, 2], sure) == [1, 2]
    assert still_racing([0, 1], [[0.1], [0.9]]) == [0, 1], "one seed tells nothing"
