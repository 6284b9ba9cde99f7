"""slurm.sbatch under Slurm's own daemons: two hosts, one switched off, and the job goes on."""

import os
import re
import time
from pathlib import Path

import pytest

from tests.cluster.lab import Lab
from tests.cluster.slurm import Slurm, missing
from tests.scaling.sweeps import reproducible

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(os.getpid() != 1, reason="needs namespaces of its own: make test-cluster"),
    pytest.mark.skipif(bool(missing()), reason="needs Debian's slurm-wlm and munge"),
]

SWEEP = """
name: nodes
data: {name: digits}
trial:
  augmentation: digits
  encoder: {width: 16}
  evaluation: {every: 1, draws: 3}
  epochs: 40
seeds: [1, 2]
fixed:
  - {name: InfoNCE, trial: {clustering: {source: instances}}}
  - {name: loops, trial: {clustering: {source: column, column: loop}}}
"""


@pytest.fixture(scope="module")
def slurm():
    with Lab(2) as lab:
        yield lab, Slurm(lab)


def prepare(lab, name):
    """A folder that all hosts see, with the shipped file and a sweep in it."""
    folder = lab.folder / name
    folder.mkdir()
    (folder / "slurm.sbatch").write_text(Path("slurm.sbatch").read_text())
    (folder / "nodes.yaml").write_text(SWEEP)
    return folder


def submit(slurm, folder, options=""):
    command = f"cd {folder} && sbatch --cpus-per-task=1 {options} slurm.sbatch nodes.yaml"
    output = slurm.on("h0", command)
    return re.search(r"Submitted batch job (\d+)", output)[1]


def log(folder, job):
    file = folder / f"slurm-{job}.log"
    return file.read_text() if file.exists() else ""


def wait_for(folder, job, words, timeout=240):
    deadline = time.monotonic() + timeout
    while words not in log(folder, job):
        assert time.monotonic() < deadline, log(folder, job)
        time.sleep(1)


@pytest.fixture(scope="module")
def undisturbed(slurm):
    lab, daemons = slurm
    folder = prepare(lab, "undisturbed")
    job = submit(daemons, folder)
    daemons.wait(job, "COMPLETED", 400)
    return folder, job


def test_a_sweep_runs_on_all_machines_of_its_job(undisturbed):
    folder, job = undisturbed
    said = log(folder, job)
    assert "2 of 2 machines have joined" in said
    assert "clinfonce report" in said
    assert len(reproducible(folder / "results")["trials"]) == 4


def test_a_job_whose_time_is_over_is_queued_again_and_goes_on(slurm, undisturbed):
    lab, daemons = slurm
    folder = prepare(lab, "again")
    job = submit(daemons, folder)
    wait_for(folder, job, "[1/4]")
    daemons.on("h0", f"scancel --batch --signal=USR1 {job}")  # as Slurm does before the end
    wait_for(folder, job, "clinfonce: interrupted", 60)
    daemons.wait(job, "PENDING", 60)
    daemons.on("h0", f"scontrol update JobId={job} StartTime=now")
    daemons.wait(job, "COMPLETED", 240)
    assert log(folder, job).count("2 of 2 machines have joined") == 2
    assert reproducible(folder / "results") == reproducible(undisturbed[0] / "results")


def test_a_machine_that_dies_costs_no_row(slurm, undisturbed):
    lab, daemons = slurm
    folder = prepare(lab, "disturbed")
    job = submit(daemons, folder)
    wait_for(folder, job, "[1/4]")
    lab.stop("h1")
    daemons.wait(job, "COMPLETED", 300)
    assert log(folder, job).count("machines have joined") == 1
    assert reproducible(folder / "results") == reproducible(undisturbed[0] / "results")
