"""The search: every sampler, conditions, and the study that others can read."""

import contextlib
import json
import random
import subprocess
import sys
from statistics import fmean

import optuna
import pyarrow.fs as pafs
import pytest
from optuna.storages import JournalStorage

from clinfonce.config import SweepSpec
from clinfonce.config.base import PlacedError
from clinfonce.data import load
from clinfonce.errors import InputError
from clinfonce.files import Folder
from clinfonce.results import Store
from clinfonce.scaling import sweep as sweep_module
from clinfonce.scaling.search.drafts import Crossings
from clinfonce.scaling.search.journal import StudyJournal
from clinfonce.scaling.search.offered import offered
from clinfonce.scaling.search.plan import Plan
from clinfonce.scaling.search.searcher import OptunaSearcher
from clinfonce.scaling.search.stage import Stage, grown_searcher
from clinfonce.scaling.sweep import run_sweep
from tests.scaling.sweeps import Quiet

SPACE = {
    "clustering.source": {"choices": ["attributes", "kmeans"]},
    "clustering.attributes": {"subset": "all", "when": {"clustering.source": "attributes"}},
    "clustering.n_clusters": {"low": 2, "high": 64, "when": {"clustering.source": ["kmeans"]}},
    "objective.temperature": {"low": 0.1, "high": 1.0, "log": True},
}
GRID = {
    "clustering": {"choices": [{"source": "instances"}, {"source": "kmeans", "n_clusters": 9}]},
    "sampler.images_per_cluster": {"choices": [2, 4], "when": {}},
    "epochs": {"low": 4, "high": 8, "step": 2},
}
DIGITS = load("digits")
NAMES = ("loop", "even/odd")  # a slash is a level to OptunaSearch


def sweep(search, **changes):
    scheduler = {"name": "asha", "grace_epochs": 1}
    values = {"name": "demo", "data": {"name": "digits"}, "trial": {"epochs": 4}, "seeds": [5]}
    return SweepSpec.model_validate({**values, "scheduler": scheduler, "search": search, **changes})


def quality(spec):
    """What a trial would reach."""
    bonus = 0.2 if spec.clustering.source == "attributes" else 0.0
    return bonus + 0.5 - abs(spec.objective.temperature - 0.4) + random.Random(spec.seed).random()


def run(specification, order=None, storage=None, stop_after=None, failing=()):
    """Run all trials without training, some at a time; their rows."""
    order = order or random.Random(0)
    plan = Plan(specification, "data", OptunaSearcher(specification, NAMES, storage))
    running, epochs, ended = {}, {}, False
    while (running or not ended) and (stop_after is None or len(plan.rows) < stop_after):
        try:
            proposal = None if ended else plan.next()
        except StopIteration:
            ended = True
            continue
        if proposal is not None:
            running[proposal.identity], epochs[proposal.identity] = proposal, 0
            continue
        identity = order.choice(sorted(running))
        spec = running[identity].spec
        epochs[identity] += 1
        value = round(quality(spec) * epochs[identity] / spec.epochs, 6)
        stop = plan.should_stop(identity, epochs[identity], value)
        if stop or epochs[identity] == spec.epochs:
            proposal = running.pop(identity)
            failed = proposal.number in failing
            row = {"status": "failed" if failed else "stopped" if stop else "complete"}
            row |= {"spec": spec, "number": proposal.number, "role": proposal.role}
            row |= {"val_knn": None if failed else value, "train_operations": float(spec.epochs)}
            plan.finish(identity, row)
    return plan.rows


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp", "nsga2"])
def test_a_search_is_the_same_however_fast_its_trials_end(sampler):
    search = {"trials": 12, "space": SPACE, "sampler": sampler, "window": 3}
    scheduler = {"name": "none" if sampler == "nsga2" else "hyperband"}
    specification = sweep(search, scheduler=scheduler)
    rows = run(specification)
    assert len(rows) == 13
    assert run(specification, order=random.Random(1)) == rows
    for spec in (row["spec"].clustering for row in rows):
        assert (spec.attributes is None) == (spec.source == "kmeans")
        assert (spec.n_clusters is None) == (spec.source == "attributes")
    assert any(row["spec"].clustering.attributes == ("even/odd",) for row in rows)


