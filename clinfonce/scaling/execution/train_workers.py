"""The workers of a group, which Ray Train starts on the cluster.

Its `TorchTrainer` would load PyTorch in the processes that lead the group, too.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
import ray.train
from ray.train.backend import Backend, BackendConfig

from clinfonce.scaling import ray_private
from clinfonce.scaling.execution.capacity import WorkerResources
from clinfonce.scaling.execution.network import use_interface_of_ray
from clinfonce.scaling.execution.process_group import join, leave, listen
from clinfonce.scaling.limits import MOST_DEATHS

_COLLECTIVE = 600  # seconds that a worker waits for the others; an error it hears of at once
# Seconds for workers to leave; a dead one's companions cannot leave in order.
_FAREWELL = 5


def make_trainer(
    queue: Any,
    name: str,
    workers: int,
    per_worker: WorkerResources,
    context: ray.ObjectRef,
    scratch: str,
) -> Any:
    """What runs so many workers until their queue sends them home.

    Args:
        queue: where they get their trials.
        name: of the run, for Ray Train's own records.
        workers: how many.
        per_worker: what each takes of a machine.
        context: the `SweepContext` of the sweep, in the object store.
        scratch: folder of this machine for Ray Train's own records.
    """
    elastic = None if per_worker.at_least is None else (per_worker.fewest(workers), workers)
    return ray_private.make_trainer(
        serve,
        train_loop_config={"queue": queue, "context": context},
        # Tensors of trials that ask for the CPU need gloo beside NCCL.
        backend_config=_ProcessGroup("cpu:gloo,cuda:nccl" if per_worker.gpus else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=elastic or workers,
            use_gpu=per_worker.gpus > 0,
            resources_per_worker=per_worker.resources,
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=scratch,
            # A start that failed, since there is no room for one, ends Ray Train's run, which is
            # when a group that was closed meanwhile can end.
            failure_config=ray.train.FailureConfig(
                max_failures=MOST_DEATHS - 1, controller_failure_limit=0
            ),
        ),
    )


def reason_of(error: Exception) -> str:
    """What Ray Train's error says, in a line; of several workers' the first."""
    failures = getattr(error, "worker_failures", {}).values()
    cause = next(iter(failures), getattr(error, "controller_failure", error))
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return lines[-1] if any(line.lstrip().startswith("File ") for line in lines) else lines[0]


def serve(config: dict[str, Any]) -> None:
    """What each worker of a group does: trials from the queue until there is none.

    Args:
        config: `queue` of the group and the sweep's `context`.
    """
    from clinfonce.scaling.execution.worker import run_task

    _use_own_device()
    place = ray.train.get_context()
    queue, rank, size = config["queue"], place.get_world_rank(), place.get_world_size()
    context = ray.get(config["context"])
    me = ray.get_runtime_context().current_actor
    # Ray Train chooses them for each start of the group.
    start = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        number = ray.get(queue.join.remote(start, rank, size, me))
        while (task := ray.get(queue.task.remote(number))) is not None:
            run_task(task, context, _ToQueue(queue, number, rank), rank=rank)
            number += 1
    except ray.exceptions.ActorDiedError:
        return  # without a queue nobody wants anything of the group


@dataclass(frozen=True)
class _ToQueue:
    """Reports of one worker of a group."""

    queue: Any
    number: int
    rank: int

    def report(self, report: dict[str, Any]) -> bool:
        stop: bool = ray.get(self.queue.report.remote(self.number, self.rank, report))
        return stop

    def fail(self, error: Exception, message: str, epochs: list[Any]) -> None:
        from clinfonce.scaling.execution.worker import SHARED_ERRORS

        shared = isinstance(error, SHARED_ERRORS)
        call = self.queue.fail.remote(self.number, self.rank, message, epochs, shared=shared)
        if not ray.get(call):
            raise error  # Ray Train starts the group anew


def _use_own_device() -> None:
    import torch

    if torch.cuda.is_available():
        from ray.train.torch import get_device

        device = get_device()
        if device.type == "cuda":
            torch.cuda.set_device(device)


@dataclass
class _ProcessGroup(BackendConfig):
    """PyTorch's process group, over the network interface that Ray reached the machine by.

    Attributes:
        backend: of `torch.distributed`.
    """

    backend: str

    @property
    def backend_cls(self) -> type:
        return _Backend


class _Backend(Backend):
    share_cuda_visible_devices = True

    def on_start(self, worker_group: Any, backend_config: _ProcessGroup) -> None:
        worker_group.execute(use_interface_of_ray)
        first, size = worker_group.execute_single(0, listen), len(worker_group)
        how = backend_config.backend, _COLLECTIVE
        joined = [
            worker_group.execute_single_async(rank, join, rank, size, first, *how)
            for rank in range(size)
        ]
        ray.get(joined)

    def on_shutdown(self, worker_group: Any, backend_config: _ProcessGroup) -> None:  # noqa: ARG002
        with suppress(ray.exceptions.GetTimeoutError):
            ray.get(worker_group.execute_async(leave), timeout=_FAREWELL)
