"""The note of a sweep's specification in its store: what differs is shown and refused."""

import dataclasses
import json

import pytest

from clinfonce.config import SweepSpec
from clinfonce.data import load
from clinfonce.errors import InputError
from clinfonce.files import Folder
from clinfonce.scaling.bookkeeping.specification import (
    Growth,
    as_noted,
    read_growth,
    register_sweep,
)

SPACE = {
    "objective.temperature": {"low": 0.1, "high": 1.0},
    "sampler.images_per_cluster": {"choices": [2, 4]},
}


def sweep(**changes):
    values = {"name": "demo", "data": {"name": "digits"}, "search": {"trials": 3, "space": SPACE}}
    return SweepSpec.model_validate(values | changes)


def enter(home, *, fresh=False, **changes):
    register_sweep(home, "demo", sweep(**changes).canonical(), fresh=fresh)


def test_the_same_specification_is_let_in_again(tmp_path):
    enter(tmp_path)
    enter(tmp_path)
    enter(tmp_path, resources={"cpus": 2.0}, keep=3)  # which decide no row


def test_the_first_differences_are_shown_a_line_each(tmp_path):
    enter(tmp_path)
    with pytest.raises(InputError) as caught:
        enter(
            tmp_path,
            seeds=[7],
            metric="val_linear_top1_5",
            trial={"epochs": 3},
            search={"trials": 2, "space": SPACE, "window": 9},
        )
    first, *lines = str(caught.value).split("\n")
    assert "another name keeps its rows, --fresh forgets them:" in first
    assert lines == [
        '  metric was "val_knn", is "val_linear_top1_5"',
        "  trial.epochs was 100, is 3",
        "  seeds was [1, 2, 3], is [7] (without 1)",
        "  and 2 more",
    ]
    enter(tmp_path, seeds=[7], fresh=True)
    enter(tmp_path, seeds=[7])


FIXED = [{"name": "InfoNCE", "trial": {}}]


def searched(trials=4, subset=("loop", "even"), **more):
    space = {"clustering.attributes": {"subset": list(subset) if subset != "all" else "all"}}
    trial = {"clustering": {"source": "attributes"}}
    return {"trials": trials, "trial": trial, "space": space} | more


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [1, 2, 3, 4]},
        {"fixed": [{"name": "SupCon", "trial": {"clustering": {"source": "labels"}}}, *FIXED]},
        {"search": searched(9)},
        {"search": searched(9, ["loop", "even", "prime"])},
        {"search": searched(9, "all")},
        {"search": searched(confirm=3)},
    ],
)
def test_a_sweep_may_grow_but_not_shrink(tmp_path, changes):
    before = {"fixed": FIXED, "search": searched()}
    enter(tmp_path, **before)
    enter(tmp_path, **before | changes)
    enter(tmp_path, **before | changes)
    with pytest.raises(InputError, match=r" was | is gone"):
        enter(tmp_path, **before)


def test_a_search_may_come_later(tmp_path):
    enter(tmp_path, fixed=FIXED, search=None)
    enter(tmp_path, fixed=FIXED, search=searched())
    assert read_growth(Folder.at(tmp_path), "demo").stages == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"search": searched(9, ["loop"])},
        {"search": searched(9, sampler="random")},
        {"search": searched(9, seeds=2)},
        {"search": searched(9, window=2)},
        {"fixed": [{"name": "InfoNCE", "trial": {"epochs": 3}}]},
        {"fixed": [{"name": "other", "trial": {}}]},
        {"search": None},
        {"scheduler": {"name": "asha"}},
        {"data": {"name": "cub"}},
    ],
)
def test_what_rows_stand_on_may_not_change(tmp_path, changes):
    before = {"fixed": FIXED, "search": searched()}
    enter(tmp_path, **before)
    with pytest.raises(InputError, match="--fresh forgets them"):
        enter(tmp_path, **before | changes)


