"""Where a group of workers gets its trials and leaves its reports.

A group lives longer than a trial: its workers ask the queue for trial 0, 1, … and run one after the
other. All of them report every evaluated epoch and are told whether to go on, so that they end a
trial at the same place. A group that lost a worker comes back whole and is given the trial again
that it was at.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ray

from clinfonce.scaling.limits import MOST_DEATHS

Report = Mapping[str, Any]

ENDINGS = ("trial", "failure", "lost", "storage")  # keys of a trial's last report
_PATIENCE = 20.0  # seconds for the last worker to run into an error that all run into
_ANSWER = 10.0  # seconds for a worker to show that it is alive


@dataclass(frozen=True)
class Task:
    """A trial to run: its key, and its specification as JSON."""

    identity: str
    spec: str


@dataclass
class _Running:
    """The trial that the group is at.

    Attributes:
        task: the trial.
        reports: what was reported, in order.
        decisions: epoch → whether the trial ends there.
        begun: whether a worker has asked for it.
        deaths: how often the group was started anew since the last new epoch.
        failed: workers that ran into an error that all workers run into.
    """

    task: Task
    reports: list[Report] = field(default_factory=list)
    decisions: dict[int, bool] = field(default_factory=dict)
    begun: bool = False
    deaths: int = 0
    failed: set[int] = field(default_factory=set)

    @property
    def is_lost(self) -> bool:
        return bool(self.reports) and "lost" in self.reports[-1]

    @property
    def is_over(self) -> bool:
        return any(self.decisions.values()) or (
            bool(self.reports) and not self.reports[-1].keys().isdisjoint(ENDINGS)
        )


@dataclass
class _Attempt:
    """The workers of one start of a group.

    Attributes:
        token: what tells this start from the one before.
        is_larger: it has more workers than the one before, which ended for that.
        workers: by rank, to be asked whether they are alive.
        start: number of the trial that they begin with.
    """

    token: str
    is_larger: bool = False
    workers: dict[int, Any] = field(default_factory=dict)
    start: int | None = None


class TaskQueue:
    """The state of one group. All methods run in one event loop, so none needs a lock.

    It is driven from three sides: whoever waits for a trial (`submit`, `report_of`, `decide`,
    `cancel`), the workers (`join`, `task`, `report`, `fail`), and whoever keeps the group running
    (`close`, `give_up`).

    Args:
        is_alive: finds out whether a worker is alive.
    """

    def __init__(self, is_alive: Callable[[Any], Awaitable[bool]]) -> None:
        self._is_alive = is_alive
        self._number = -1  # of the trial in `_running`
        self._running: _Running | None = None
        self._attempt = _Attempt("")
        self._closed = False
        self._log: list[str] = []  # what is to be logged where the reports go
        self._progress = 0  # rises with every epoch and every end of a trial
        self._changed = asyncio.Condition()

    async def submit(self, task: Task) -> None:
        """Run a trial next; submitting the one that runs or has a result changes nothing."""
        running = self._running
        if running is not None and running.task == task and not running.is_lost:
            return
        if running is not None:  # whose decision may be on its way
            await self._conclude(running.task.identity, {"epochs": [], "lost": "another is next"})
        self._running = _Running(task)
        self._number += 1
        await self._wake()

    async def report_of(self, identity: str, number: int) -> Report:
        """Wait for the report 0, 1, … of a trial."""
        running = self._running
        if running is None or running.task.identity != identity:
            raise ValueError(f"trial {identity} is not at this queue")
        await self._until(lambda: len(running.reports) > number)
        return running.reports[number]

    async def decide(self, identity: str, epoch: int, stop: bool) -> None:
        """Say whether a trial ends at an epoch that it reported."""
        if self._running is not None and self._running.task.identity == identity:
            self._running.decisions.setdefault(epoch, stop)
            await self._wake()

    async def cancel(self, identity: str) -> None:
        """End a trial that nobody waits for any more."""
        await self._conclude(identity, {"epochs": [], "lost": "nobody waits for it"})

    async def join(self, token: str, rank: int, size: int, worker: Any) -> int:
        """Wait for all workers of a start of the group; the number of the trial they begin with.

        Raises:
            RuntimeError: the group was started anew meanwhile.
        """
        if token != self._attempt.token:
            self._attempt = _Attempt(token, is_larger=size > len(self._attempt.workers))
            await self._wake()
        attempt = self._attempt
        attempt.workers[rank] = worker
        if len(attempt.workers) == size:
            if not attempt.is_larger:
                await self._count_death()
            attempt.start = max(0, self._number + (self._running is None or self._running.is_over))
        await self._wake()
        await self._until(lambda: attempt.start is not None or attempt is not self._attempt)
        if attempt.start is None:
            raise RuntimeError("the group was started anew")
        return attempt.start

    async def task(self, number: int) -> Task | None:
        """Wait for the trial 0, 1, …; None once the group is to end."""
        await self._until(lambda: self._closed or self._number >= number)
        if self._running is None or self._number < number:
            return None
        self._running.begun = True
        return self._running.task

    async def report(self, number: int, rank: int, report: Report) -> bool:
        """Take what a worker reports of a trial; True if the trial is to end.

        An epoch is answered once it is decided. The first worker speaks for all.
        """
        running = self._running
        if running is None or number != self._number or running.is_over:
            return True
        if not report.keys().isdisjoint(ENDINGS):
            await self._conclude(running.task.identity, report)
            return True
        epoch = report["epoch"]
        if rank == 0 and epoch not in running.decisions:
            running.reports.append(self._with_log(report))
            running.deaths = 0
            self._progress += 1
            await self._wake()
        await self._until(lambda: epoch in running.decisions or running.is_over)
        return running.is_over

    async def fail(
        self, number: int, rank: int, message: str, epochs: list[Any], *, shared: bool
    ) -> bool:
        """Take the error of a worker; True if the group can go on with the next trial as it is.

        A worker that lost another one sees an error too, of its connection. That is no failure of
        the trial: it runs again. So an error counts while all workers of the group are alive.

        Args:
            number: of the trial.
            rank: of the worker.
            message: what went wrong.
            epochs: what the worker has not reported yet.
            shared: every worker runs into this error at the same place; if they all do, nothing is
                left hanging between them.
        """
        running, attempt = self._running, self._attempt
        if running is None or number != self._number:
            return False
        answers = await asyncio.gather(*map(self._is_alive, attempt.workers.values()))
        if not all(answers) or attempt is not self._attempt:
            return False
        failure = {"epochs": epochs, "failure": message}
        await self._conclude(running.task.identity, failure)
        if not shared:
            return False
        running.failed.add(rank)
        await self._wake()
        try:
            everyone = len(attempt.workers)
            await asyncio.wait_for(self._until(lambda: len(running.failed) == everyone), _PATIENCE)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Send the workers home once they are through with their trial."""
        self._closed = True
        await self._wake()

    async def give_up(self, reason: str) -> None:
        """The group cannot be kept running: end its trial without a result."""
        if self._running is not None:
            await self._conclude(self._running.task.identity, {"epochs": [], "lost": reason})

    async def _count_death(self) -> None:
        running = self._running
        if running is None or running.is_over or not running.begun:
            return
        running.deaths += 1
        if running.deaths >= MOST_DEATHS:
            await self.give_up(f"its workers died {MOST_DEATHS} times without an epoch in between")

    async def _conclude(self, identity: str, last: Report) -> None:
        running = self._running
        if running is None or running.task.identity != identity or running.is_over:
            return
        running.reports.append(self._with_log(last))
        self._progress += 1
        await self._wake()

    def _with_log(self, report: Report) -> Report:
        """A report with what there is to be logged."""
        if not self._log:
            return report
        log, self._log = "\n".join(self._log), []
        return {**report, "log": log}

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(condition)


async def answers(worker: Any) -> bool:
    """Whether the process of a Ray actor is alive: it answers even while it trains."""
    try:
        await asyncio.wait_for(worker.__ray_ready__.remote(), _ANSWER)
    except (ray.exceptions.RayError, TimeoutError):
        return False
    return True
