"""`clinfonce clusterings`: what a specification's clusterings offer before training."""

import json
import math

import pytest

from clinfonce.cli import main
from clinfonce.trial.preview import preview

SWEEP = """
name: digits
data: {name: digits}
trial: {sampler: {batch_size: 100}}
seeds: [1]
fixed:
  - {name: InfoNCE, trial: {clustering: {source: instances}}}
  - name: glyphs
    trial: {clustering: {source: attributes, top_k: 2}, sampler: {images_per_cluster: 4}}
    choose: {sampler.images_per_cluster: [4, 10]}
"""
TRIAL = """
name: one
data: {name: digits}
trial: {clustering: {source: labels}}
"""


@pytest.fixture
def sweep(tmp_path):
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    return tmp_path / "sweep.yaml"


def test_every_fixed_trial_and_point(sweep):
    instances, *glyphs = preview(sweep)
    names = ["glyphs (images_per_cluster 4)", "glyphs (images_per_cluster 10)"]
    assert [one.name for one in glyphs] == names
    assert instances.report.n_singletons == instances.report.n_clusters == 898
    assert (instances.report.positives, instances.report.bits_ceiling) == (0, math.log2(199))
    assert glyphs[0].report.n_clusters == 8
    assert glyphs[0].report.information.i_zt_excess > 0.5
    few, many = (one.report.positives for one in glyphs)
    assert glyphs[0].report.positives_uniform < few < many


def test_command(sweep, tmp_path, capsys):
    assert main(["clusterings", str(sweep)]) == 0
    shown = capsys.readouterr().out
    assert "images a cluster" in shown
    assert "898 training images" in shown
    (tmp_path / "one.yaml").write_text(TRIAL)
    assert main(["clusterings", str(tmp_path / "one.yaml"), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["n_clusters"], found["batch_size"]) == ("labels", 10, 256)
    assert found["positives"] == found["positives_uniform"] > 20
    assert found["information"]["h_z_given_t"] == 0
    (tmp_path / "one.yaml").write_text(TRIAL.replace("one", "?"))
    assert main(["clusterings", str(tmp_path / "one.yaml")]) == 2
