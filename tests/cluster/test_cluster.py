"""A Ray cluster of three hosts: up, a sweep over it, a host lost, down; all of it real."""

import os
import re
import time
from pathlib import Path

import pytest
import yaml

from clinfonce.results import Store
from tests.cluster.lab import LAPTOP, NETWORK, Lab
from tests.scaling.storage import CREDENTIALS, s3_server
from tests.scaling.sweeps import reproducible

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(os.getpid() != 1, reason="needs namespaces of its own: make test-cluster"),
]

VENV = Path(".venv").absolute()
SWEEP = """
name: hosts
data: {name: digits}
trial:
  augmentation: digits
  encoder: {width: 16}
  optimizer: {learning_rate: 0.01}
  evaluation: {every: 1, draws: 3}
  epochs: 6
  workers: 2
seeds: [1, 2]
fixed:
  - {name: loops, trial: {clustering: {source: column, column: loop}}}
"""


@pytest.fixture(scope="module")
def lab():
    with Lab(3) as lab:
        (lab.folder / "hosts.yaml").write_text(SWEEP)
        for host in lab.hosts:
            (lab.home(host) / "venv").symlink_to(VENV)
        for name in ("undisturbed", "disturbed"):
            write_cluster_file(lab, name)
        yield lab


def write_cluster_file(lab, name, results=None):
    """The shipped file with the lab's addresses; nothing is installed, and hosts have one CPU."""
    cluster = yaml.safe_load(Path("cluster-local.yaml").read_text())
    head, *workers = lab.hosts.values()
    cluster["provider"] |= {"head_ip": head, "worker_ips": workers}
    cluster["auth"] = {"ssh_user": "root", "ssh_private_key": str(lab.key)}
    cluster["metadata"]["results"] = results or str(lab.folder / name / "there")
    installs = [c for c in cluster["setup_commands"] if "pip install" in c]
    (install,) = installs
    settings = {
        "PYTHONPATH": "$HOME/clinfonce",
        "RAY_health_check_timeout_ms": "60000",  # three hosts on one busy machine answer late
        **CREDENTIALS,  # on rented machines a role stands for them
    }
    exports = " ".join(f"{name}={value}" for name, value in settings.items())
    cluster["setup_commands"][cluster["setup_commands"].index(install)] = (
        f"grep -q PYTHONPATH ~/.bashrc || echo 'export {exports}' >> ~/.bashrc"
    )
    for commands in ("head_start_ray_commands", "worker_start_ray_commands"):
        cluster[commands][-1] += " --num-cpus=1 --object-store-memory=200000000"
    (lab.folder / f"{name}.yaml").write_text(yaml.safe_dump(cluster))


def run(lab, *command, status=0, timeout=900, **environment):
    settings = [f"{name}={value}" for name, value in environment.items()]
    process = lab.laptop("env", *settings, *command)
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == status, output
    return output


def sweep_command(lab, name, *, make=True, home=None):
    spec, cluster = lab.folder / "hosts.yaml", lab.folder / f"{name}.yaml"
    home = home or lab.folder / name / "here"
    if make:
        return ["make", "sweep", f"SWEEP={spec}", f"CLUSTER={cluster}", f"RESULTS={home}"]
    return [".venv/bin/clinfonce", "sweep", spec, "--cluster", cluster, "--results", home]


@pytest.fixture(scope="module")
def cluster(lab):
    """The cluster, up."""
    return run(lab, "make", "cluster-up", f"CLUSTER={lab.folder}/undisturbed.yaml")


@pytest.fixture(scope="module")
def undisturbed(lab, cluster):
    output = run(lab, *sweep_command(lab, "undisturbed"))
    return lab.folder / "undisturbed" / "here", output


def test_every_host_has_the_token_for_itself_alone(lab, cluster):
    tokens = [lab.home(name) / ".ray/auth_token" for name in ("laptop", *lab.hosts)]
    assert {path.stat().st_mode & 0o777 for path in tokens} == {0o600}
    (token,) = {path.read_text() for path in tokens}
    assert len(token) == 64
    assert token not in cluster


def test_who_has_not_the_token_is_refused(lab, cluster):
    command = sweep_command(lab, "undisturbed", make=False)
    output = run(lab, *command, status=2, RAY_AUTH_TOKEN_PATH="/none")
    assert "asks for a token, and there is none" in output.splitlines()[-1]
    output = run(lab, *command, status=2, RAY_AUTH_TOKEN="0" * 64)
    assert "refuses this token" in output.splitlines()[-1]
    assert "0" * 64 not in output
    assert "Traceback" not in output


