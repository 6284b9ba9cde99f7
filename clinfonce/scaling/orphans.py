"""Reservations that nobody gives back."""

import time

import ray
from ray._private.state import state
from ray.core.generated.gcs_pb2 import PlacementGroupTableData
from ray.util.placement_group import PlacementGroup, remove_placement_group

_PAUSE = 5.0  # seconds between two looks


class Orphans:
    """Placement groups of this job whose creator, a controller of Ray Train, has died.

    Ray keeps them until the job ends. Ray Train removes them, but knows of one only once all its
    workers have started: a controller that dies before leaves its own behind, and the machines it
    is on stay taken. If one of those is lost, Ray 2.60 tries to place it again without a pause, and
    no other placement group gets its turn.
    """

    def __init__(self) -> None:
        self._job = bytes.fromhex(ray.get_runtime_context().get_job_id())
        self._looked = time.monotonic()

    def remove(self) -> None:
        """Remove them, if the last look was a while ago."""
        if time.monotonic() - self._looked < _PAUSE:
            return
        for text in state._connect_and_get_accessor().get_placement_group_table():
            group = PlacementGroupTableData.FromString(text)
            if (
                group.creator_job_id == self._job
                and group.creator_actor_dead
                and set(group.creator_actor_id) != {0xFF}  # else the driver's own
                and group.state != PlacementGroupTableData.REMOVED
            ):
                remove_placement_group(
                    PlacementGroup(ray.PlacementGroupID(group.placement_group_id))
                )
        self._looked = time.monotonic()