def test_a_subset_is_never_empty_and_the_study_says_what_ran(tmp_path):
    search = {
        "trials": 24,
        "space": {"clustering.attributes": {"subset": "all"}},
        "trial": {"clustering": {"source": "attributes"}},
        "sampler": "random",
        "confirm": 0,
    }
    storage = JournalStorage(StudyJournal(Store.create(tmp_path).folder, "demo"))
    rows = run(sweep(search, scheduler={"name": "none"}), storage=storage)
    ran = [set(row["spec"].clustering.attributes) for row in rows]
    assert {*map(frozenset, ran)} == {frozenset(s) for s in (NAMES[:1], NAMES[1:], NAMES)}
    (study,) = storage.get_all_studies()
    told = [trial.params for trial in storage.get_all_trials(study._study_id)]
    path = "clustering.attributes:"
    assert ran == [{name for name in NAMES if point[path + name]} for point in told]


def test_no_sampler_crosses_more_parts_than_allowed():
    _, parts = offered(sweep({"trials": 1, "space": {"clustering": {"choices": "all"}}}), DIGITS)
    crossings = Crossings("clustering", parts, largest=2)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=5))
    for _ in range(30):
        trial = study.ask()
        draft = crossings.draft(crossings.suggest(trial))
        assert len(draft) <= 2
        study.tell(trial, -len(draft))
        assert study.trials[-1].params == crossings.parameters(draft)


