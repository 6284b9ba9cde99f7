"""Reservations of dead actors, on a real Ray cluster."""

import sys

import pytest
import ray
from ray.util import placement_group, placement_group_table

from clinfonce.scaling import orphans
from clinfonce.scaling.orphans import Orphans
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


def test_what_a_dead_actor_reserved_is_given_back_and_nothing_else(monkeypatch):
    with ray_cluster(3) as cluster:
        ray.init(cluster.address, log_to_driver=False)
        try:
            own = placement_group([{"CPU": 1}])
            ray.get(own.ready())
            actor = ray.remote(num_cpus=0)(Reserves)
            dying, living = actor.remote(), actor.remote()
            left, kept = ray.get([dying.its_id.remote(), living.its_id.remote()])
            monkeypatch.setattr(orphans, "_PAUSE", 0.0)
            looks = Orphans()
            looks.remove()
            assert states(left, kept, own.id.hex()) == ["CREATED"] * 3
            ray.kill(dying)
            with pytest.raises(ray.exceptions.ActorDiedError):
                ray.get(dying.its_id.remote())
            looks.remove()
            assert states(left, kept, own.id.hex()) == ["REMOVED", "CREATED", "CREATED"]
        finally:
            ray.shutdown()


def states(*groups):
    return [placement_group_table()[group]["state"] for group in groups]
