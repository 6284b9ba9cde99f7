"""One trial in a process of Ray's: from its specification to what it reports."""

import logging
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import ray
import torch

from clinfonce.config import TrialSpec
from clinfonce.data import ImageTable
from clinfonce.errors import InputError, StorageError
from clinfonce.features import FeatureCache
from clinfonce.files import File, Folder
from clinfonce.models import Weights
from clinfonce.models.saved import encoder_file, save_encoder
from clinfonce.scaling.execution.task_queue import Task
from clinfonce.training.checkpoint import checkpoint_file
from clinfonce.training.loop import Epoch, TrainingDivergedError
from clinfonce.trial.run import TrialResult
from clinfonce.trial.start import Start

# What every worker of a trial runs into at the same place.
SHARED_ERRORS = InputError, TrainingDivergedError


class RunTrial(Protocol):
    """What runs a trial: `clinfonce.trial.run.run_trial`, or a stand-in for it."""

    def __call__(
        self,
        spec: TrialSpec,
        table: ImageTable,
        *,
        experiment: str,
        on_epoch: Callable[[Epoch], None],
        checkpoint: File | None,
        start: Start,
    ) -> TrialResult:
        """Run a trial."""


@dataclass(frozen=True)
class SweepContext:
    """What the trials of a sweep have in common.

    Attributes:
        table: the `ImageTable`, once in the object store of each machine.
        experiment: name of the sweep.
        home: folder or URI of the result store, for checkpoints and encoders; all machines see it.
        run: what runs a trial.
        weights: the `Weights` that trials start from, by digest, once in the object store of each
            machine.
    """

    table: ray.ObjectRef
    experiment: str
    home: str
    run: RunTrial
    weights: dict[str, ray.ObjectRef] = field(default_factory=dict)


class WeightsInRay:
    """Weights by digest, fetched from Ray's object store when they are wanted."""

    def __init__(self, references: dict[str, ray.ObjectRef]) -> None:
        self._references = references

    def __getitem__(self, sha256: str) -> Weights:
        weights: Weights = ray.get(self._references[sha256])
        return weights


class Reporter(Protocol):
    """Where a trial's reports go."""

    def report(self, report: dict[str, Any]) -> bool:
        """Report an evaluated epoch or the end; True if the trial is to end."""

    def fail(self, error: Exception, message: str, epochs: list[Any]) -> None:
        """Report an error, with the epochs that were not reported yet."""


class _StoppedEarlyError(Exception):
    """The trial is not worth going on with."""


def run_task(task: Task, context: SweepContext, reporter: Reporter, *, rank: int = 0) -> None:
    """Run a trial and report every evaluated epoch, then the rows or what went wrong.

    Args:
        task: the trial.
        context: of the sweep.
        reporter: where to.
        rank: of this worker; the first one saves the encoder.
    """
    waiting: list[dict[str, Any]] = []
    labelled = ray.get(context.table).labels is not None

    def on_epoch(epoch: Epoch) -> None:
        waiting.append(asdict(epoch))
        if epoch.val_knn is not None or not labelled:
            report = {"epoch": epoch.epoch, "val_knn": epoch.val_knn, "epochs": list(waiting)}
            waiting.clear()
            if reporter.report(report):
                raise _StoppedEarlyError

    try:
        report = _run(task, context, on_epoch, rank)
    except _StoppedEarlyError:
        return
    except ray.exceptions.RayError:  # whom we report to is gone, which is not the trial's fault
        raise
    except StorageError as error:  # nor is this, and the whole sweep ends of it
        reporter.report({"epochs": [], "storage": str(error)})
        raise
    except Exception as error:
        if isinstance(error, SHARED_ERRORS):
            message = str(error)
        else:
            message = f"{type(error).__name__}: {error}"
            logging.getLogger(__name__).error("%s", traceback.format_exc())
        reporter.fail(error, message, waiting)
        return
    finally:
        _free_device_memory()
    if rank == 0:
        reporter.report(report)


def _run(
    task: Task, context: SweepContext, on_epoch: Callable[[Epoch], None], rank: int
) -> dict[str, Any]:
    home = Folder.at(context.home)
    checkpoint = checkpoint_file(home, context.experiment, task.identity)
    result = context.run(
        TrialSpec.model_validate_json(task.spec),
        ray.get(context.table),
        experiment=context.experiment,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        start=Start(WeightsInRay(context.weights), FeatureCache(home)),
    )
    if rank == 0:
        encoder = encoder_file(home, task.identity)
        save_encoder(encoder, result.encoder, result.encoder_description)
        checkpoint.remove()
    # In lists, which Ray Tune does not flatten.
    clustering = [] if result.clustering is None else [result.clustering]
    return {
        "epochs": [],
        "trial": [result.trial],
        "scores": result.scores,
        "clustering": clustering,
    }


def _free_device_memory() -> None:
    """Give back what PyTorch keeps of a GPU for later: another process may share it."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
