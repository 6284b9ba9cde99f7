"""Roles of columns as dimensions of a search: drawn, conditional, the same each time."""

import pytest

from clinfonce.config import SweepSpec
from clinfonce.scaling.search.plan import Plan
from clinfonce.scaling.search.searcher import OptunaSearcher

COLUMNS = ("loop", "even", "a.b/c")
WIDTH = "similarity.columns.loop.bandwidth"


def sweep(**search):
    values = {
        "trials": 40,
        "space": {
            "roles": {"columns": "all"},
            "similarity.bandwidth": {"low": 0.1, "high": 2.0, "log": True},
            WIDTH: {"low": 0.1, "high": 1.0, "when": {"roles.loop": "attract"}},
        },
        "window": 2,
        "confirm": 1,
    }
    return SweepSpec.model_validate(
        {"name": "demo", "data": {"name": "digits"}, "trial": {"seed": 0, "epochs": 2},
         "seeds": [5], "search": values | search}
    )  # fmt: skip


def roles(spec):
    return {name: column.role for name, column in spec.similarity.columns.items()}


def reached(spec):
    """Prediction is better by a little, and would be of loop alone."""
    given = roles(spec)
    if spec.objective.name == "attribute_prediction":
        return 0.6 + 0.2 * (given["loop"] == "attract") - 0.2 * (given.get("even") == "attract")
    return 0.5 + 0.2 * (given["loop"] == "attract") - 0.2 * (given.get("even") == "attract")


def run(specification, done=()):
    plan = Plan(specification, "data", OptunaSearcher(specification, (), columns=COLUMNS))
    known = {row["trial_id"]: row for row in done}
    while True:
        try:
            proposal = plan.next()
        except StopIteration:
            return plan.rows
        row = known.get(proposal.identity) or {
            "trial_id": proposal.identity, "status": "complete", "role": proposal.role,
            "val_knn": reached(proposal.spec), "roles": roles(proposal.spec),
            "objective": proposal.spec.objective.name,
            "width": proposal.spec.similarity.columns["loop"].bandwidth,
        }  # fmt: skip
        plan.finish(proposal.identity, row)


def test_every_column_gets_a_role_and_the_search_finds_those_that_help():
    rows = run(sweep())
    assert all(set(row["roles"]) == set(COLUMNS) for row in rows)
    assert {role for row in rows for role in row["roles"].values()} == {
        "attract", "suppress", "ignore",
    }  # fmt: skip
    late = rows[20:40]
    assert sum(row["roles"]["loop"] == "attract" for row in late) > 12
    assert sum(row["roles"]["even"] == "attract" for row in late) < 6
    (confirmed,) = [row for row in rows if row["role"] == "confirm"]
    assert confirmed["roles"]["loop"] == "attract"


def test_a_dimension_is_there_with_the_role_that_it_hangs_on():
    for row in run(sweep()):
        assert (row["width"] is not None) == (row["roles"]["loop"] == "attract")


def test_the_same_sweep_proposes_the_same_trials_also_after_an_interruption():
    rows = run(sweep())
    assert run(sweep()) == rows
    assert run(sweep(), done=rows[:17]) == rows


def test_a_grid_runs_every_way_to_give_roles():
    space = {"roles": {"columns": ["loop", "even"], "choices": ["attract", "ignore"]}}
    rows = run(sweep(sampler="grid", trials=None, confirm=0, space=space))
    given = [tuple(row["roles"].values()) for row in rows]
    assert len(set(given)) == len(given) == 4


BOTH = {
    "objective.name": {"choices": ["cl_infonce", "attribute_prediction"]},
    "roles": {"columns": "all", "choices": ["attract", "ignore"]},
    "similarity.bandwidth": {
        "low": 0.1, "high": 2.0, "log": True, "when": {"objective.name": "cl_infonce"}
    },
}  # fmt: skip


def test_columns_may_be_compared_or_predicted():
    rows = run(sweep(space=BOTH))
    predicted = [row for row in rows if row["objective"] == "attribute_prediction"]
    assert 5 < len(predicted) < 40  # both are tried
    assert all("attract" in row["roles"].values() for row in predicted)
    assert len([row for row in rows if row["role"] == "search"]) == 40
    (confirmed,) = [row for row in rows if row["role"] == "confirm"]
    assert confirmed["objective"] == "attribute_prediction"
    assert (confirmed["roles"]["loop"], confirmed["roles"]["even"]) == ("attract", "ignore")


def test_what_makes_no_trial_is_passed_over_the_same_each_time():
    # Of one column a quarter of the points predict nothing.
    space = {**BOTH, "roles": {"columns": ["loop"], "choices": ["attract", "ignore"]}}
    for sampler in ("tpe", "random", "gp"):
        rows = run(sweep(space=space, sampler=sampler))
        assert len([row for row in rows if row["role"] == "search"]) == 40
        known = {(row["objective"], row["roles"]["loop"]) for row in rows}
        assert ("attribute_prediction", "ignore") not in known
        assert ("cl_infonce", "ignore") in known
        assert run(sweep(space=space, sampler=sampler), done=rows[:17]) == rows


def test_a_space_of_points_that_make_no_trial_is_refused():
    nothing = {"roles": {"columns": ["loop"], "choices": ["suppress", "ignore"]}}
    with pytest.raises(ValueError, match="predicts columns of role attract, and there is none"):
        sweep(space={**BOTH, **nothing})
    grid = {name: BOTH[name] for name in ("objective.name",)}
    grid["roles"] = {"columns": ["loop", "even"], "choices": ["attract", "ignore"]}
    with pytest.raises(ValueError, match="predicts columns of role attract, and there is none"):
        sweep(space=grid, sampler="grid", trials=None)
    suppressed = {"roles": {"columns": ["loop", "even"]}}
    with pytest.raises(ValueError, match=r"set suppress\.by to adversary"):
        sweep(space={**BOTH, **suppressed})
