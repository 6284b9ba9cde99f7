"""The note of a sweep's specification in its store: what differs is shown and refused."""

import json

import pytest

from clinfonce.config import SweepSpec
from clinfonce.errors import InputError
from clinfonce.scaling.bookkeeping.specification import register_sweep

SPACE = {
    "objective.temperature": {"low": 0.1, "high": 1.0},
    "sampler.images_per_cluster": {"choices": [2, 4]},
}


def enter(home, *, fresh=False, **changes):
    values = {"name": "demo", "data": {"name": "digits"}, "search": {"trials": 3, "space": SPACE}}
    register_sweep(
        home, "demo", SweepSpec.model_validate(values | changes).canonical(), fresh=fresh
    )


def test_the_same_specification_is_let_in_again(tmp_path):
    enter(tmp_path)
    enter(tmp_path)
    enter(tmp_path, resources={"cpus": 2.0}, keep=3)  # which decide no row


def test_each_difference_is_shown(tmp_path):
    enter(tmp_path)
    with pytest.raises(InputError) as caught:
        enter(tmp_path, seeds=[7], search={"trials": 4, "space": SPACE})
    assert "search.trials was 3, is 4; seeds was [1, 2, 3], is [7]" in str(caught.value)
    assert "--fresh" in str(caught.value)
    enter(tmp_path, seeds=[7], fresh=True)
    enter(tmp_path, seeds=[7])


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
