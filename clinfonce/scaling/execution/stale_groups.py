"""Reservations that nobody gives back."""

import time

import ray
from ray._private.state import state
from ray.core.generated.gcs_pb2 import (
    ActorTableData,
    JobTableData,
    PlacementGroupTableData,
)
from ray.util.placement_group import PlacementGroup, remove_placement_group

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
        accessor = state._connect_and_get_accessor()
        tables = map(PlacementGroupTableData.FromString, accessor.get_placement_group_table())
        groups = [
            group
            for group in tables
            if group.state != PlacementGroupTableData.REMOVED
            and not group.is_detached
            and set(group.creator_actor_id) != {0xFF}  # else a driver's own
        ]
        if groups:
            table = accessor.get_job_table(  # without asking each job's driver
                skip_submission_job_info_field=True, skip_is_running_tasks_field=True
            )
            jobs = map(JobTableData.FromString, table)
            ended = {job.job_id for job in jobs if job.is_dead} | {self._job}
            for group in groups:
                if group.creator_job_id in ended and _is_dead(accessor, group.creator_actor_id):
                    remove_placement_group(
                        PlacementGroup(ray.PlacementGroupID(group.placement_group_id))
                    )
        self._looked = time.monotonic()


def _is_dead(accessor: ray._raylet.GlobalStateAccessor, actor: bytes) -> bool:
    """Whether an actor has died; one that Ray does not know any more has."""
    known = accessor.get_actor_info(ray.ActorID(actor))
    return known is None or ActorTableData.FromString(known).state == ActorTableData.DEAD
