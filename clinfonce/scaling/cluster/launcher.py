"""A Ray cluster from its file: start it, run a sweep on it, bring the tables home, stop it."""

import copy
import io
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from ray.job_submission import JobSubmissionClient

from clinfonce.config import RayClusterSpec, SweepSpec, read_ray_cluster
from clinfonce.errors import InputError, RunError
from clinfonce.results.store.schema import TABLES
from clinfonce.results.store.store import Store
from clinfonce.results.store.transfer import take_sweep
from clinfonce.scaling import ray_private
from clinfonce.scaling.bookkeeping.specification import check_sweep, register_sweep
from clinfonce.scaling.cluster.jobs import Show, follow, job_client, running_job, send
from clinfonce.scaling.cluster.ssh import Machine
from clinfonce.scaling.connection.authentication import make_token, token_file

_EXAMPLE = "CHANGE"  # in the values of cluster.yaml that are the user's to set
_JOIN_PATIENCE = 120.0  # seconds for the workers that are promised


def start(file: Path, show: Show) -> None:
    """Start the machines of a cluster's file, or bring them up to date.

    Raises:
        InputError: the file is wrong, or a machine of one's own cannot be entered.
        RunError: Ray's launcher fails.
    """
    cluster = check_file(file)
    make_token(token_file())
    if cluster.provider.type == "local":
        with ThreadPoolExecutor() as pool:  # Ray would try for a quarter of an hour
            list(pool.map(lambda machine: machine.run("true"), _own_machines(cluster)))
    _ray(cluster, "up", "--yes", "--no-config-cache", str(file))
    with job_client(head_of(cluster, file)) as client:
        _wait_for_workers(cluster, client, show)


def stop(file: Path) -> None:
    """Stop Ray on every machine of a cluster's file, and end those that are rented.

    Raises:
        InputError: the file is wrong, or a machine of one's own cannot be entered.
        RunError: Ray's launcher fails.
    """
    cluster = check_file(file)
    _ray(cluster, "down", "--yes", str(file))
    if cluster.provider.type != "local":
        return
    command = "bash --login -i -c 'source ~/.bashrc; ray stop --force'"
    unreached = []
    for machine in _own_machines(cluster):  # Ray has stopped the head alone
        try:
            machine.run(command)
        except InputError as error:
            unreached.append(str(error))
    if unreached:
        raise RunError("; ".join(unreached))


def run_sweep_there(
    file: Path, sweep: SweepSpec, text: str, home: str, show: Show, *, fresh: bool
) -> int:
    """Run a sweep on a running cluster, or follow the run that is there, and fetch its tables.

    Args:
        file: of the cluster.
        sweep: the specification.
        text: the same as YAML.
        home: folder or URI of the result store here.
        show: takes what the run says, as it says it.
        fresh: forget the rows of an earlier run, there and here.

    Returns:
        The exit status of the run.

    Raises:
        InputError: the cluster cannot be reached or refuses the token; the store here or there
            holds another sweep of this name; the sweep runs already, and differs.
        RunError: the run was stopped or is lost.
    """
    cluster = check_file(file)
    head, results = head_of(cluster, file), cluster.metadata.results
    with job_client(head) as client:
        store = Store.create(home)
        if not fresh:
            check_sweep(home, sweep.name, sweep.canonical())
        _wait_for_workers(cluster, client, show)
        job = send(client, head, sweep, text, results=results, fresh=fresh)
    register_sweep(home, sweep.name, sweep.canonical(), fresh=fresh)  # not of a job that is refused
    show(f"clinfonce: job {job} on {head.address}; it goes on when this command ends\n")
    status = follow(head, job, show)
    if status == 0:
        bring_home(head, results, store, sweep.name)
    return status


def stop_sweep(file: Path, name: str) -> None:
    """End a sweep that runs on a cluster; its finished rows stay.

    Raises:
        InputError: no sweep of this name runs there, or the cluster cannot be reached.
    """
    cluster = check_file(file)
    with job_client(head_of(cluster, file)) as client:
        job = running_job(client, name)
        if job is None:
            raise InputError(f"no sweep {name!r} runs on the cluster of {file}")
        client.stop_job(job.submission_id)


def bring_home(head: Machine, results: str, store: Store, sweep: str) -> None:
    """Copy the rows of a sweep from the cluster's store into one here."""
    if "://" in results:
        take_sweep(store, Store.open(results), sweep)
        return
    with tempfile.TemporaryDirectory(prefix="clinfonce-") as copied:
        head.fetch(["store.json", *TABLES], results, Path(copied))
        take_sweep(store, Store.open(copied), sweep)


def check_file(file: Path) -> RayClusterSpec:
    """Read a cluster's file; find what is wrong before any machine starts.

    Raises:
        InputError: it cannot be read, Ray refuses it, or it still holds the values of the example.
    """
    cluster, values = read_ray_cluster(file)
    for place, value in _leaves(values):
        if _EXAMPLE in str(value):
            raise InputError(f"{file}: {place} is still the example's, {value!r}: put in your own")
    logging.getLogger("ray.autoscaler").setLevel(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # advice on Docker
            ray_private.check_cluster_file(copy.deepcopy(values))
    except Exception as error:  # of many kinds, jsonschema's and Ray's own
        problem = str(getattr(error, "message", error)).splitlines()[0]
        raise InputError(f"{file}: Ray refuses it: {problem}") from error
    return cluster


def head_of(cluster: RayClusterSpec, file: Path) -> Machine:
    """The head node of a running cluster.

    Raises:
        InputError: it does not run.
    """
    if cluster.provider.head_ip is not None:
        return Machine.of(cluster, cluster.provider.head_ip)
    words = [_ray_command(), "get-head-ip", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no head node"])[-1]
        raise InputError(
            f"the cluster of {file} is not up ({reason}); start it: clinfonce cluster up {file}"
        )
    return Machine.of(cluster, done.stdout.strip().splitlines()[-1])


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _leaves(inner, f"{place}.{key}" if place else str(key))
    else:
        yield place, value


def _own_machines(cluster: RayClusterSpec) -> list[Machine]:
    provider = cluster.provider
    return [Machine.of(cluster, ip) for ip in [provider.head_ip, *provider.worker_ips] if ip]


def _wait_for_workers(cluster: RayClusterSpec, client: JobSubmissionClient, show: Show) -> None:
    """Wait for the machines that are always there: a sweep counts what it finds when it starts."""
    promised, deadline = cluster.promised_workers, time.monotonic() + _JOIN_PATIENCE
    told = -1
    while (there := _workers(client)) < promised and time.monotonic() < deadline:
        if there != told:
            show(f"clinfonce: {there} of {promised} workers have joined\n")
            told = there
        time.sleep(1)
    if there < promised:
        show(f"clinfonce: only {there} of {promised} workers have joined; going on with them\n")


def _workers(client: JobSubmissionClient) -> int:
    nodes = ray_private.nodes_summary(client)
    alive = [node for node in nodes if node["raylet"]["state"] == "ALIVE"]
    return sum(not node["raylet"]["isHeadNode"] for node in alive)


def _ray(cluster: RayClusterSpec, *words: str) -> None:
    """Run Ray's launcher, which shows what it does."""
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
    if cluster.provider.type == "local":  # the newer autoscaler starts a worker too few there
        environment["RAY_UP_enable_autoscaler_v2"] = "0"
    done = subprocess.run([_ray_command(), *words], env=environment, check=False)
    if done.returncode != 0:
        raise RunError(f"`ray {words[0]}` ended with status {done.returncode}")


def _ray_command() -> str:
    return str(Path(sys.executable).with_name("ray"))
