"""What a sweep maximises: one measure, or the mean rank over targets."""

import random

import pytest

from clinfonce.errors import InputError
from clinfonce.scaling.bookkeeping.retention import BestEncoders
from clinfonce.scaling.search.metric import columns_of, standings, values_of
from clinfonce.scaling.search.plan import Plan
from tests.scaling.search.test_plan import SEARCH, sweep
from tests.trial.test_targets import table

COLUMNS = ("a", "b")


def test_a_single_value_stands_for_itself():
    assert standings([(0.5,), (None,), (0.7,)]) == [0.5, None, 0.7]


def test_several_are_ranked_one_by_one():
    # Of b the second and third are equal.
    found = standings([(0.9, 1.0), (0.5, 3.0), (0.1, 3.0), (0.2, None)])
    assert found == [pytest.approx((1 + 0) / 2), pytest.approx((0.5 + 0.75) / 2),
                     pytest.approx((0 + 0.75) / 2), None]  # fmt: skip
    assert standings([(1.0, 2.0)]) == [0.5]
    assert standings([]) == []


def test_a_scale_of_one_target_weighs_nothing():
    values = [(random.Random(i).random(), random.Random(-i).random()) for i in range(9)]
    stretched = [(a, 1000 * b) for a, b in values]
    assert standings(values) == standings(stretched)


def test_what_is_no_number_counts_for_nothing():
    row = {"a": 1, "b": float("nan"), "c": "x"}
    assert values_of(row, ("a", "b", "c", "d")) == (1, None, None, None)


def test_a_metric_names_target_and_measure():
    data = table()

    def columns(metric):
        return columns_of(sweep(metric=metric), data)

    assert columns("val_knn") == ("val_knn",)
    assert columns("size:val_knn_balanced_all") == ("size:val_knn_balanced_all",)
    assert columns("mean_rank") == (
        "kind:val_linear_top1_all", "size:val_linear_top1_all", "tags:val_linear_map_all",
        "age:val_linear_r2_all",
    )  # fmt: skip
    for metric, message in {
        "size:val_linear_top1_10": "did you mean 'size:val_linear_top1_5'",
        "tags:val_linear_r2_all": "unknown metric: 'tags:val_linear_r2_all'",
        "siz:val_linear_top1_5": "did you mean 'size:val_linear_top1_5'",
        "age:val_linear_mae_all": "unknown metric",
        "held_out": "unknown metric: 'val_features_held_out'",
    }.items():
        with pytest.raises(InputError, match=message) as caught:
            columns(metric)
        assert "\n" not in str(caught.value)


def test_a_metric_over_groups_needs_groups():
    worst = "val_linear_top1_worst_all_by_camera"
    grouped = {"trial": {"evaluation": {"groups": ["camera"]}}}

    def columns(metric, **changes):
        return columns_of(sweep(metric=metric, **changes), table())

    assert columns(worst, **grouped) == (worst,)
    assert columns(worst.replace("top1", "balanced"), **grouped)
    mean = "tags:val_linear_label_accuracy_mean_all_by_camera"
    assert columns(mean, **grouped) == (mean,)
    for metric, changes, message in (
        (worst, {}, r"over groups by 'camera', and evaluation.groups is \[\]: write 'camera' into"),
        (worst + "a", grouped, "unknown column: 'cameraa'; did you mean 'camera'"),
        (
            worst.removesuffix("_by_camera"),
            grouped,
            r"says no column: .* \(evaluation.groups is \[camera",
        ),
        (worst.replace("top1", "top5"), grouped, f"did you mean '{worst}'"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            columns(metric, **changes)
        assert "\n" not in str(caught.value)


def test_a_metric_of_the_test_split_is_refused():
    with pytest.raises(ValueError, match="other data than the validation split"):
        sweep(metric="size:test_linear_top1_all")
    with pytest.raises(ValueError, match="other data than the validation split"):
        sweep(metric="test_linear_top1_worst_all_by_camera")


class Told:
    """A searcher of points in a row, which remembers what it is told."""

    def __init__(self):
        self.told = []

    def ask(self, number):
        return {"objective.temperature": 0.1 + 0.05 * number}

    def tell(self, number, values, reached):
        self.told.append((number, values))

    def fail(self, number):
        self.told.append((number, None))


def rows(spec):
    """One target likes low temperatures, the other high ones but for the very highest."""
    t = spec.objective.temperature
    return {"a": -t, "b": -abs(t - 0.45), "val_knn": 0.1}


def finished(order):
    searcher = Told()
    free = sweep(fixed=[], search=SEARCH | {"confirm": 1}, scheduler={"name": "none"})
    plan = Plan(free, "data", searcher, columns=COLUMNS)
    running = []
    try:
        while True:
            while (proposal := plan.next()) is not None:
                running.append(proposal)
            proposal = running.pop(order.randrange(len(running)))
            row = {"status": "complete", "number": proposal.number, "role": proposal.role}
            plan.finish(proposal.identity, row | rows(proposal.spec) | {"spec": proposal.spec})
    except StopIteration:
        for proposal in running:
            row = {"status": "complete", "number": proposal.number, "role": proposal.role}
            plan.finish(proposal.identity, row | rows(proposal.spec) | {"spec": proposal.spec})
    return plan.rows, searcher.told


def test_what_ranks_best_over_all_targets_is_confirmed_in_any_order():
    found, told = finished(random.Random(0))
    searched = [row for row in found if row["role"] == "search"]
    values = standings([values_of(row, COLUMNS) for row in searched])
    best = searched[values.index(max(values))]["spec"].objective.temperature
    confirmed = {r["spec"].objective.temperature for r in found if r["role"] == "confirm"}
    assert confirmed == {best}
    assert told[0] == (0, [0.5]), "alone it is neither good nor bad"
    for number, (value,) in told:
        until = [values_of(row, COLUMNS) for row in searched[: number + 1]]
        assert value == standings(until)[-1]
    for seed in (1, 2):
        assert finished(random.Random(seed))[1] == told


def test_the_encoders_of_the_best_ranks_are_kept(tmp_path):
    from clinfonce.files import Folder

    folder = Folder.at(tmp_path)
    encoders = BestEncoders(folder, COLUMNS, 2)
    removed = []
    encoders._remove = removed.append
    for number, (a, b) in enumerate([(0.1, 0.1), (0.9, 0.2), (0.5, 0.9), (0.2, 0.3)]):
        encoders.take({"role": "search", "status": "complete", "number": number,
                       "trial_id": f"t{number}", "a": a, "b": b})  # fmt: skip
    assert removed == ["t0", "t3"]
