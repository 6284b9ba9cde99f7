"""What runs inside Ray's processes: one trial, on one worker or data-parallel on several."""

import json
import logging
import shutil
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.tune

from clinfonce.config import TrialSpec
from clinfonce.data import ImageTable
from clinfonce.errors import InputError
from clinfonce.experiment import run_trial
from clinfonce.training.checkpoint import save_encoder
from clinfonce.training.loop import Epoch, TrainingDivergedError

Report = Callable[[dict[str, Any]], None]


def tune_trial(config: dict[str, Any], *, table: ray.ObjectRef, experiment: str, home: str) -> None:
    """A trial as Ray Tune runs it.

    Args:
        config: `identity` and `spec` (JSON) of the trial.
        table: the `ImageTable`, once in the object store of each machine.
        experiment: name of the sweep.
        home: folder of the result store, for checkpoints and encoders; all machines see it.
    """
    if json.loads(config["spec"])["workers"] > 1:
        _data_parallel(config, table, experiment, home)
    else:
        _run(config, ray.get(table), experiment, Path(home), ray.tune.report)


def _data_parallel(
    config: dict[str, Any], table: ray.ObjectRef, experiment: str, home: str
) -> None:
    """Start a group of workers with Ray Train and pass on what its first worker reports."""
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    def train_loop(config: dict[str, Any]) -> None:
        _use_own_device()
        _run(config, ray.get(table), experiment, Path(home), ray.train.report)

    workers = json.loads(config["spec"])["workers"]
    name = f"{config['identity']}-{ray.tune.get_context().get_trial_id()}"
    storage = Path(home) / ".ray"  # Ray Train's own records; ours are the rows and checkpoints
    try:
        TorchTrainer(
            train_loop,
            train_loop_config=config,
            torch_config=TorchConfig(timeout_s=600),
            scaling_config=ray.train.ScalingConfig(
                num_workers=workers,
                use_gpu=config["gpus"] > 0,
                resources_per_worker=_resources(config),
            ),
            run_config=ray.train.RunConfig(
                name=name,
                storage_path=str(storage),
                failure_config=ray.train.FailureConfig(max_failures=2, controller_failure_limit=3),
                callbacks=[TuneReportCallback()],
            ),
        ).fit()
    finally:
        shutil.rmtree(storage / name, ignore_errors=True)


def _resources(config: dict[str, Any]) -> dict[str, float]:
    resources = {"CPU": config["cpus"]}
    return {**resources, "GPU": config["gpus"]} if config["gpus"] else resources


def _use_own_device() -> None:
    import torch
    from ray.train.torch import get_device

    device = get_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)


def _run(
    config: dict[str, Any], table: ImageTable, experiment: str, home: Path, report: Report
) -> None:
    """Run the trial and report every evaluated epoch, then the rows or what went wrong."""
    identity = config["identity"]
    checkpoint = home / "checkpoints" / f"{identity}.pt"
    waiting: list[dict[str, Any]] = []

    def on_epoch(epoch: Epoch) -> None:
        waiting.append(asdict(epoch))
        if epoch.val_knn is not None:
            report({"epoch": epoch.epoch, "val_knn": epoch.val_knn, "epochs": list(waiting)})
            waiting.clear()

    try:
        spec = TrialSpec.model_validate_json(config["spec"])
        result = run_trial(
            spec, table, experiment=experiment, on_epoch=on_epoch, checkpoint=checkpoint
        )
    except (InputError, TrainingDivergedError) as error:
        report({"epochs": list(waiting), "failure": f"{error}"})
        return
    except Exception as error:
        logging.getLogger(__name__).error("%s", traceback.format_exc())
        report({"epochs": list(waiting), "failure": f"{type(error).__name__}: {error}"})
        return
    encoder = home / "encoders" / f"{identity}.safetensors"
    save_encoder(encoder, result.encoder, result.encoder_description)
    checkpoint.unlink(missing_ok=True)
    # In lists, which Ray Tune does not flatten.
    report({"epochs": [], "trial": [result.trial], "clustering": [result.clustering]})
