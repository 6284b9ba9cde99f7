"""Trackers hold what the tables hold, read back by their own clients."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict

import pytest

from clinfonce.cli import main
from clinfonce.errors import InputError
from clinfonce.results import open as open_results
from clinfonce.results.track import Live, open_tracker, runs_of
from tests.results.example_store import write_example

# Clients leave sockets and files to the garbage collector, and use what others deprecate.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_example(tmp_path_factory.mktemp("store") / "r", seeds=1, epochs=3, kmeans=0)


@pytest.fixture
def runs(store):
    return {run.trial_id: run for run in runs_of(open_results(store))}


def track(store, to, capsys):
    assert main(["track", "--to", to, "--results", str(store.folder.local)]) == 0
    return capsys.readouterr().out


def test_a_run_holds_all_numbers_and_texts_of_its_rows(store, runs):
    results = open_results(store)
    (row,) = results.sql(
        "select t.*, c.i_zt from trials t join clusterings c using (clustering_id) "
        "where status = 'complete' order by number limit 1"
    ).to_pylist()
    run = runs[row["trial_id"]]
    assert run.measures["test_linear_top1_5"] == row["test_linear_top1_5"]
    assert run.measures["i_zt"] == row["i_zt"]
    assert run.parameters["clustering.source"] == row["source"]
    assert run.tags["clustering"] == row["clustering"]
    epochs = results.sql(
        f"select epoch, loss from epochs where trial_id = '{row['trial_id']}' order by epoch"
    ).to_pydict()
    assert run.curves["loss"] == tuple(zip(epochs["epoch"], epochs["loss"], strict=True))


def assert_curve(found, curve):
    assert [step for step, _ in found] == [step for step, _ in curve]
    assert [value for _, value in found] == pytest.approx([value for _, value in curve])


def mlflow_runs(place, sweep):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=place)
    experiment = client.get_experiment_by_name(sweep)
    for run in client.search_runs([experiment.experiment_id], max_results=1000):
        curves = {
            name: tuple((m.step, m.value) for m in client.get_metric_history(run.info.run_id, name))
            for name in run.data.metrics
        }
        yield run, curves


@pytest.mark.parametrize("form", ["sqlite:///{}/m.db", "{}/mlruns"])
def test_mlflow(store, runs, tmp_path, capsys, monkeypatch, form):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    check_mlflow(form.format(tmp_path), store, runs, capsys)


@pytest.fixture
def mlflow_server(tmp_path):
    """The address of MLflow's own server."""
    pytest.importorskip("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = f"sqlite:///{tmp_path}/server.db"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", place]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    server = subprocess.Popen(
        [*command, "--port", str(port), "--workers", "1"], env=environment, cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
    try:
        while not answers(f"{address}/health"):
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.5)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(address):
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


@pytest.mark.slow
def test_a_server_of_mlflow(store, runs, capsys, mlflow_server):
    check_mlflow(mlflow_server, store, runs, capsys)


