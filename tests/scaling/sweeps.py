"""What tests of sweeps share."""

import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray
from ray._private.authentication.authentication_token_setup import (
    ensure_token_if_auth_enabled,
)
from ray._raylet import Config
from ray.cluster_utils import Cluster

from clinfonce import results
from clinfonce.results.store.schema import TABLES

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # Ray's workers cannot import tests

# A machine that does not answer is lost after two seconds, not after fifteen.
_WATCHFUL = {"health_check_period_ms": 500, "health_check_failure_threshold": 4}


class Quiet:
    """A display that shows nothing."""

    def say(self, text):
        pass

    def start(self, total):
        pass

    def epoch(self, trial_id, name, epoch, epochs, accuracy):
        pass

    def trial(self, row, *, earlier):
        pass


@contextmanager
def ray_cluster(*cpus):
    """A head without CPUs and machines with so many, all with one token; RAY_ADDRESS is its."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        Config.initialize("")  # Ray has read the mode when it was imported
        # The user's: Ray keeps the first token that a process has used.
        ensure_token_if_auth_enabled()
        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": _WATCHFUL}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            for number in cpus:
                cluster.add_node(num_cpus=number)
            cluster.wait_for_nodes()
            patch.setenv("RAY_ADDRESS", cluster.address)
            yield cluster
        finally:
            cluster.shutdown()


def once(marker: Path) -> bool:
    """Whether nobody was here before."""
    try:
        marker.open("x").close()
    except FileExistsError:
        return False
    return True


def wait_for_the_end(folder: Path):
    """In a trial's process: have its machine killed by `kills_a_machine`, the first time."""
    if once(folder / "reached"):
        partial = folder / "partial"
        partial.write_text(ray.get_runtime_context().get_node_id())
        partial.rename(folder / "node")
        time.sleep(300)  # what goes on might be done before it is killed


@contextmanager
def kills_a_machine(cluster, folder: Path):
    """Kill the machine of the first process that waits for its end in this folder."""

    def kill():
        while not (folder / "node").exists():
            time.sleep(0.02)
        lost = (folder / "node").read_text()
        node = next(node for node in cluster.worker_nodes if node.node_id == lost)
        cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    yield
    killer.join(60)
    assert not killer.is_alive()


def reproducible(home: Path):
    """All rows of all tables, without what is measured by the clock."""
    rows = {}
    for name, table in TABLES.items():
        kept = ", ".join(f'"{c.name}"' for c in table if not c.measured)
        rows[name] = results.open(home).sql(f"SELECT {kept} FROM {name} ORDER BY ALL").to_pylist()
    return rows
