"""How many workers of trials a Ray cluster has room for, now and once it has grown."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import ray

from clinfonce.config import Fleet
from clinfonce.errors import InputError

_FRESH = 1.0  # seconds that the list of machines stays true


@dataclass(frozen=True)
class WorkerResources:
    """What one worker of a trial takes of a machine.

    Attributes:
        cpus: CPUs.
        gpus: GPUs.
        at_least: workers that a trial goes on with after machines were lost; None: all.
    """

    cpus: float
    gpus: float
    at_least: int | None = None

    @property
    def resources(self) -> dict[str, float]:
        """In Ray's words."""
        return {"CPU": self.cpus, **({"GPU": self.gpus} if self.gpus else {})}

    def fewest(self, workers: int) -> int:
        """How many workers a trial with so many goes on with."""
        return workers if self.at_least is None else min(self.at_least, workers)

    def fit(self, machine: Mapping[str, float]) -> int:
        """How many workers fit on a machine with these resources."""
        # A hair more than there is: ten workers with 0.1 GPUs each fit on one.
        return min(int(machine.get(k, 0.0) / part + 1e-9) for k, part in self.resources.items())


@dataclass
class Capacity:
    """Room for workers on the machines of the Ray cluster that this process is connected to.

    Args:
        per_worker: of a worker.
        growth: what an autoscaler may make of it.
    """

    per_worker: WorkerResources
    growth: Fleet = field(default_factory=Fleet)
    _seen: tuple[float, int] = field(default=(float("-inf"), 0), repr=False)

    @property
    def workers(self) -> int:
        """How many workers fit now, or once the cluster has grown: demand is what makes it grow."""
        return max(self.present, self.growth.room(self.per_worker.fit))

    @property
    def present(self) -> int:
        """How many workers fit on the machines that are there."""
        asked, room = self._seen
        if time.monotonic() - asked > _FRESH:
            room = sum(self.per_worker.fit(machine) for machine in machines())
            self._seen = time.monotonic(), room
        return room

    def check(self, workers: int) -> None:
        """Refuse at once what would wait for ever.

        Args:
            workers: of the widest trial.

        Raises:
            InputError: no machine has room for a worker, or all together not for the trial, or
                several workers would share a GPU.
        """
        if workers > 1 and self.per_worker.gpus % 1:
            raise InputError(
                f"resources.gpus is {self.per_worker.gpus:g}, but workers of one trial cannot "
                "share a GPU: give each a whole one, or the trial one worker"
            )
        kinds = [*machines(), *self.growth.machines]
        if not any(self.per_worker.fit(machine) for machine in kinds):
            largest = max(kinds, key=lambda m: (m.get("GPU", 0.0), m.get("CPU", 0.0)), default={})
            raise InputError(
                f"a worker takes {described(self.per_worker.resources)} (resources), but no "
                f"machine of the Ray cluster has as much; the largest has {described(largest)}"
            )
        if workers > self.workers:
            raise InputError(
                f"a trial takes {workers} workers with {described(self.per_worker.resources)} each "
                f"(workers, resources), but the Ray cluster has room for {self.workers}: ask for "
                "less of it"
            )


def machines() -> list[dict[str, float]]:
    """The resources of each machine that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def described(resources: Mapping[str, float]) -> str:
    """CPUs and GPUs in words."""
    counts = {"CPU": resources.get("CPU", 0.0)}
    if gpus := resources.get("GPU"):
        counts["GPU"] = gpus
    return " and ".join(f"{n:g} {name}{'s' * (n != 1)}" for name, n in counts.items())