def test_the_job_api_is_on_loopback_alone_and_asks_for_the_token(lab, cluster):
    head = lab.hosts["h0"]
    ask = "import urllib.request as r; r.urlopen('http://{}:8265/api/jobs/', timeout=5)"
    assert "refused" in run(lab, ".venv/bin/python", "-c", ask.format(head), status=1)
    there = f'{VENV}/bin/python -c "{ask.format("127.0.0.1")}"'
    assert "401" in run(lab, *lab.ssh("h0"), there, status=1)


def test_a_sweep_runs_over_the_hosts_and_its_tables_come_home(undisturbed, lab):
    home, output = undisturbed
    rows = reproducible(home)["trials"]
    assert {(row["seed"], row["workers"], row["status"]) for row in rows} == {
        (1, 2, "complete"),
        (2, 2, "complete"),
    }
    assert len(reproducible(home)["epochs"]) == 12
    assert "[2/2]" in output
    assert "loops" in output.split("[2/2]")[1]  # the summary
    assert "Traceback" not in output


def test_the_token_is_in_no_output_and_no_log(undisturbed, lab):
    token = (lab.home("laptop") / ".ray/auth_token").read_bytes()
    assert token not in undisturbed[1].encode()
    logs = [path for path in lab.folder.rglob("*") if path.suffix in {".log", ".out", ".err"}]
    assert {path.name for path in logs} > {"raylet.out", "monitor.log", "hosts.log"}
    assert not [path for path in logs if token in path.read_bytes()]


def test_the_same_command_again_runs_nothing(undisturbed, lab):
    _, before = undisturbed
    again = run(lab, *sweep_command(lab, "undisturbed"))
    assert again.splitlines()[-6:] == before.splitlines()[-6:]
    assert "[1/2]" not in again


def test_another_sweep_of_the_same_name_is_not_sent(undisturbed, lab):
    specification = lab.folder / "hosts.yaml"
    specification.write_text(SWEEP.replace("epochs: 6", "epochs: 7"))
    output = run(lab, *sweep_command(lab, "undisturbed", make=False), status=2)
    specification.write_text(SWEEP)
    assert "trial.epochs was 6, is 7" in output.splitlines()[-1]


def test_auto_finds_the_cluster_on_a_host_and_a_wrong_token_is_told(lab, cluster):
    words = f"cd {Path.cwd()} && RAY_AUTH_TOKEN={'0' * 64} .venv/bin/clinfonce sweep --address auto"
    output = run(lab, *lab.ssh("h1"), f"{words} {lab.folder}/hosts.yaml --results /tmp/r", status=2)
    assert f"the Ray cluster at {lab.hosts['h0']}:6379 refuses this token" in output


def test_in_an_object_store_are_the_same_rows(undisturbed, lab, tmp_path, monkeypatch):
    """On the side of the hosts, and at home."""
    with s3_server(tmp_path, monkeypatch, f"{NETWORK}.1") as (_, place):
        there, here = place.replace("/home", "/there"), place.replace("/home", "/here")
        write_cluster_file(lab, "s3", there)
        command = sweep_command(lab, "s3", make=False, home=here)
        output = run(lab, *command, **CREDENTIALS)
        assert "Traceback" not in output
        folder = Store.open(there).folder
        assert len(folder.names("encoders")) == 2
        assert folder.names("checkpoints") == []
        assert reproducible(there) == reproducible(undisturbed[0])
        assert reproducible(here) == reproducible(undisturbed[0])


def test_a_lost_host_and_a_lost_laptop_change_no_row(undisturbed, lab):
    command = sweep_command(lab, "disturbed")
    first = lab.laptop(*command)
    wait_for_checkpoint(lab.folder / "disturbed" / "there")
    lost = busiest(lab, "h1", "h2")
    lab.stop(lost)
    lab.stop(LAPTOP)
    said = first.communicate()[0]
    lab.start(LAPTOP)
    output = run(lab, *command)
    lab.start(lost)
    (job,) = set(re.findall(r"job (hosts-[\w-]+)", said))
    assert job in output
    assert reproducible(lab.folder / "disturbed" / "here") == reproducible(undisturbed[0])


def test_down_leaves_no_ray_on_the_hosts(undisturbed, lab):
    run(lab, "make", "cluster-down", f"CLUSTER={lab.folder}/undisturbed.yaml")
    names = [(p / "cmdline").read_text() for h in lab.running for p in lab.processes(h)]
    assert not [name for name in names if "raylet" in name or "gcs_server" in name]


def wait_for_checkpoint(store):
    deadline = time.monotonic() + 600
    while not list(store.glob("checkpoints/[!.]*.pt")):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def busiest(lab, *hosts):
    before = {host: lab.cpu_seconds(host) for host in hosts}
    time.sleep(2)
    return max(hosts, key=lambda host: lab.cpu_seconds(host) - before[host])
