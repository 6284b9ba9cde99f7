"""All that this project uses of Ray beside what Ray documents, and nowhere else.

Ray may change any of it with any release. So pyproject.toml allows no other versions than those
that it was tested with, and a test looks up every name of `NAMES`: one that is gone is mended here.
What only some processes need is imported inside the functions.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants, services
from ray._private.authentication import authentication_token_setup
from ray._private.node import Node
from ray._private.state import state
from ray.core.generated.gcs_pb2 import ActorTableData, JobTableData, PlacementGroupTableData
from ray.core.generated.gcs_service_pb2 import GetAllNodeInfoRequest, InternalKVGetRequest
from ray.util.placement_group import PlacementGroup, remove_placement_group

TESTED = ("2.60",)

# Behind `=`: a parameter of a function, an attribute of objects, a field of messages.
NAMES = (
    "ray._private.authentication.authentication_token_setup"
    ".maybe_enable_token_auth_if_token_available",
    "ray._private.node.Node.get_logs_dir_path",
    "ray._private.node.Node.kill_all_processes=check_alive",
    "ray._private.node.Node.kill_all_processes=allow_graceful",
    "ray._private.node.Node.kill_all_processes=wait",
    "ray._private.ray_constants.ENABLE_RAY_CLUSTER",
    "ray._private.services.canonicalize_bootstrap_address",
    "ray._private.services.find_gcs_addresses.cache_clear",
    "ray._private.state.GlobalState._connect_and_get_accessor",
    "ray._raylet.GlobalStateAccessor.get_actor_info",
    "ray._raylet.GlobalStateAccessor.get_job_table",
    "ray._raylet.GlobalStateAccessor.get_placement_group_table",
    "ray.autoscaler._private.util.prepare_config",
    "ray.autoscaler._private.util.validate_config",
    "ray.core.generated.gcs_pb2.ActorTableData=state",
    "ray.core.generated.gcs_pb2.JobTableData=is_dead",
    "ray.core.generated.gcs_pb2.PlacementGroupTableData=creator_actor_id",
    "ray.core.generated.gcs_pb2.PlacementGroupTableData=creator_job_id",
    "ray.core.generated.gcs_pb2.PlacementGroupTableData=is_detached",
    "ray.core.generated.gcs_service_pb2.GetAllNodeInfoReply=node_info_list",
    "ray.core.generated.gcs_service_pb2.InternalKVGetReply=value",
    "ray.core.generated.gcs_service_pb2_grpc.InternalKVGcsServiceStub=InternalKVGet",
    "ray.core.generated.gcs_service_pb2_grpc.NodeInfoGcsServiceStub=GetAllNodeInfo",
    "ray.job_submission.JobSubmissionClient._do_request",
    "ray.train.v2._internal.callbacks.DatasetsCallback",
    "ray.train.v2._internal.callbacks.placement_group_callback.PlacementGroupCleanerCallback",
    "ray.train.v2._internal.exceptions.WorkerGroupStartupTimeoutError",
    "ray.train.v2.api.data_parallel_trainer.DataParallelTrainer._create_default_callbacks",
    "ray.tune.execution.tune_controller.TrialRunnerWrapper=_tune_controller",
    "ray.tune.execution.tune_controller.TuneController._cleanup_cached_actors=force_all",
    "ray.tune.execution.tune_controller.TuneController=_actor_cache",
    "ray.tune.execution.tune_controller._ObjectCache.has_cached_object",
    "ray.tune.trainable.metadata._TrainingRunMetadata=last_result",
    "ray.tune.trainable.metadata._TrainingRunMetadata=metric_analysis",
    "ray.tune.trainable.metadata._TrainingRunMetadata=metric_n_steps",
)


# A Ray cluster that is started or joined.

METADATA_REQUEST = InternalKVGetRequest(namespace=b"cluster", key=b"CLUSTER_METADATA")
NODES_REQUEST = GetAllNodeInfoRequest()


@contextmanager
def on_loopback() -> Iterator[None]:
    """Let a Ray that is started meanwhile listen on loopback alone."""
    before = ray_constants.ENABLE_RAY_CLUSTER  # Ray has read the environment when it was imported
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def use_tokens() -> None:
    """Let this process show its token, which Ray itself does only for a Ray that it started."""
    authentication_token_setup.maybe_enable_token_auth_if_token_available()


def running_here() -> str | None:
    """HOST:PORT of the Ray that runs on this machine, as Ray finds it; None if there is none."""
    services.find_gcs_addresses.cache_clear()
    try:
        found = services.canonicalize_bootstrap_address("auto")
    except ConnectionError:
        return None
    return None if found is None else str(found)


def end_failed_start(error: Exception) -> str | None:
    """End the processes of a start that failed, which Ray loses sight of; the folder of its logs.

    Args:
        error: of `ray.init`.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    nodes = [node for f in frames if isinstance(node := f.f_locals.get("self"), Node)]
    if not nodes:
        return None
    nodes[0].kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
    return str(nodes[0].get_logs_dir_path())


