"""Which running trial has which part of the Ray cluster.

Trials are let in one after the other, in their order, as long as there is room for all their
workers. So a trial with many workers is never overtaken for ever by trials with one, whatever was
let in has the resources it needs, and nobody holds a part of what he needs and waits for the rest.
Machines may be lost afterwards, or come late, or somebody else's work may be on them; so nobody
keeps resources for long that he does not use.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from clinfonce.scaling.execution.capacity import Capacity

_GRACE = 2.0  # seconds that what is idle may stay while there is too little room
_REST = 60.0  # seconds that it may stay at all: others may have taken what this sweep counts on


class WorkerGroup(Protocol):
    """A group of workers, as `clinfonce.scaling.execution.worker_group.WorkerGroup` is."""

    name: str
    workers: int

    @property
    def is_running(self) -> bool:
        """Whether it holds resources."""

    def decide(self, identity: str, epoch: int, *, stop: bool) -> None:
        """Tell it whether a trial ends at an epoch."""

    def cancel(self, identity: str) -> None:
        """End a trial."""

    def close(self) -> None:
        """Let it end."""

    def wait_closed(self) -> None:
        """Wait until it has ended."""


@dataclass
class Placement:
    """Which trials have their workers on the cluster, and which worker groups are idle.

    Args:
        capacity: how many workers there is room for.
        start_group: starts a group of so many workers.
    """

    capacity: Capacity
    start_group: Callable[[int], WorkerGroup]
    _alone: set[str] = field(default_factory=set)
    _working: dict[str, WorkerGroup] = field(default_factory=dict)
    _idle: dict[str, tuple[WorkerGroup, float]] = field(default_factory=dict)  # by name; since when
    _ending: list[WorkerGroup] = field(default_factory=list)
    _short_since: float | None = None
    _process_idle_since: float | None = None
    _refused: int = 0  # workers of the trial that is the next to be let in

    def admit(self, identity: str, workers: int) -> bool:
        """Let a trial in; False while there is no room.

        Idle groups of another size make room if it lacks. A trial that was not released is
        still in.
        """
        if identity in self._alone:
            return True
        if (group := self._working.pop(identity, None)) is not None and group.is_running:
            self._working[identity] = group
            return True
        if workers > 1 and (group := self._idle_group(workers)) is not None:
            self._working[identity], self._refused = group, 0
            return True
        if self._taken() + workers > self.capacity.workers:
            self._end_idle_groups()
            self._refused = workers
            return False
        self._refused = 0
        if workers == 1:
            self._alone.add(identity)
        else:
            self._working[identity] = self.start_group(workers)
        return True

    def release(self, identity: str) -> None:
        """A trial has ended, and the process that ran it is free."""
        self._alone.discard(identity)
        if (group := self._working.pop(identity, None)) is not None:
            self._idle[group.name] = group, time.monotonic()

    def make_room(self, idle_processes: int) -> bool:
        """End groups that are idle for long, or while the machines lack room for trials let in.

        Args:
            idle_processes: of trials that ended, which Ray Tune keeps for the next ones.

        Returns:
            Whether it should not keep them any longer.
        """
        now = time.monotonic()
        is_short = self._taken() + idle_processes > self.capacity.present
        self._short_since = _since(self._short_since, is_short, now)
        self._process_idle_since = _since(self._process_idle_since, idle_processes > 0, now)
        self._end_idle_groups(since=now - (_GRACE if is_short else _REST))
        lacks = bool(self._working) and _lasts(self._short_since, _GRACE, now)
        return lacks or _lasts(self._process_idle_since, _REST, now)

    @property
    def wanted(self) -> int:
        """How many workers there must be room for: those of trials let in, or of the next one."""
        groups = [
            self.capacity.per_worker.fewest(group.workers) for group in self._working.values()
        ]
        return max(len(self._alone) + sum(groups), self._refused)

    def group_of(self, identity: str) -> WorkerGroup | None:
        """The group that runs a trial; None for a trial with one worker."""
        return self._working.get(identity)

    def close(self) -> None:
        """End all groups, and wait for it."""
        self._end_idle_groups()
        groups = [*self._ending, *self._working.values()]
        for group in groups:
            group.close()
        for group in groups:
            group.wait_closed()

    def _groups(self) -> list[WorkerGroup]:
        idle = [group for group, _ in self._idle.values()]
        return [*self._working.values(), *idle, *self._ending]

    def _taken(self) -> int:
        """Workers whose room is not free, those of idle and of ending groups among them."""
        self._ending = [group for group in self._ending if group.is_running]
        return len(self._alone) + sum(g.workers for g in self._groups() if g.is_running)

    def _idle_group(self, workers: int) -> WorkerGroup | None:
        for name, (group, _) in list(self._idle.items()):
            if not group.is_running:
                del self._idle[name]
            elif group.workers == workers:
                del self._idle[name]
                return group
        return None

    def _end_idle_groups(self, since: float = float("inf")) -> None:
        """End those that are idle since a time or longer."""
        for name, (group, began) in list(self._idle.items()):
            if began <= since:
                group.close()
                self._ending.append(group)
                del self._idle[name]


def _since(before: float | None, holds: bool, now: float) -> float | None:
    """Since when something holds."""
    if not holds:
        return None
    return now if before is None else before


def _lasts(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since >= seconds
