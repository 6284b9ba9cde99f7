"""Slurm's own daemons on the hosts of a lab: a controller on the first, work on all."""

import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.cluster.lab import Lab

TOOLS = ("/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd", "sbatch")
_CONFIGURATION = """
ClusterName=lab
SlurmctldHost={first}({address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=/tmp/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir=/tmp/slurmd
SlurmctldPidFile=/tmp/slurmctld.pid
SlurmdPidFile=/tmp/slurmd.pid
SlurmctldLogFile=/tmp/slurmctld.log
SlurmdLogFile=/tmp/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=10
SlurmctldTimeout=10
InactiveLimit=0
KillWait=10
MinJobAge=300
MessageTimeout=30
{lines}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

# Ray gives a machine up after 20 seconds: busy ones answer late, and a test is to end.
_PATIENCE = "RAY_health_check_timeout_ms=10000 RAY_health_check_failure_threshold=2"


def missing() -> list[str]:
    """What has to be installed first."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


class Slurm:
    """Slurm on a lab; the daemons end with their hosts."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.folder = lab.folder / "slurm"
        (self.folder / "state").mkdir(parents=True)
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (self.folder / "munge.key").chmod(0o400)
        first, address = next(iter(lab.hosts.items()))
        lines = "\n".join(
            f"NodeName={host} NodeAddr={ip} CPUs=2 State=UNKNOWN" for host, ip in lab.hosts.items()
        )
        text = _CONFIGURATION.format(first=first, address=address, folder=self.folder, lines=lines)
        (self.folder / "slurm.conf").write_text(text)
        for host in lab.hosts:
            self.start(host)

    def start(self, host: str) -> None:
        """Start the daemons of a host."""
        munged = (
            f"install -m 400 {self.folder}/munge.key /tmp/munge.key; /usr/sbin/munged --force "
            "--socket=/tmp/munge.socket --key-file=/tmp/munge.key --pid-file=/tmp/munged.pid "
            "--log-file=/tmp/munged.log --seed-file=/tmp/munge.seed"
        )
        daemons = [munged, f"/usr/sbin/slurmd -f {self.folder}/slurm.conf -N {host}"]
        if host == next(iter(self._lab.hosts)):
            daemons.insert(1, f"/usr/sbin/slurmctld -f {self.folder}/slurm.conf")
        for daemon in daemons:
            self.on(host, daemon)

    def on(self, host: str, command: str, timeout: float = 60) -> str:
        """Run a command on a host; its output."""
        path = f"{sys.prefix}/bin:{os.environ['PATH']}"
        settings = f"export SLURM_CONF={self.folder}/slurm.conf PATH={path} PYTHONPATH={Path.cwd()}"
        ssh = [*self._lab.ssh(host), f"{settings} {_PATIENCE}; {command}"]
        done = self._lab.laptop(*ssh)
        output, _ = done.communicate(timeout=timeout)
        if done.returncode != 0:
            raise subprocess.CalledProcessError(done.returncode, command, output)
        return output

    def state(self, job: str) -> str:
        """Of a job: PENDING, RUNNING, COMPLETED …"""
        words = self.on(next(iter(self._lab.hosts)), f"scontrol show job {job}").split()
        return next(w.partition("=")[2] for w in words if w.startswith("JobState="))

    def wait(self, job: str, wanted: str, timeout: float) -> None:
        """Wait until a job has a state."""
        deadline = time.monotonic() + timeout
        while (state := self.state(job)) != wanted:
            if time.monotonic() > deadline or state in ("FAILED", "CANCELLED", "NODE_FAIL"):
                raise AssertionError(f"job {job} is {state}, not {wanted}")
            time.sleep(2)