def check_mlflow(place, store, runs, capsys):
    assert f"{len(runs)} trials written" in track(store, f"mlflow={place}", capsys)
    assert f"0 trials written, {len(runs)} were" in track(store, f"mlflow={place}", capsys)
    found = list(mlflow_runs(place, "example"))
    assert len(found) == len(runs)
    for run, curves in found:
        expected = runs[run.data.tags["clinfonce.trial_id"]]
        assert run.info.run_name == expected.name
        assert run.data.params == {k: str(v) for k, v in expected.parameters.items()}
        ends = {n[4:]: c[-1][1] for n, c in curves.items() if n.startswith("end/")}
        assert ends == pytest.approx(dict(expected.measures))
        for name, curve in expected.curves.items():
            assert_curve(curves[name], curve)
        state = {"complete": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
        assert run.info.status == state[expected.status]
        assert expected.tags.items() <= run.data.tags.items()


def test_tensorboard(store, runs, tmp_path, capsys):
    pytest.importorskip("tensorboardX")
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    track(store, f"tensorboard={tmp_path}", capsys)
    assert "0 trials written" in track(store, f"tensorboard={tmp_path}", capsys)
    folders = {folder.name[-len(key) :]: folder for folder in (tmp_path / "example").iterdir()
               for key in runs if folder.name.endswith(key)}  # fmt: skip
    assert folders.keys() == runs.keys()
    for key, run in runs.items():
        events = event_accumulator.EventAccumulator(str(folders[key]))
        events.Reload()
        curves = {name: [(e.step, e.value) for e in events.Scalars(name)]
                  for name in events.Tags()["scalars"]}  # fmt: skip
        for name, curve in run.curves.items():
            assert [step for step, _ in curves[name]] == [step for step, _ in curve]
            assert [v for _, v in curves[name]] == pytest.approx([v for _, v in curve], rel=1e-6)
        for name, value in run.measures.items():
            assert curves[f"end/{name}"][0][1] == pytest.approx(value, rel=1e-6)


def log_records(file):
    """Records of a LevelDB log, as W&B writes: blocks of 32 KiB, parts of records in them."""
    content, at, record = file.read_bytes(), 7, b""  # after W&B's own header
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def wandb_records(place):
    """Configuration, summary and history of each run in offline files."""
    from wandb.proto import wandb_internal_pb2

    for file in place.glob("wandb/offline-run-*/*.wandb"):
        config, summary, history = {}, {}, defaultdict(list)
        name = ""
        for data in log_records(file):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.HasField("run"):
                name = record.run.run_id or name
            parts = [record.run.config.update] if record.HasField("run") else []
            parts += [record.config.update] if record.HasField("config") else []
            for updates in parts:
                for item in updates:
                    config[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
            if record.HasField("summary"):
                for item in record.summary.update:
                    key = item.key or ".".join(item.nested_key)
                    summary[key] = json.loads(item.value_json)
            if record.HasField("history"):
                row = {i.key or ".".join(i.nested_key): json.loads(i.value_json)
                       for i in record.history.item}  # fmt: skip
                for key, value in row.items():
                    history[key].append((row.get("epoch"), value))
        yield name, config, summary, history


def test_wandb(store, runs, tmp_path, capsys):
    pytest.importorskip("wandb")
    few = dict(list(runs.items())[:2])
    tracker = open_tracker("wandb", str(tmp_path))
    assert all(tracker.trial(run) for run in few.values())
    tracker.close()
    again = open_tracker("wandb", str(tmp_path))
    assert not any(again.trial(run) for run in few.values())
    found = {name: rest for name, *rest in wandb_records(tmp_path)}
    assert found.keys() == few.keys()
    for key, run in few.items():
        config, summary, history = found[key]
        for name, value in run.parameters.items():
            assert config[name] == value
        for name, value in run.measures.items():
            assert summary[f"end/{name}"] == pytest.approx(value)
        for name, curve in run.curves.items():
            assert_curve(history[name], curve)


class Shown:
    """A display that remembers."""

    def __init__(self):
        self.said, self.trials = [], []

    def say(self, text):
        self.said.append(text)

    def start(self, total):
        self.total = total

    def epoch(self, trial_id, name, epoch, epochs, accuracy):
        self.last = epoch

    def trial(self, row, *, earlier):
        self.trials.append(row["trial_id"])


def test_a_sweep_is_tracked_while_it_runs(store, runs, tmp_path):
    """The values that came while a trial ran are not written a second time at its end."""
    pytest.importorskip("mlflow")
    place, shown = f"sqlite:///{tmp_path}/m.db", Shown()
    live = Live(shown, open_tracker("mlflow", place), store, "example")
    run = next(run for run in runs.values() if run.status == "complete")
    live.start(3)
    n = len(run.curves["val_knn"])
    for epoch, value in run.curves["val_knn"]:
        live.epoch(run.trial_id, run.name, epoch, 3, value)
    ((there, curves),) = mlflow_runs(place, "example")
    assert (there.info.status, len(curves["val_knn"])) == ("RUNNING", n)
    live.trial({"trial_id": run.trial_id}, earlier=False)
    live.close()
    ((there, curves),) = mlflow_runs(place, "example")
    assert there.info.status == "FINISHED"
    assert curves["val_knn"] == run.curves["val_knn"]
    assert curves["loss"] == run.curves["loss"]
    assert (shown.last, shown.trials, shown.said) == (3, [run.trial_id], [])


def test_a_tracker_that_fails_ends_no_sweep(store, runs):
    class Broken:
        where = ""

        def epoch(self, *_):
            raise ConnectionError("no route to host\nat all")

        trial = close = epoch

    shown = Shown()
    live = Live(shown, Broken(), store, "example")
    live.epoch("a", "a", 1, 2, 0.5)
    live.trial({"trial_id": next(iter(runs))}, earlier=False)
    live.close()
    (line,) = shown.said
    assert line.startswith("Tracking ends here (no route to host); clinfonce track writes")
    assert shown.last == 1


@pytest.mark.parametrize(
    ("kind", "place", "message"),
    [
        ("mlfow", None, "unknown tracker: 'mlfow'; did you mean 'mlflow'?"),
        ("mlflow", "ftp://x", "MLflow cannot use ftp://x"),
        ("wandb", "/no/such/folder", "/no/such/folder: no such folder"),
    ],
)
def test_mistakes(kind, place, message):
    if kind in ("mlflow", "wandb"):
        pytest.importorskip(kind)
    with pytest.raises(InputError, match=message) as caught:
        open_tracker(kind, place)
    assert "\n" not in str(caught.value)
