"""Room for workers on machines, without Ray."""

import socket

import pytest

from clinfonce.config import Fleet, NodeType, SweepSpec, read_fleet
from clinfonce.errors import InputError
from clinfonce.scaling.execution import capacity
from clinfonce.scaling.execution.capacity import Capacity, WorkerResources
from clinfonce.scaling.execution.network import interface_of
from clinfonce.scaling.sweep import _check_device, _unused_room


@pytest.fixture
def cluster(monkeypatch):
    machines = [{"CPU": 3.0}, {"CPU": 4.0, "GPU": 1.0}]
    monkeypatch.setattr(capacity, "machines", lambda: machines)
    return machines


def test_workers_are_counted_machine_by_machine(cluster):
    assert (
        Capacity(WorkerResources(2.0, 0.0)).workers == 3
    )  # not 7 // 2 where the CPUs lie together
    assert Capacity(WorkerResources(1.0, 0.25)).workers == 4
    assert Capacity(WorkerResources(0.5, 0.1)).workers == 8


def test_shares_that_fill_a_machine_fit():
    assert WorkerResources(0.1, 0.1).fit({"CPU": 1.0, "GPU": 1.0}) == 10


def test_machines_to_come_count(cluster):
    fleet = Fleet([NodeType(3, {"CPU": 8.0, "GPU": 2.0})], most=3)
    assert Capacity(WorkerResources(1.0, 1.0), fleet).workers == 6


def test_all_kinds_together_are_no_more_than_the_cluster_may_have():
    small, large = NodeType(8, {"CPU": 2.0}), NodeType(2, {"CPU": 4.0})
    fleet = Fleet([small, large], most=8, head={"CPU": 1.0})
    assert fleet.room(WorkerResources(1.0, 0.0).fit) == 1 + 2 * 4 + 6 * 2


@pytest.mark.parametrize(
    ("per_worker", "workers", "said"),
    [
        (WorkerResources(5.0, 0.0), 1, "takes 5 CPUs .* largest has 4 CPUs and 1 GPU"),
        (WorkerResources(1.0, 2.0), 1, "takes 1 CPU and 2 GPUs"),
        (WorkerResources(2.0, 0.0), 4, "takes 4 workers .* room for 3"),
    ],
)
def test_what_never_fits_is_said_at_once(cluster, per_worker, workers, said):
    with pytest.raises(InputError, match=said):
        Capacity(per_worker).check(workers)


def test_workers_of_a_trial_do_not_share_a_gpu(cluster):
    with pytest.raises(InputError, match=r"resources.gpus is 0.5"):
        Capacity(WorkerResources(1.0, 0.5)).check(2)


def test_what_fits_once_the_cluster_has_grown_is_let_in(cluster):
    fleet = Fleet([NodeType(2, {"CPU": 8.0, "GPU": 1.0})], most=2)
    Capacity(WorkerResources(5.0, 1.0), fleet).check(2)


def test_gpus_on_a_cluster_without(monkeypatch):
    monkeypatch.setattr(capacity, "machines", lambda: [{"CPU": 2.0}])
    with pytest.raises(InputError, match=r"takes 1 CPU and 1 GPU .* has 2 CPUs"):
        Capacity(WorkerResources(1.0, 1.0)).check(1)


CLUSTER = """
max_workers: 10
head_node_type: head
available_node_types:
  head: {resources: {CPU: 0}, max_workers: 0}
  gpu: {resources: {CPU: 8, GPU: 1, memory: 1}, min_workers: 0, max_workers: 4}
  unknown: {resources: {}, max_workers: 4}
  any: {resources: {CPU: 4}}
"""


def test_node_types_are_read_from_what_ray_up_left(tmp_path):
    path = tmp_path / "ray_bootstrap_config.yaml"
    path.write_text(CLUSTER)
    gpu, other = NodeType(4, {"CPU": 8.0, "GPU": 1.0, "memory": 1.0}), NodeType(10, {"CPU": 4.0})
    assert read_fleet(path) == Fleet([gpu, other], most=10, head={"CPU": 0.0})


def test_without_ray_up_there_are_no_node_types(tmp_path):
    assert read_fleet(tmp_path / "none.yaml") == Fleet()


def test_the_interface_of_an_address_is_found():
    assert interface_of("127.0.0.1") in {name for _, name in socket.if_nameindex()}
    assert interface_of("203.0.113.1") is None  # for documentation, nobody's


def device_sweep(device, **changes):
    fixed = [{"name": "a", "trial": {}}, {"name": "b", "trial": {"device": device}}]
    values = {"name": "demo", "data": {"name": "digits"}, "fixed": fixed}
    return SweepSpec.model_validate(values | changes)


def test_a_device_that_no_machine_has_is_refused_at_once():
    with pytest.raises(InputError, match="no machine of the Ray cluster has a GPU"):
        _check_device(device_sweep("cuda"), WorkerResources(1.0, 0.0))
    with pytest.raises(InputError, match=r"resources\.gpus is 0"):
        _check_device(device_sweep("cuda", resources={"gpus": 0.0}), WorkerResources(1.0, 0.0))
    _check_device(device_sweep("cuda"), WorkerResources(1.0, 1.0))
    _check_device(device_sweep("cpu"), WorkerResources(1.0, 0.0))


def test_a_device_that_a_search_may_propose_is_refused_too():
    wanted = {"choices": ["cpu", "cuda"]}
    searched = device_sweep("cpu", search={"trials": 2, "space": {"device": wanted}})
    with pytest.raises(InputError, match="device is cuda"):
        _check_device(searched, WorkerResources(1.0, 0.0))


def test_room_that_a_search_leaves_unused_is_told():
    space = {"objective.temperature": {"low": 0.1, "high": 1.0}}
    values = {"name": "demo", "data": {"name": "digits"}, "search": {"trials": 9, "space": space}}
    sweep = SweepSpec.model_validate(values)
    assert _unused_room(sweep, 4) is None
    free = sweep.model_copy(
        update={"search": sweep.search.model_copy(update={"sampler": "random"})}
    )
    assert _unused_room(free, 16) is None
    assert "There is room for 16 trials at a time, and search.window lets 4" in _unused_room(
        sweep, 16
    )
