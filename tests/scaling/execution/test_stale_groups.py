"""Reservations of dead actors, on a real Ray cluster."""

import sys
import time

import pytest
import ray
from ray._private.grpc_utils import init_grpc_channel
from ray._private.state import state
from ray.core.generated.common_pb2 import PlacementGroupSpec
from ray.core.generated.gcs_service_pb2 import CreatePlacementGroupRequest
from ray.core.generated.gcs_service_pb2_grpc import PlacementGroupInfoGcsServiceStub
from ray.util import placement_group, placement_group_table

from clinfonce.scaling.execution import stale_groups
from clinfonce.scaling.execution.stale_groups import StalePlacementGroups
from tests.scaling.sweeps import ray_cluster

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # Ray's workers cannot import tests

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.filterwarnings("default")]


class Reserves:
    """As a controller of Ray Train does."""

    def __init__(self):
        self.group = placement_group([{"CPU": 1}])
        ray.get(self.group.ready())

    def its_id(self):
        return self.group.id.hex()


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setattr(stale_groups, "_PAUSE", 0.0)
    with ray_cluster(3) as cluster:
        ray.init(cluster.address, log_to_driver=False)
        yield cluster
        ray.shutdown()


def kill(actor):
    """Returns once Ray knows of the death."""
    ray.kill(actor)
    while state.actor_table(actor._actor_id.hex())["State"] != "DEAD":
        time.sleep(0.05)


def test_what_a_dead_actor_reserved_is_given_back_and_nothing_else(cluster):
    own = placement_group([{"CPU": 1}])
    ray.get(own.ready())
    actor = ray.remote(num_cpus=0)(Reserves)
    dying, living = actor.remote(), actor.remote()
    left, kept = ray.get([dying.its_id.remote(), living.its_id.remote()])
    looks = StalePlacementGroups()
    looks.remove()
    assert states(left, kept, own.id.hex()) == ["CREATED"] * 3
    kill(dying)
    looks.remove()
    assert states(left, kept, own.id.hex()) == ["REMOVED", "CREATED", "CREATED"]


def test_what_a_dead_actor_reserves_is_given_back_after_its_job_too(cluster):
    """Ray itself leaves it, with the creator taken for alive, for as long as the cluster runs."""
    dying = ray.remote(num_cpus=0)(Reserves).remote()
    ray.get(dying.its_id.remote())
    kill(dying)
    late = reserve_as(dying, cluster.address)
    ray.shutdown()
    ray.init(cluster.address, log_to_driver=False)
    assert states(late) == ["CREATED"]
    StalePlacementGroups().remove()
    assert states(late) == ["REMOVED"]


def reserve_as(actor, address):
    """What an actor asked for that died while the request was on its way."""
    spec = PlacementGroupSpec(
        placement_group_id=ray.PlacementGroupID.of(actor._actor_id.job_id).binary(),
        creator_job_id=actor._actor_id.job_id.binary(),
        creator_actor_id=actor._actor_id.binary(),
    )
    bundle = spec.bundles.add(unit_resources={"CPU": 1.0})
    bundle.bundle_id.placement_group_id = spec.placement_group_id
    groups = PlacementGroupInfoGcsServiceStub(init_grpc_channel(address))
    groups.CreatePlacementGroup(CreatePlacementGroupRequest(placement_group_spec=spec))
    identity = spec.placement_group_id.hex()
    while states(identity) != ["CREATED"]:
        time.sleep(0.05)
    return identity


def states(*groups):
    return [placement_group_table()[group]["state"] for group in groups]
