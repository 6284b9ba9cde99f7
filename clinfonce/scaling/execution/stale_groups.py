"""Reservations that nobody gives back."""

import time

import ray

from clinfonce.scaling import ray_private

_PAUSE = 5.0  # seconds between two looks


class StalePlacementGroups:
    """Placement groups whose creator, a controller of Ray Train, has died.

    Ray Train removes them, but knows of one only once all its workers have started: a controller
    that dies before leaves its own behind, and the machines it is on stay taken. Ray does so when
    the job ends, but not if the request reached it after it had noted the controller's death: such
    a group outlives its job. And if a machine of a group is lost, Ray 2.60 tries to place it again
    without a pause, and no other placement group gets its turn.

    Looked at are those of this job and of jobs that have ended.
    """

    def __init__(self) -> None:
        self._job = bytes.fromhex(ray.get_runtime_context().get_job_id())
        self._looked = float("-inf")

    def remove(self) -> None:
        """Remove them, if the last look was a while ago."""
        if time.monotonic() - self._looked < _PAUSE:
            return
        ray_private.remove_stale_placement_groups(self._job)
        self._looked = time.monotonic()
