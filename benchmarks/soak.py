"""Processes are killed at random while a sweep runs; afterwards its rows are as if none had been.

    python benchmarks/soak.py --kills 50 --out benchmarks/results/soak.csv

The sweep mixes trials with one and with two workers, on a Ray cluster of a head and two machines
(raylets on this machine). Now and then one of these gets SIGKILL: a process that runs a trial or
passes on its reports, a worker of a group, what keeps a group running (controller and desk), a
machine's raylet (another machine joins then), or the driver, whose command is then given again. A
row is written for each kill, and the last says how the tables compare with those of a sweep that
nobody disturbed.
"""

import argparse
import csv
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ray
from ray._raylet import Config
from ray.cluster_utils import Cluster

from clinfonce import results
from clinfonce.results.store.schema import TABLES

SWEEP = """
name: soak
data: {{name: digits}}
trial:
  augmentation: digits
  encoder: {{width: 4}}
  evaluation: {{every: 1, draws: 2}}
  epochs: {epochs}
  clustering: {{source: labels}}
seeds: {seeds}
fixed:
  - {{name: alone, trial: {{}}}}
  - {{name: pairs, trial: {{workers: 2}}}}
"""
# What is killed: how often, and the names of its processes.
VICTIMS = {
    "trial or messenger": (6, ("ray::ImplicitFunc",)),
    "worker": (6, ("ray::RayTrainWorker",)),
    "controller": (1, ("ray::TrainController",)),
    "desk": (1, ("ray::_GroupDesk",)),
    "raylet": (1, ()),
    "driver": (2, ()),
}


def processes(names, of=None):
    """Those below a process, this one, whose title begins with one of the names."""
    for task in Path(f"/proc/{of or os.getpid()}/task").glob("*/children"):
        for child in task.read_text().split():
            if Path(f"/proc/{child}/cmdline").read_text().startswith(names):
                yield int(child)
            yield from processes(names, child)


class Soak:
    """A sweep that is disturbed."""

    def __init__(self, command, cluster, log):
        self.command, self.cluster, self.log = command, cluster, log
        self.driver = self.start()

    def start(self):
        return subprocess.Popen(self.command, stdout=self.log, stderr=self.log)

    def kill(self, what, rng):
        """Kill one of a kind; its process id, None if there is none."""
        if what == "driver":
            victim = self.driver.pid
            self.driver.kill()
            self.driver.wait()
            self.driver = self.start()
            return victim
        if what == "raylet":
            node = rng.choice(sorted(self.cluster.worker_nodes, key=lambda node: node.node_id))
            self.cluster.remove_node(node, allow_graceful=False)
            self.cluster.add_node(num_cpus=2)
            return node.node_id[:12]
        try:
            victim = rng.choice(sorted(processes(VICTIMS[what][1])))
            os.kill(victim, signal.SIGKILL)
        except (OSError, IndexError):  # it has just ended by itself, or there is none
            return None
        return victim


def disturb(soak, kills, pause, rng):
    began = time.monotonic()
    weights = [often for often, _ in VICTIMS.values()]
    while kills and soak.driver.poll() is None:
        time.sleep(rng.uniform(0.5, 1.5) * pause)
        (what,) = rng.choices(list(VICTIMS), weights)
        if soak.driver.poll() is None and (victim := soak.kill(what, rng)) is not None:
            kills -= 1
            yield {"second": round(time.monotonic() - began), "what": what, "process": victim}
    while (status := soak.driver.wait()) != 0:  # a trial was lost: the same command again
        yield {"second": round(time.monotonic() - began), "what": f"ended with status {status}"}
        soak.driver = soak.start()
    yield {"second": round(time.monotonic() - began), "what": "the sweep was complete"}


def rows(home):
    """All rows of all tables, without what is measured by the clock."""
    found = {}
    for name, table in TABLES.items():
        kept = ", ".join(f'"{c.name}"' for c in table if not c.measured)
        found[name] = results.open(home).sql(f"SELECT {kept} FROM {name} ORDER BY ALL").to_pylist()
    return found


def run(options, folder, cluster):
    specification = folder / "soak.yaml"
    seeds = list(range(options.seeds))
    specification.write_text(SWEEP.format(epochs=options.epochs, seeds=seeds))
    homes = folder / "disturbed", folder / "undisturbed"
    commands = [
        [sys.executable, "-m", "clinfonce", "sweep", str(specification), "--results", str(home)]
        for home in homes
    ]
    with (folder / "log").open("w") as log:
        soak = Soak(commands[0], cluster, log)
        yield from disturb(soak, options.kills, options.pause, random.Random(options.seed))
        subprocess.run(commands[1], stdout=log, stderr=log, check=True)
    ours, theirs = map(rows, homes)
    for name in TABLES:
        alike = "equal to" if ours[name] == theirs[name] else "DIFFERENT from"
        yield {"what": f"{name}: {len(ours[name])} rows, {alike} the undisturbed sweep's"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=18, help="trials of each kind")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--pause", type=float, default=8.0, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=0, help="of the kills")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/soak.csv"))
    options = parser.parse_args()
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    Config.initialize("")  # Ray has read the mode when it was imported
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Without a dashboard the workers of a dead controller or desk would keep their resources.
    head = {"num_cpus": 0, "include_dashboard": True, "dashboard_port": port}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=2)
    os.environ["RAY_ADDRESS"] = cluster.address
    options.out.parent.mkdir(parents=True, exist_ok=True)
    columns = ("second", "what", "process", "load", "ray")
    with tempfile.TemporaryDirectory() as folder, options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in run(options, Path(folder), cluster):
            row |= {"load": round(os.getloadavg()[0], 1), "ray": ray.__version__}
            writer.writerow(row)
            file.flush()
            print(row, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
