"""A sweep beside others: the same one twice, and what else the machine has to do."""

import os

import pytest

from clinfonce.cli import main
from clinfonce.files import Folder
from clinfonce.results.store.claim import claimed
from clinfonce.scaling import sweep
from clinfonce.scaling.sweep import _other_work

TRIAL = "name: demo\ndata: {name: digits}\ntrial: {augmentation: none, epochs: 1}\n"
SWEEP = TRIAL + "fixed: [{name: a, trial: {}}]\n"


@pytest.mark.parametrize("command", [["sweep"], ["sweep", "--fresh"], ["pretrain"]], ids=" ".join)
def test_what_runs_already_is_not_run_again_beside_it(command, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    specification, home = tmp_path / "demo.yaml", tmp_path / "results"
    specification.write_text(SWEEP if "sweep" in command else TRIAL)
    home.mkdir()
    with claimed(Folder.at(home), "demo"):
        before = sorted((home / "sweeps").iterdir())
        (home / "store.json").write_text('{"format": "clinfonce-results", "version": 1}')
        assert main([*command, str(specification), "--results", str(home)]) == 1
    error = capfd.readouterr().err
    assert f"clinfonce: demo runs into {home} already (process {os.getpid()} on" in error
    assert "Traceback" not in error
    assert not (home / "trials").exists()
    assert set(before) <= set((home / "sweeps").iterdir())


def test_that_trials_step_back_behind_other_work_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(sweep, "_AUTOGROUP", tmp_path / "autogroup")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 0.0, 0.0))
    assert _other_work(15) == (
        "Other work keeps about 1.5 of 2 CPUs busy, and trials let it go first (niceness 15): "
        "resources.niceness 0 shares evenly"
    )
    (tmp_path / "autogroup").write_text("1\n")
    assert "trials let what of it was started from this terminal go first" in _other_work(15)
    (tmp_path / "autogroup").write_text("0\n")
    assert "trials let it go first" in _other_work(15)
    assert _other_work(0) is None
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 9.0, 9.0))
    assert _other_work(15) is None
    monkeypatch.setattr(os, "getloadavg", lambda: (9.0, 9.0, 9.0))
    assert "about 2.0 of 2 CPUs" in _other_work(15)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.5:6379")  # whose niceness is not ours to say
    assert _other_work(15) is None