def test_more_to_search_needs_more_trials(tmp_path):
    enter(tmp_path, search=searched())
    with pytest.raises(InputError, match=r"search\.space has grown, but all 4 trials are proposed"):
        enter(tmp_path, search=searched(subset=["loop", "even", "prime"]))


def test_each_growth_of_a_search_is_noted_with_what_it_was_before(tmp_path):
    for trials, confirmed in ((4, []), (6, ["a"]), (9, ["b"]), (9, ["c"])):
        specification = sweep(search=searched(trials)).canonical()
        register_sweep(
            tmp_path, "demo", specification, fresh=False, confirmed=confirmed,
            offered={"attributes": ["loop"], "parts": ["x"]},
        )  # fmt: skip
    growth = read_growth(Folder.at(tmp_path), "demo")
    assert [(stage.until, stage.search.n_trials) for stage in growth.stages] == [(4, 4), (6, 6)]
    assert growth.stages[0].attributes == ("loop",)
    assert growth.kept == {"a", "b"}
    register_sweep(tmp_path, "demo", specification, fresh=True)
    assert read_growth(Folder.at(tmp_path), "demo") == Growth()


def test_another_order_of_a_space_is_another_search(tmp_path):
    enter(tmp_path)
    turned = dict(reversed(SPACE.items()))
    with pytest.raises(InputError, match=r"search\.space was in the order objective\.temp"):
        enter(tmp_path, search={"trials": 3, "space": turned})


def test_a_note_from_before_a_field_existed_means_its_default(tmp_path):
    enter(tmp_path)
    file = tmp_path / "sweeps/demo.json"
    note = json.loads(file.read_text())
    del note["search"]["seeds"], note["scheduler"]["grace_epochs"]
    file.write_text(json.dumps(note))
    enter(tmp_path)
    with pytest.raises(InputError, match=r"search\.seeds was 1, is 2"):
        enter(tmp_path, search={"trials": 3, "space": SPACE, "seeds": 2})


@pytest.mark.parametrize("content", [b"", b"garbage \xff", b"[1]", b"[" * 100_000, b'{"seeds": ['])
def test_a_note_that_is_damaged_is_named_and_may_be_written_anew(tmp_path, content):
    register_sweep(tmp_path, "s", {"seeds": [1]}, fresh=False)
    note = tmp_path / "sweeps" / "s.json"
    whole = note.read_bytes()
    note.write_bytes(content)
    with pytest.raises(InputError, match=r"sweeps/s\.json is damaged.*--fresh"):
        register_sweep(tmp_path, "s", {"seeds": [1]}, fresh=False)
    register_sweep(tmp_path, "s", {"seeds": [1]}, fresh=True)
    assert note.read_bytes() == whole


def test_a_search_over_all_columns_proposes_as_before_when_there_are_more(tmp_path):
    specification = sweep(search=searched(4, "all")).canonical()
    for attributes in (["a", "b"], ["a", "b", "c"], ["a", "b", "c"]):
        register_sweep(
            tmp_path,
            "demo",
            specification,
            fresh=False,
            offered={"attributes": attributes, "parts": []},
        )
    (stage,) = read_growth(Folder.at(tmp_path), "demo").stages
    assert (stage.until, stage.attributes) == (4, ("a", "b"))


@pytest.mark.parametrize(
    ("part", "keeps"),
    [
        ({"fixed": FIXED}, True),
        ({"search": searched(4, "all")}, True),
        ({"fixed": [{"name": "a", "trial": {"clustering": {"source": "attributes", "top_k": 2}}}]},
         False),
    ],
)  # fmt: skip
def test_more_columns_are_growth_unless_a_clustering_is_of_all_there_are(tmp_path, part, keeps):
    whole = load("digits")
    few = list(whole.columns)[:-1]
    before = dataclasses.replace(whole, columns={name: whole.columns[name] for name in few})
    specification = sweep(**part).canonical()
    register_sweep(tmp_path, "demo", specification, fresh=False, table=before)
    found = as_noted(tmp_path, "demo", whole).fingerprint
    assert (found == before.fingerprint) == keeps
