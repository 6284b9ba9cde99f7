"""Sweeps whose result store is full or away for a while: each row of an undisturbed one, once."""

import json
import os
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from clinfonce import results
from tests.scaling.storage import CREDENTIALS, SWEEP, TRIALS, s3_server
from tests.scaling.sweeps import reproducible

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


PAIRS = f"""
{SWEEP.split("  epochs")[0]}
  epochs: 5
  workers: 2
seeds: [1, 2]
fixed: [{{name: InfoNCE, trial: {{}}}}]
"""


def start(folder, home, sweep=SWEEP):
    """The command of a sweep, in a folder that takes the log of an object store's sweep."""
    (folder / "demo.yaml").write_text(sweep)
    command = [sys.executable, "-m", "clinfonce", "sweep", "demo.yaml", "--results", str(home)]
    environment = {**os.environ, **CREDENTIALS, "PYTHONUNBUFFERED": "1"}
    with (folder / "output").open("a") as output:
        return subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=environment
        )


def wait(process, folder, status):
    assert process.wait(timeout=900) == status, (folder / "output").read_text()
    return (folder / "output").read_text()


def wait_for_a_trial(process, folder):
    deadline = time.monotonic() + 600
    while "[1/" not in (folder / "output").read_text():
        assert process.poll() is None, (folder / "output").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    wait(start(folder, folder / "results"), folder, 0)
    rows = reproducible(folder / "results")
    assert len(rows["trials"]) == TRIALS
    return rows


def test_a_full_disk_ends_a_sweep_that_goes_on_once_there_is_room(disk, tmp_path, undisturbed):
    home = disk / "results"
    _ended_by_a_full_disk(disk, home, tmp_path, SWEEP)
    assert 0 < sum(pq.read_table(p).num_rows for p in home.glob("trials/[!.]*.parquet")) < TRIALS
    wait(start(tmp_path, home), tmp_path, 0)
    assert reproducible(home) == undisturbed
    _refused_where_nothing_may_be_written(disk, home, tmp_path)


def test_workers_of_one_trial_end_together_on_a_full_disk(disk, tmp_path):
    """The first of them alone writes; the other waits for it."""
    home = disk / "results"
    _ended_by_a_full_disk(disk, home, tmp_path, PAIRS)
    wait(start(tmp_path, home, PAIRS), tmp_path, 0)
    rows = reproducible(home)
    assert sorted((row["seed"], row["status"]) for row in rows["trials"]) == [
        (1, "complete"),
        (2, "complete"),
    ]
    assert sorted(row["epoch"] for row in rows["epochs"]) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def _ended_by_a_full_disk(disk, home, folder, sweep):
    """A sweep whose disk fills up while its second trial runs; afterwards there is room again."""
    process, ballast = start(folder, home, sweep), disk / "ballast"
    wait_for_a_trial(process, folder)
    began = time.monotonic()
    while process.poll() is None:
        try:
            with ballast.open("ab", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
        except OSError:
            time.sleep(0.05)
    assert time.monotonic() - began < 60
    output = wait(process, folder, 1)
    assert output.rstrip().splitlines()[-1] == (
        f"clinfonce: no space left in {home}: make room, then the same command goes on"
    )
    assert "Traceback" not in output
    assert not list(home.rglob(".tmp-*"))
    ballast.unlink()


def _refused_where_nothing_may_be_written(disk, home, folder):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    line = wait(start(folder, home), folder, 2).rstrip().splitlines()[-1]
    assert line.startswith(f"clinfonce: cannot write results to '{home}': ")
    assert reproducible(home)["trials"]  # reading needs no permission


def clinfonce(*arguments):
    command = [sys.executable, "-m", "clinfonce", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_s3_may_be_away_for_twenty_seconds(tmp_path, undisturbed, monkeypatch):
    with s3_server(tmp_path, monkeypatch) as (server, home):
        process = start(tmp_path, home)
        wait_for_a_trial(process, tmp_path)
        server.stop()
        time.sleep(20)
        server.go_on()
        output = wait(process, tmp_path, 0)
        assert "Traceback" not in output
        assert reproducible(home) == undisturbed
        assert f"the log is in {tmp_path / 'logs/demo.log'}" in output
        assert (tmp_path / "logs/demo.log").exists()
        _everything_works_there(home, tmp_path)


def _everything_works_there(home, folder):
    folder_there = results.Store.open(home).folder
    assert folder_there.names("checkpoints") == []
    rows = json.loads(clinfonce("query", "FROM trials", "--json", "--results", home))
    kept = {name.removesuffix(".safetensors") for name in folder_there.names("encoders")}
    complete = [row for row in rows if row["status"] == "complete"]
    searched = (row for row in complete if row["role"] == "search")
    best = max(searched, key=lambda row: (row["val_knn"], -row["number"]))
    always = {row["trial_id"] for row in complete if row["role"] != "search"}
    assert kept == {best["trial_id"], *always}
    assert "instances" in clinfonce("relate", "--results", home)
    page, encoder = folder / "page.html", folder / "encoder.safetensors"
    clinfonce("report", "--results", home, "--out", page)
    clinfonce("export", best["trial_id"], "--results", home, "--out", encoder)
    assert page.stat().st_size > 10_000
    assert encoder.stat().st_size > 1_000
    study = folder_there.read("sweeps/demo.optuna.log").splitlines()
    assert len(study) > 10
