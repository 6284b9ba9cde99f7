"""A group of workers that Ray Train keeps running, and that runs one trial after the other."""

import logging
import os
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
from ray.train.v2.api.exceptions import WorkerGroupError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clinfonce.scaling.capacity import Share
from clinfonce.scaling.desk import MOST_DEATHS, Desk, answers
from clinfonce.scaling.network import use_interface_of_ray

_COLLECTIVE = 600  # seconds that a worker waits for the others; an error it hears of at once
_WAITING_CALLS = 10_000  # to a desk at a time
_FAREWELL = 90.0  # seconds for a group to end; one that waits for room sees it after a minute
_PAUSE = 5.0  # seconds before a group is made anew


class Group:
    """So many workers, and the desk where they get their trials.

    Args:
        workers: how many.
        share: what each takes of a machine.
        setting: the `Setting` of the sweep, in the object store.
        scratch: folder of this machine for Ray Train's own records.
    """

    def __init__(self, workers: int, share: Share, setting: ray.ObjectRef, scratch: Path) -> None:
        self.workers, self._share, self._setting, self._scratch = workers, share, setting, scratch
        self.name = f"clinfonce-{uuid.uuid4().hex[:12]}"
        here = ray.get_runtime_context().get_node_id()
        self.desk = (
            ray.remote(Desk)
            .options(
                name=self.name,
                num_cpus=0,
                max_concurrency=_WAITING_CALLS,
                scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
            )
            .remote(answers)
        )
        self._closing, self._abandoned = threading.Event(), False
        self._thread = threading.Thread(target=self._keep_running, name=self.name, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the group holds resources of the cluster."""
        return self._thread.is_alive()

    def judge(self, identity: str, epoch: int, *, stop: bool) -> None:
        """Tell the group whether a trial ends at an epoch that it reported."""
        self.desk.judge.remote(identity, epoch, stop)

    def cancel(self, identity: str) -> None:
        """End a trial that nobody waits for any more."""
        self.desk.cancel.remote(identity)

    def close(self) -> None:
        """Let the group end, which gives its resources back in a while."""
        if not self._closing.is_set():
            self._closing.set()
            self.desk.close.remote()

    def abandon(self) -> None:
        """Do not start the group anew: Ray is about to end."""
        self._abandoned = True
        self._closing.set()

    def wait_closed(self) -> None:
        """Wait until the group has ended."""
        self._thread.join(_FAREWELL)

    def _keep_running(self) -> None:
        """Run Ray Train until the group is closed, again when it gives up."""
        deaths, before = 0, 0
        try:
            # Once it is abandoned Ray may be gone, and asking would start another.
            while (error := self._run()) is not None and not self._closing.is_set():
                logging.getLogger(__name__).warning("%s ended: %s", self.name, error)
                progress: int = ray.get(self.desk.progress.remote())
                deaths = _deaths(error) + (deaths if progress == before else 0)
                if deaths >= MOST_DEATHS:
                    ray.get(self.desk.give_up.remote(_reason(error)))
                    deaths = 0
                before = ray.get(self.desk.progress.remote())
                if self._closing.wait(_PAUSE):
                    break
        except ray.exceptions.RayError:  # without a desk nobody wants anything of the group
            return
        if not self._abandoned:
            ray.kill(self.desk)

    def _run(self) -> Exception | None:
        """Run Ray Train until the workers are sent home; or what it gave up for."""
        try:
            self._trainer().fit()
        except Exception as error:
            return error
        return None

    @property
    def _elastic(self) -> tuple[int, int] | None:
        if self._share.at_least is None:
            return None
        return self._share.fewest(self.workers), self.workers

    def _trainer(self) -> TorchTrainer:
        gpus = self._share.gpus
        return TorchTrainer(
            serve,
            train_loop_config={"desk": self.desk, "setting": self._setting},
            torch_config=_TorchOverRaysInterface(
                # Tensors of trials that ask for the CPU need gloo beside NCCL.
                backend="cpu:gloo,cuda:nccl" if gpus else "gloo",
                timeout_s=_COLLECTIVE,
            ),
            scaling_config=ray.train.ScalingConfig(
                num_workers=self._elastic or self.workers,
                use_gpu=gpus > 0,
                resources_per_worker=self._share.resources,
            ),
            run_config=ray.train.RunConfig(
                name=f"{self.name}-{uuid.uuid4().hex[:4]}",
                storage_path=str(self._scratch),
                # A start that failed, since there is no room for one, ends Ray Train's run, which
                # is when a group that was closed meanwhile can end.
                failure_config=ray.train.FailureConfig(
                    max_failures=MOST_DEATHS - 1, controller_failure_limit=0
                ),
            ),
        )


def _deaths(error: Exception) -> int:
    """How many deaths Ray Train gave up after; waiting for room for the workers is none."""
    if isinstance(getattr(error, "controller_failure", None), WorkerGroupStartupTimeoutError):
        return 0
    return MOST_DEATHS if isinstance(error, WorkerGroupError) else 1


def _reason(error: Exception) -> str:
    """What Ray Train's error says, in a line; of several workers' the first."""
    failures = getattr(error, "worker_failures", {}).values()
    cause = next(iter(failures), getattr(error, "controller_failure", error))
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def serve(config: dict[str, Any]) -> None:
    """What each worker of a group does: trials from the desk until there is none.

    Args:
        config: `desk` of the group and the sweep's `setting`.
    """
    from clinfonce.scaling.worker import run_task

    _use_own_device()
    context = ray.train.get_context()
    desk, rank, size = config["desk"], context.get_world_rank(), context.get_world_size()
    setting = ray.get(config["setting"])
    me = ray.get_runtime_context().current_actor
    # Ray Train chooses them for each start of the group.
    start = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        number = ray.get(desk.join.remote(start, rank, size, me))
        while (task := ray.get(desk.task.remote(number))) is not None:
            run_task(task, setting, _ToDesk(desk, number, rank), rank=rank)
            number += 1
    except ray.exceptions.ActorDiedError:
        return  # without a desk nobody wants anything of the group


@dataclass(frozen=True)
class _ToDesk:
    """Reports of one worker of a group."""

    desk: Any
    number: int
    rank: int

    def report(self, report: dict[str, Any]) -> bool:
        stop: bool = ray.get(self.desk.report.remote(self.number, self.rank, report))
        return stop

    def fail(self, error: Exception, message: str, epochs: list[Any]) -> None:
        from clinfonce.scaling.worker import ALIKE

        alike = isinstance(error, ALIKE)
        call = self.desk.fail.remote(self.number, self.rank, message, epochs, alike=alike)
        if not ray.get(call):
            raise error  # Ray Train starts the group anew


def _use_own_device() -> None:
    import torch

    device = get_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)


class _TorchOverRaysInterface(TorchConfig):
    """PyTorch's process group, over the network interface that Ray reached the machine by."""

    @property
    def backend_cls(self) -> type:
        return _Backend


class _Backend(TorchConfig().backend_cls):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        worker_group.execute(use_interface_of_ray)
        super().on_start(worker_group, backend_config)
