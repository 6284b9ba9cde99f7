"""The role of each column, found in made-up trials of which the truth is known."""

import json

import numpy as np
import pytest

from clinfonce.results import Store, column_roles, searched_objective
from clinfonce.results import open as open_results
from tests.results.store.test_store import rows

ROLES = ("attract", "suppress", "ignore")
# What each role of each column adds to accuracy.
WORTH = {
    "useful": {"attract": 0.2},
    "nuisance": {"suppress": 0.1, "attract": -0.1},
    "vain": {},
}


def searched(path, n=60, choices=ROLES, noise=0.01, objectives=("cl_infonce",), **changes):
    store, rng = Store.create(path), np.random.default_rng(0)
    for i in range(n):
        roles = {name: str(rng.choice(choices)) for name in WORTH}
        reached = 0.5 + sum(WORTH[name].get(role, 0) for name, role in roles.items())
        objective = str(rng.choice(objectives)) if len(objectives) > 1 else objectives[0]
        reached += 0.05 * (objective == "attribute_prediction")
        columns = {name: {"role": role} for name, role in roles.items()}
        trial, epochs, clustering = rows(
            f"t{i}",
            number=i,
            role="search",
            source="similarity",
            seed=i,
            objective=objective,
            spec=json.dumps({"similarity": {"columns": columns}, "seed": i}),
            val_linear_top1_5=reached + noise * rng.normal(),
            test_linear_top1_5=rng.random(),
        )
        store.write_trial(trial | changes, epochs, clustering)
    return open_results(store.folder.place)


def test_each_column_gets_the_role_that_helps_by_validation_alone(tmp_path):
    found = {row.column: row for row in column_roles(searched(tmp_path))}
    assert found["useful"].role == found["useful"].best == "attract"
    assert found["nuisance"].role == "suppress"
    assert found["useful"].certain and found["nuisance"].certain  # noqa: PT018
    effect = found["useful"].effects["attract"]
    assert effect.estimate == pytest.approx(0.2, abs=0.02)
    assert effect.low < effect.estimate < effect.high
    assert found["nuisance"].effects["attract"].estimate == pytest.approx(-0.1, abs=0.02)
    assert abs(found["vain"].gain.estimate) < 0.02
    assert found["useful"].importance.estimate > found["vain"].importance.estimate


def test_what_noise_hides_is_not_said_to_be_certain(tmp_path):
    found = column_roles(searched(tmp_path, n=16, noise=0.5))
    assert found
    assert not all(row.certain for row in found)


def test_without_ignore_a_role_is_held_against_another(tmp_path):
    found = {row.column: row for row in column_roles(searched(tmp_path, choices=ROLES[:2]))}
    assert set(found["nuisance"].effects) == {"attract"}
    assert found["nuisance"].role == "suppress"
    assert found["nuisance"].gain.estimate == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("changes", [{"role": "fixed"}, {"status": "failed"}, {"spec": "{}"}])
def test_other_trials_say_nothing(tmp_path, changes):
    assert column_roles(searched(tmp_path, **changes)) == ()


def test_a_few_trials_say_nothing(tmp_path):
    assert column_roles(searched(tmp_path, n=7)) == ()


def test_of_several_objectives_the_better_is_said_with_the_roles_held(tmp_path):
    store = searched(tmp_path, objectives=("cl_infonce", "attribute_prediction"))
    found = searched_objective(store)
    assert (found.objective, found.certain) == ("attribute_prediction", True)
    assert found.gain.estimate == pytest.approx(0.05, abs=0.01)
    assert found.gain.low < found.gain.estimate < found.gain.high
    assert sum(found.trials.values()) == 60
    roles = {row.column: row for row in column_roles(store)}
    assert set(roles) == set(WORTH)  # the objective is no column
    assert roles["useful"].gain.estimate == pytest.approx(0.2, abs=0.02)
    assert sum(row.importance.estimate for row in roles.values()) == pytest.approx(1)


def test_of_one_objective_nothing_is_said(tmp_path):
    assert searched_objective(searched(tmp_path)) is None
