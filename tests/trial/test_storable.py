"""What no table could hold at a trial's end is refused before it is trained."""

import dataclasses

import numpy as np
import pytest

from clinfonce.config import SweepSpec, TrialSpec
from clinfonce.data import load
from clinfonce.data.table import Column
from clinfonce.errors import InputError
from clinfonce.results.store.store import Store
from clinfonce.scaling.bookkeeping.state import SweepState
from clinfonce.trial.rows import describe_outcome, describe_trial
from clinfonce.trial.run import check_trial
from clinfonce.trial.storable import check_storable
from tests.scaling.sweeps import Quiet


@pytest.fixture(scope="module")
def table():
    return load("digits")


def integers(part, place=()):
    """Every whole number of a JSON schema, with its place."""
    if isinstance(part, dict):
        if part.get("type") == "integer":
            yield place, part
        for name, inner in part.items():
            yield from integers(inner, (*place, name))
    elif isinstance(part, list):
        for inner in part:
            yield from integers(inner, place)


def test_every_whole_number_of_a_specification_has_an_end_that_a_table_holds():
    schema = SweepSpec.model_json_schema()
    del schema["$defs"]["Range"]  # whose numbers are tried in the field that they are of
    found = dict(integers(schema))
    assert len(found) > 25
    endless = [place for place, part in found.items() if part.get("maximum", 2**64) > 2**63 - 1]
    assert endless == []


LARGEST = {
    "seed": 2**63 - 1,
    "epochs": 2**31 - 1,
    "workers": 2**31 - 1,
    "sampler": {"batch_size": 2**31 - 1, "images_per_cluster": 2**31 - 1},
    "clustering": {"source": "attributes", "top_k": 2**31 - 1},
}


def test_the_row_of_the_largest_numbers_can_be_written(table, tmp_path):
    spec = TrialSpec.model_validate(LARGEST)
    clustering = check_trial(TrialSpec(), table)
    check_storable(spec, table, clustering, experiment="demo")
    row = {
        **describe_trial(spec, table, clustering, experiment="demo"),
        **describe_outcome([], status="complete"),
        **{"number": 0, "role": "fixed", "name": "demo"},
    }
    store = Store.create(tmp_path)
    store.write_trial(row, [], None)
    (read,) = store.finished().values()
    assert (read["seed"], read["epochs"], read["granularity"]) == (2**63 - 1, 2**31 - 1, 2**31 - 1)


def test_a_specification_that_no_table_holds_is_refused_with_its_value(table):
    spec = TrialSpec().model_copy(update={"seed": 2**63})  # past the bounds of the field
    with pytest.raises(InputError, match=r"no table can hold .*column seed.*9223372036854775808"):
        check_storable(spec, table, check_trial(TrialSpec(), table), experiment="demo")


HALF = "half \ud800"


@pytest.mark.parametrize("what", ["the data set", "the label", "the column"])
def test_a_name_that_no_file_holds_is_refused_before_training(table, what):
    column = Column(HALF, "boolean", np.zeros(len(table), dtype=bool))
    other = {
        "the data set": {"name": HALF},
        "the label": {"label_names": (HALF, *table.label_names[1:])},
        "the column": {"columns": {**table.columns, HALF: column}},
    }[what]
    data = dataclasses.replace(table, **other)
    with pytest.raises(InputError, match=rf"{what} 'half \\ud800' is no text") as caught:
        check_storable(TrialSpec(), data, check_trial(TrialSpec(), data), experiment="demo")
    assert str(caught.value).isascii()


def test_an_error_that_no_file_holds_is_kept_all_the_same(table, tmp_path):
    sweep = SweepSpec.model_validate(
        {"name": "demo", "data": {"name": "digits"}, "fixed": [{"name": "a", "trial": {}}]}
    )
    store = Store.create(tmp_path)
    state = SweepState(sweep, table, store, Quiet())
    state.receive(state.next().identity, {"epochs": [], "failure": f"no such file: {HALF}"})
    (row,) = store.finished().values()
    assert row["error"] == "no such file: half ?"
