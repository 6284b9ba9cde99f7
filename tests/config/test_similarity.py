"""The similarity, the terms and the roles of a specification."""

import typing

import pytest

from clinfonce.config import SweepSpec, TrialSpec, points_to_try, read_experiment, trial_id
from clinfonce.config.similarity import KERNEL_FIELDS, KernelName
from clinfonce.config.space import value_at
from clinfonce.errors import InputError
from clinfonce.similarity import KERNELS, kernel_options


def test_trials_of_earlier_versions_keep_their_keys():
    assert trial_id("digits", TrialSpec(), "abc") == "2280787ce15c"


def test_the_kernels_and_their_options_are_those_of_the_library():
    assert set(typing.get_args(KernelName)) == set(KERNELS) == set(KERNEL_FIELDS)
    for kernel, fields in KERNEL_FIELDS.items():
        assert set(kernel_options(kernel)) == fields - {"part", "embeddings"}


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        ("similarity: {columns: {a: {kernel: gaussian, bandwidth: 0}}}", "above|greater than 0"),
        ("similarity: {columns: {a: gauss}}", "'gauss' is not one of 'equal'"),
        ("similarity: {columns: {a: {bandwith: 2}}}", "did you mean bandwidth"),
        ("similarity: {columns: some}", "'some' is not one of 'all'"),
        ("similarity: {columns: {a: cosine}}", "needs embeddings, a file"),
        ("similarity: {columns: {a: cyclic}}", "needs its period"),
        ("similarity: {columns: {a: great_circle}}", r"of: \[latitude, longitude\]"),
        ("similarity: {columns: {a: {kernel: equal, power: 2}}}", "takes bandwidth, not power"),
        ("similarity: {columns: {a: {weight: 0}}, by: sum}", "all weights are 0"),
        ("similarity: {columns: {a: {weight: 2}}}", "weight goes with by: sum"),
        ("similarity: {suppress: {by: condition, weight: 1}}", "takes no weight"),
        ("similarity: {}\n  objective: {form: in}", "out or sincere"),
        ("similarity: {}\n  objective: {name: cross_entropy}", "takes no similarity"),
        ("similarity: {}\n  clustering: {source: labels}", "both say what attracts"),
        ("objective: {name: fino}", "needs similarity"),
        ("objective: {name: multilevel_cl_infonce}", "needs clustering.source hierarchy"),
        (
            "similarity: {columns: {a: {role: suppress}, b: }}\n"
            "  objective: {name: attribute_prediction}",
            "set suppress.by to adversary",
        ),
        ("terms: [{similarity: {}}]\n  similarity: {}", "leave clustering and similarity out"),
        ("terms: [{similarity: {}}]\n  objective: {name: pcl, prototypes: [3]}", "pcl"),
        ("terms: [{weight: 0}]", "greater than 0"),
    ],
)
def test_a_mistake_is_answered_in_one_line(tmp_path, trial, said):
    path = tmp_path / "trial.yaml"
    path.write_text(f"name: x\ndata: {{name: digits}}\ntrial:\n  {trial}\n")
    with pytest.raises(InputError, match=said) as error:
        read_experiment(path)
    assert "\n" not in str(error.value)
    assert ":3:" in str(error.value) or ":4:" in str(error.value)


def sweep(space, **similarity):
    return SweepSpec.model_validate(
        {
            "name": "roles",
            "data": {"name": "digits"},
            "search": {
                "trials": 4,
                "trial": {"similarity": similarity},
                "space": space,
            },
        }
    )


def test_roles_of_a_point_join_the_options_of_their_columns():
    found = sweep(
        {"roles": {"columns": ["loop", "ink"]}}, columns={"ink": {"bandwidth": 2}, "even": "equal"}
    )
    trial = found.searched_trial({"roles": {"loop": "suppress", "ink": "ignore"}}, 0)
    columns = trial.similarity.columns
    assert {name: column.role for name, column in columns.items()} == {
        "ink": "ignore", "even": "attract", "loop": "suppress",
    }  # fmt: skip
    assert columns["ink"].bandwidth == 2
    assert columns["even"].kernel == "equal"


def test_a_dimension_may_hang_on_the_role_of_a_column():
    path = "similarity.columns.ink.bandwidth"
    space = {
        "roles": {"columns": ["loop", "ink"], "choices": ["attract", "ignore"]},
        path: {"low": 0.1, "high": 1.0, "when": {"roles.ink": "attract"}},
    }
    points = list(points_to_try(sweep(space).search.space))
    assert all((value_at(p, "roles.ink") == "attract") == (path in p) for p in points)
    assert {p.get(path) for p in points} == {0.1, 1.0, None}
    of_all = space | {"roles": {"columns": "all", "choices": ["attract", "ignore"]}}
    assert {p.get(path) for p in points_to_try(sweep(of_all).search.space)} == {0.1, 1.0, None}


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"parts": {"columns": ["a"]}}, "roles alone is of"),
        ({"roles": {"choices": ["a"]}}, "roles alone is of"),
        ({"roles": {"columns": ["a"], "choices": ["attack"]}}, "attract"),
        (
            {"roles": {"columns": ["a"]}, "epochs": {"choices": [1, 2], "when": {"roles.b": "x"}}},
            "choices that stand above it: roles.COLUMN",
        ),
        (
            {"roles": {"columns": ["a"]}, "epochs": {"choices": [1, 2], "when": {"roles.a": "x"}}},
            "'x' is not one of its choices: attract, suppress, ignore",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_roles_is_refused(space, said):
    with pytest.raises(ValueError, match=said):
        sweep(space)


def test_what_attracts_is_replaced_as_a_whole():
    found = SweepSpec.model_validate(
        {
            "name": "x",
            "data": {"name": "digits"},
            "trial": {"similarity": {"columns": {"a": {}}}},
            "fixed": [
                {"name": "kernel", "trial": {"similarity": {"columns": {"b": {}}}}},
                {"name": "labels", "trial": {"clustering": {"source": "labels"}}},
            ],
        }
    )
    kernel, labels = (found.fixed_trial(named, 1) for named in found.fixed)
    assert list(kernel.similarity.columns) == ["b"]
    assert labels.similarity is None