def test_all_clusterings_of_a_data_set_are_one_space(tmp_path):
    space = {
        "clustering": {"choices": "all"},
        "objective.temperature": SPACE["objective.temperature"],
    }
    specification = sweep({"trials": 40, "space": space}, scheduler={"name": "none"})
    _, parts = offered(specification, DIGITS)
    storage = JournalStorage(StudyJournal(Store.create(tmp_path).folder, "demo"))

    def clusterings(order):
        plan = Plan(specification, "data", OptunaSearcher(specification, (), storage, (), parts))
        found, waiting = [], []
        while len(found) < 40:
            while (proposal := plan.next()) is not None and len(found) < 40:
                waiting.append(proposal)
                found.append(proposal.spec.clustering)
            order.shuffle(waiting)
            for proposal in waiting:
                row = {"status": "complete", "val_knn": quality(proposal.spec)}
                plan.finish(proposal.identity, row)
            waiting.clear()
        return found

    found = clusterings(random.Random(0))
    assert found[0].source == "instances"
    sizes = [len(c.attributes or c.parts or [c.source]) for c in found]
    assert {1, 2} <= set(sizes)
    (study,) = storage.get_all_studies()
    told = [trial.params for trial in storage.get_all_trials(study._study_id)]
    inside = [sum(v != "out" for n, v in params.items() if ":" in n) for params in told]
    assert inside == [
        0 if c.source == "instances" else n for c, n in zip(found, sizes, strict=True)
    ]
    storage = None
    assert clusterings(random.Random(1)) == found


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"space": {"objective.form": {"choices": "all"}}}, "for clustering alone"),
        ({"space": {"clustering": {"choices": "all"}}, "sampler": "gp"}, "sampler tpe or random"),
        ({"space": {"clustering": {"choices": "all"}}, "sampler": "grid"}, "needs the clusterings"),
        (
            {"space": {"clustering": {"choices": "all"}, "clustering.bins": {"choices": [2, 3]}}},
            "leave out clustering.bins",
        ),
    ],
)
def test_all_clusterings_stand_alone(search, message):
    trials = {} if search.get("sampler") == "grid" else {"trials": 3}
    with pytest.raises((ValueError, PlacedError), match=message):
        sweep({**trials, **search})


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"clustering.attributes": {"subset": ["loop", "lop"]}}, "'lop'.*loop"),
        ({"clustering": {"choices": "all", "include": ["lop"]}}, "'lop'.*loop"),
        ({"clustering": {"choices": [{"source": "attributes", "attributes": ["lop"]}]}}, "'lop'"),
    ],
)
def test_misspelt_names_are_refused_before_anything_is_written(tmp_path, space, message):
    source = {} if "clustering" in space else {"trial": {"clustering": {"source": "attributes"}}}
    specification = sweep({"trials": 3, "space": space, **source})
    with pytest.raises(InputError, match=message):
        sweep_module.prepare_sweep(specification, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_search_learns():
    search = {"trials": 40, "space": {"objective.temperature": SPACE["objective.temperature"]}}
    rows = run(sweep(search, scheduler={"name": "none"}))
    reached = [row["val_knn"] for row in rows[:40]]
    assert fmean(reached[20:]) > fmean(reached[:10]) + 0.02


def test_a_grid_runs_every_point_once():
    specification = sweep({"space": GRID, "sampler": "grid"}, scheduler={"name": "none"})
    rows = [row["spec"] for row in run(specification) if row["role"] == "search"]
    found = [(s.clustering.n_clusters, s.sampler.images_per_cluster, s.epochs) for s in rows]
    assert found == [(k, m, e) for k in (None, 9) for m in (2, 4) for e in (4, 6, 8)]


def test_accuracy_is_weighed_against_cost():
    space = {"epochs": {"low": 1, "high": 30}}
    search = {"trials": 12, "space": space, "sampler": "nsga2", "confirm": 12}
    rows = run(sweep(search, scheduler={"name": "none"}))
    searched = [r for r in rows if r["role"] == "search"]
    front = {
        r["spec"].epochs
        for r in searched
        if not any(
            o["val_knn"] >= r["val_knn"] and o["spec"].epochs < r["spec"].epochs for o in searched
        )
    }
    assert {r["spec"].epochs for r in rows if r["role"] == "confirm"} <= front


READ = """
import json, sys, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(study_name="demo", storage=storage)
states = [trial.state.name for trial in study.trials]
values = [trial.value for trial in study.trials if trial.state.name == "COMPLETE"]
print(json.dumps([states, values]))
"""


def read(path):
    """States and values of the study, as another process sees them."""
    command = [sys.executable, "-c", READ, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout)


def test_another_process_reads_the_study_while_it_grows_and_after(tmp_path):
    folder = Store.create(tmp_path).folder
    path = tmp_path / "sweeps/demo.optuna.log"
    specification = sweep({"trials": 12, "space": SPACE, "window": 3, "confirm": 0})
    run(
        specification,
        storage=JournalStorage(StudyJournal(folder, "demo")),
        stop_after=6,
        failing={2},
    )
    states, _ = read(path)
    assert "RUNNING" in states
    assert states[2] == "FAIL"
    for _ in range(2):  # a sweep that goes on writes the study anew
        rows = run(specification, storage=JournalStorage(StudyJournal(folder, "demo")), failing={2})
    told = {"complete": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL"}
    states, values = read(path)
    assert states == [told[row["status"]] for row in rows]
    assert {"COMPLETE", "PRUNED", "FAIL"} == set(states)
    assert values == [row["val_knn"] for row in rows if row["status"] == "complete"]


def test_the_study_in_an_object_store_is_there_after_an_interruption(tmp_path, monkeypatch):
    """Nothing is appended there: the file is written at the end, however the sweep ends."""
    for name in ("sweeps", "trials", "epochs", "clusterings"):
        (tmp_path / "home" / name).mkdir(parents=True)
    place = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
    folder = Folder(place, "home", "object-store://home")
    assert folder.local is None

    def interrupted(state, *_):
        state.next()
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_module, "_run_trials", interrupted)
    monkeypatch.setattr(sweep_module, "ray_session", lambda **_: contextlib.nullcontext())
    specification = sweep({"trials": 3, "space": SPACE, "sampler": "random"})
    with pytest.raises(KeyboardInterrupt):
        run_sweep(specification, DIGITS, Store(folder), "home", Quiet())
    states, _ = read(tmp_path / "home/sweeps/demo.optuna.log")
    assert states == ["RUNNING"]


def grown_search(trials, subset, sampler):
    space = {
        "clustering.attributes": {"subset": list(subset)},
        "objective.temperature": {"low": 0.1, "high": 1.0, "log": True},
    }
    trial = {"clustering": {"source": "attributes"}}
    return {"trials": trials, "trial": trial, "space": space, "sampler": sampler}


def asked(searcher, count):
    """Points, each told of before the next is asked for."""
    points = []
    for number in range(count):
        points.append(searcher.ask(number))
        value = len(points[-1]["clustering.attributes"]) - points[-1]["objective.temperature"]
        searcher.tell(number, None if number % 5 == 3 else [value], {1: value})
    return points


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp"])
def test_a_search_that_grew_proposes_first_what_it_proposed_before(sampler):
    before = sweep(grown_search(8, ["a", "b"], sampler))
    after = sweep(grown_search(40, ["a", "b", "c"], sampler))
    stages = [Stage(8, before.search, (), ())]
    points = asked(grown_searcher(after, (), (), stages), 40)
    assert points[:8] == asked(OptunaSearcher(before, ()), 8)
    assert all("c" not in point["clustering.attributes"] for point in points[:8])
    assert any("c" in point["clustering.attributes"] for point in points[8:])
    more = sweep(grown_search(12, ["a", "b"], sampler))
    twice = [*stages, Stage(12, more.search, (), ())]
    assert asked(grown_searcher(after, (), (), twice), 12) == asked(
        grown_searcher(more, (), (), stages), 12
    )
    assert points == asked(grown_searcher(after, (), (), stages), 40)
