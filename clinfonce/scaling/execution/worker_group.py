"""A group of workers that runs one trial after the other, and is started anew when it dies."""

import asyncio
import os
import traceback
import uuid
from contextlib import suppress
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clinfonce.scaling import ray_private
from clinfonce.scaling.execution.capacity import WorkerResources
from clinfonce.scaling.execution.task_queue import TaskQueue, answers
from clinfonce.scaling.limits import MOST_DEATHS

_ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # Ray's 2 s end trials late
    # A process for each group, whose warning nobody reads: it resumes as after any death.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}
_PREFIX = "RAY_TRAIN_"  # of the user's variables that Ray Train reads
_WAITING_CALLS = 10_000  # to a queue at a time
_FAREWELL = 90.0  # seconds for a group to end; one that waits for room sees it after a minute
_PAUSE = 5.0  # seconds before a group is made anew


class WorkerGroup:
    """So many workers, and the queue where they get their trials.

    Args:
        workers: how many.
        per_worker: what each takes of a machine.
        context: the `SweepContext` of the sweep, in the object store.
        scratch: folder of this machine for Ray Train's own records.
    """

    def __init__(
        self, workers: int, per_worker: WorkerResources, context: ray.ObjectRef, scratch: Path
    ) -> None:
        self.workers = workers
        self.name = f"clinfonce-{uuid.uuid4().hex[:12]}"
        here = ray.get_runtime_context().get_node_id()
        own = {name: v for name, v in os.environ.items() if name.startswith(_PREFIX)}
        self.queue = (
            ray.remote(_GroupQueue)
            .options(
                name=self.name,
                num_cpus=0,
                max_concurrency=_WAITING_CALLS,
                scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
                runtime_env={"env_vars": _ENVIRONMENT | own},
            )
            .remote(answers)
        )
        self._end = self.queue.keep_running.remote(
            self.name,
            workers=workers,
            per_worker=per_worker,
            contexts=[context],
            scratch=str(scratch),
        )

    @property
    def is_running(self) -> bool:
        """Whether the group holds resources of the cluster."""
        return not ray.wait([self._end], timeout=0)[0]

    def decide(self, identity: str, epoch: int, *, stop: bool) -> None:
        """Tell the group whether a trial ends at an epoch that it reported."""
        self.queue.decide.remote(identity, epoch, stop)

    def cancel(self, identity: str) -> None:
        """End a trial that nobody waits for any more."""
        self.queue.cancel.remote(identity)

    def close(self) -> None:
        """Let the group end, which gives its resources back in a while."""
        self.queue.close.remote()

    def wait_closed(self) -> None:
        """Wait until the group has ended."""
        ray.wait([self._end], timeout=_FAREWELL)


class _GroupQueue(TaskQueue):
    """A queue whose process also runs Ray Train for its group.

    In the sweep's own process a thread would do so, and Ray ends a process of which any thread
    calls it after its shutdown.
    """

    async def keep_running(
        self,
        name: str,
        *,
        workers: int,
        per_worker: WorkerResources,
        contexts: list[ray.ObjectRef],
        scratch: str,
    ) -> None:
        """Run the group until it is closed, again when Ray Train gives it up.

        Args:
            name: of the group.
            workers: how many.
            per_worker: what each takes of a machine.
            contexts: the `SweepContext` of the sweep, in the object store, not to be fetched here.
            scratch: folder of this machine for Ray Train's own records.
        """
        try:
            await self._keep_running(name, workers, per_worker, contexts[0], scratch)
        except Exception as error:
            self._log.append("".join(traceback.format_exception(error)))
            await self.give_up(f"its group could not be kept running: {error}")
            await asyncio.sleep(_PAUSE)  # for the report to be fetched
        finally:  # whoever still waits for a report waits in vain
            ray.actor.exit_actor()

    async def _keep_running(
        self,
        name: str,
        workers: int,
        per_worker: WorkerResources,
        context: ray.ObjectRef,
        scratch: str,
    ) -> None:
        from clinfonce.scaling.execution.train_workers import make_trainer, reason_of

        me = ray.get_runtime_context().current_actor
        deaths, before = 0, 0
        while not self._closed:
            run = f"{name}-{uuid.uuid4().hex[:4]}"
            trainer = make_trainer(me, run, workers, per_worker, context, scratch)
            try:
                await asyncio.to_thread(trainer.fit)
            except Exception as error:
                # Workers that died on the way did so in several trials, of each of which the queue
                # counts them; here count runs that brought nothing at all.
                deaths = deaths if self._progress == before else 0
                if not ray_private.waited_for_room(error):
                    self._log.append("".join(traceback.format_exception(error)))
                    deaths += 1
                if deaths >= MOST_DEATHS:
                    await self.give_up(reason_of(error))
                    deaths = 0
                before = self._progress
            else:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._until(lambda: self._closed), _PAUSE)
