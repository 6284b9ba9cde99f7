"""Processes that only wait for others, or lead them, are small: they load no PyTorch."""

import base64
import functools
import subprocess
import sys

import ray.cloudpickle

from clinfonce.config import TrialSpec
from clinfonce.data import load
from clinfonce.scaling.execution.trainable import tune_resources, tune_trial
from clinfonce.trial.run import run_trial


def modules_of(code, *arguments):
    """The modules that Python has loaded after a piece of code."""
    command = [sys.executable, "-c", f"{code}\nprint(*sys.modules)", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def unpickled(value):
    """The modules that a process loads that unpickles a value."""
    pickled = base64.b64encode(ray.cloudpickle.dumps(value)).decode()
    return modules_of(
        "import sys, base64, pickle; pickle.loads(base64.b64decode(sys.argv[1]))", pickled
    )


def test_a_messenger():
    resources = functools.partial(tune_resources, per_worker={"CPU": 1.0})
    loaded = unpickled([functools.partial(tune_trial, context=None), resources])
    assert "clinfonce.scaling.execution.trainable" in loaded
    assert "torch" not in loaded


def test_what_it_passes_on():
    values = {"augmentation": "digits", "encoder": {"width": 4}, "epochs": 1}
    spec = TrialSpec.model_validate(values | {"clustering": {"source": "labels"}})
    result = run_trial(spec, load("digits"), experiment="small")
    rows = [result.trial, result.clustering, result.scores, result.factors, result.epochs]
    assert "torch" not in unpickled(rows)


def test_a_queue_and_what_leads_its_group(tmp_path):
    loaded = modules_of(
        "import sys; "
        "from clinfonce.scaling.execution import train_workers, worker_group; "
        "from clinfonce.scaling.execution.capacity import WorkerResources; "
        "train_workers.make_trainer(None, 'a', 2, WorkerResources(1.0, 0.0), None, sys.argv[1])",
        str(tmp_path),
    )
    assert "ray.train" in loaded
    assert "torch" not in loaded
