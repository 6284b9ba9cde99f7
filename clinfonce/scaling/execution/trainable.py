"""What Ray Tune runs for a trial: the trial itself, or a messenger to a group of workers.

PyTorch is loaded by the former alone, so that messengers stay small: nothing that their processes
unpickle may import it.
"""

from typing import Any

import ray
import ray.tune

from clinfonce.scaling.execution.task_queue import ENDINGS, Task


def tune_trial(config: dict[str, Any], *, context: ray.ObjectRef) -> None:
    """A trial as Ray Tune runs it.

    Args:
        config: `identity` and `spec` (JSON) of the trial, and `queue`, the name of the queue of the
            group that runs it; None for a trial with one worker, which runs here.
        context: the `SweepContext` of the sweep.
    """
    task = Task(config["identity"], config["spec"])
    if config["queue"] is not None:
        _pass_on_reports(task, ray.get_actor(config["queue"]))
        return
    from clinfonce.scaling.execution.worker import run_task

    run_task(task, ray.get(context), _ToTune())


def tune_resources(
    config: dict[str, Any], per_worker: dict[str, float]
) -> ray.tune.PlacementGroupFactory:
    """What Tune reserves for a trial.

    Ray Train reserves for the workers of a group itself. The messenger that waits for their
    reports takes no CPU, which they might lack then, but a place on the head node.
    """
    grouped = config["queue"] is not None
    return ray.tune.PlacementGroupFactory(
        [{"node:__internal_head__": 0.001} if grouped else per_worker]
    )


class _ToTune:
    """Reports of a trial that runs in Ray Tune's own process."""

    def report(self, report: dict[str, Any]) -> bool:
        ray.tune.report(report)  # does not return if the trial is to end
        return False

    def fail(self, error: Exception, message: str, epochs: list[Any]) -> None:  # noqa: ARG002
        self.report({"epochs": epochs, "failure": message})


def _pass_on_reports(task: Task, queue: Any) -> None:
    """Hand the trial to the group, and every report of its to Ray Tune.

    A messenger that takes the place of a dead one begins with the first report again.
    """
    ray.get(queue.submit.remote(task))
    number, over = 0, False
    while not over:
        report = ray.get(queue.report_of.remote(task.identity, number))
        over = not report.keys().isdisjoint(ENDINGS)
        ray.tune.report(report)
        number += 1