def head_questions(channel: Any) -> tuple[Any, Any]:
    """What a head node answers over a gRPC channel: `METADATA_REQUEST` and `NODES_REQUEST`."""
    from ray.core.generated import gcs_service_pb2_grpc as calls

    return (
        calls.InternalKVGcsServiceStub(channel).InternalKVGet,
        calls.NodeInfoGcsServiceStub(channel).GetAllNodeInfo,
    )


# The machines of a cluster file.


def check_cluster_file(values: dict[str, Any]) -> None:
    """Have Ray's launcher look at a cluster file; its errors are of many kinds."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(values))


def nodes_summary(client: Any) -> list[dict[str, Any]]:
    """The nodes of a Ray cluster as its dashboard lists them, through a client of its job API."""
    answer = client._do_request("GET", "/nodes?view=summary")
    answer.raise_for_status()
    nodes: list[dict[str, Any]] = answer.json()["data"]["summary"]
    return nodes


# Trials in Ray Tune and Ray Train.


def keeps_process(tune_controller: Any, resources: Any) -> bool:
    """Whether Ray Tune keeps the process of an ended trial, with its reservation, for the next.

    Args:
        tune_controller: what Ray Tune gives its scheduler.
        resources: the placement group that the process holds.
    """
    cache = tune_controller._tune_controller._actor_cache
    return bool(cache.has_cached_object(resources))


def end_kept_processes(tune_controller: Any) -> None:
    """Have Ray Tune end the processes that it keeps."""
    tune_controller._tune_controller._cleanup_cached_actors(force_all=True)


def drop_statistics(trial: Any) -> None:
    """Drop the statistics that Ray Tune keeps of an ended trial, more than half of its memory."""
    metadata = trial.run_metadata
    metadata.last_result, metadata.metric_analysis, metadata.metric_n_steps = {"done": True}, {}, {}


def make_trainer(work: Callable[[dict[str, Any]], None], **arguments: Any) -> Any:
    """Ray Train's trainer, without two processes that it starts with each group.

    One is for Ray Data, the other removes what a dead controller reserved, some time after its
    start: `remove_stale_placement_groups` does so at any time.

    Args:
        work: what each worker does.
        arguments: of the trainer.

    Returns:
        What has a method `fit`.
    """
    from ray.train.v2._internal.callbacks import DatasetsCallback
    from ray.train.v2._internal.callbacks.placement_group_callback import (
        PlacementGroupCleanerCallback,
    )
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    left_out = DatasetsCallback, PlacementGroupCleanerCallback

    class Trainer(DataParallelTrainer):
        def _create_default_callbacks(self) -> list[Any]:
            found: list[Any] = super()._create_default_callbacks()
            return [each for each in found if not isinstance(each, left_out)]

    return Trainer(work, **arguments)


def waited_for_room(error: Exception) -> bool:
    """Whether Ray Train gave a run up because there was no room for the workers."""
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

    return isinstance(getattr(error, "controller_failure", None), WorkerGroupStartupTimeoutError)


def remove_stale_placement_groups(job: bytes) -> None:
    """Remove the placement groups of a job, and of jobs that have ended, whose creator is dead.

    Args:
        job: its id.
    """
    accessor = state._connect_and_get_accessor()
    tables = map(PlacementGroupTableData.FromString, accessor.get_placement_group_table())
    groups = [
        group
        for group in tables
        if group.state != PlacementGroupTableData.REMOVED
        and not group.is_detached
        and set(group.creator_actor_id) != {0xFF}  # else a driver's own
    ]
    if not groups:
        return
    table = accessor.get_job_table(  # without asking each job's driver
        skip_submission_job_info_field=True, skip_is_running_tasks_field=True
    )
    jobs = map(JobTableData.FromString, table)
    ended = {each.job_id for each in jobs if each.is_dead} | {job}
    for group in groups:
        if group.creator_job_id in ended and _is_dead(accessor, group.creator_actor_id):
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(group.placement_group_id)))


def _is_dead(accessor: Any, actor: bytes) -> bool:
    """Whether an actor has died; one that Ray does not know any more has."""
    known = accessor.get_actor_info(ray.ActorID(actor))
    return known is None or bool(ActorTableData.FromString(known).state == ActorTableData.DEAD)
