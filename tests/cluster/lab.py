"""Machines on one machine: hosts in namespaces, with sshd, that one may switch off.

A host has its own network, mounts, processes, name and shared memory, its own /root and /tmp, and
sshd; the rest of the disk is shared, as on NFS. The laptop is one without sshd. All of them live in
the process namespace of whoever makes the lab, process 1 of it (see `__main__.py`), so that they
end with it in whatever way it ends: nothing else on the machine sees them or is seen by them.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

NETWORK = "10.78.0"
LAPTOP = "laptop"
_ADDRESSES = {LAPTOP: f"{NETWORK}.2"}
_BOOT = """
set -e
hostname {name}
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip link set lo up
ip addr add {address}/24 dev eth0
ip link set eth0 up
ip route add default via {network}.1
mount -t tmpfs -o size=2g shm /dev/shm
for kept in {kept}; do
  for private in /root /tmp; do
    case $kept in $private/*) mkdir -p {home}$kept; mount --rbind $kept {home}$kept ;; esac
  done
done
mount --rbind {home}/root /root
mount --rbind {home}/tmp /tmp
mkdir -p /run/sshd
export HOME=/root
cd /
{serve}
touch /root/.booted
while true; do wait -n 2>/dev/null || sleep 1; done
"""
_SSHD = (
    "/usr/sbin/sshd -D -e -o UsePAM=no -o PermitRootLogin=prohibit-password "
    "-o PasswordAuthentication=no -o ListenAddress={address} -o PidFile=none "
    "-o HostKey={folder}/host_key -o MaxStartups=100 2>/tmp/sshd.log &"
)


class Lab:
    """A laptop and hosts h0, h1, … on one network; use it in a `with` statement.

    Args:
        hosts: how many.

    Attributes:
        folder: on the disk that all of them share.
        key: path of the private key that opens every host, as root.
    """

    def __init__(self, hosts: int = 3) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="clinfonce-lab-", dir="/var/tmp"))
        self.key = self.folder / "key"
        self.hosts = {f"h{number}": f"{NETWORK}.{10 + number}" for number in range(hosts)}
        self._machines: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Lab":
        _run("mount", "-t", "tmpfs", "lab", str(self.folder))  # gone with the namespace
        try:
            self._make_network()
            self._make_key(self.key)
            self._make_key(self.folder / "host_key")
            for name in [LAPTOP, *self.hosts]:
                self.start(name)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in list(self._machines):
            self.stop(name)
        subprocess.run(["ip", "link", "del", "br0"], check=False, capture_output=True)
        subprocess.run(["umount", "--lazy", self.folder], check=False, capture_output=True)
        self.folder.rmdir()

    def home(self, name: str) -> Path:
        """The /root of a machine, as seen from outside."""
        return self.folder / name / "root"

    def start(self, name: str) -> None:
        """Switch a machine on, with the disk it had."""
        address = _ADDRESSES.get(name) or self.hosts[name]
        folder = self.folder / name
        for private in ("root/.ssh", "tmp"):
            (folder / private).mkdir(parents=True, exist_ok=True)
        (folder / "root/.ssh").chmod(0o700)
        (folder / "tmp").chmod(0o1777)
        authorized = folder / "root/.ssh/authorized_keys"
        authorized.write_bytes(self.key.with_suffix(".pub").read_bytes())
        (folder / "root/.booted").unlink(missing_ok=True)
        kept = sorted({str(Path.cwd()), sys.prefix, sys.base_prefix, str(self.folder)})
        serve = "" if name == LAPTOP else _SSHD.format(address=address, folder=self.folder)
        script = _BOOT.format(
            name=name, address=address, network=NETWORK, home=folder, kept=" ".join(kept),
            serve=serve,
        )  # fmt: skip
        with (folder / "boot.log").open("wb") as log:
            self._machines[name] = subprocess.Popen(
                ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork",
                 "--kill-child", "--mount-proc", "--propagation", "private", "bash", "-c", script],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._plug_in(name)
        self._wait_for(name)

    def stop(self, name: str) -> None:
        """Switch a machine off: every process on it is killed and its cable is dead at once."""
        machine = self._machines.pop(name)
        machine.kill()
        machine.wait()

    @property
    def running(self) -> list[str]:
        """The hosts that are switched on."""
        return [name for name in self.hosts if name in self._machines]

    def ssh(self, name: str) -> list[str]:
        """How the laptop runs a command on a host."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        words = [word for option in options for word in ("-o", option)]
        return ["ssh", "-i", str(self.key), *words, f"root@{self.hosts[name]}"]

    def cpu_seconds(self, name: str) -> float:
        """What the processes that run on a machine have used of a CPU so far."""
        return sum(_cpu_seconds(process) for process in self.processes(name))

    def processes(self, name: str) -> list[Path]:
        """The folders in /proc of what runs on a machine."""
        machine = Path(f"/proc/{self._first_process(name)}/ns/pid").readlink()
        return [process for process in Path("/proc").glob("[0-9]*") if _in(process, machine)]

    def laptop(self, *command: str | Path, **options: object) -> subprocess.Popen[str]:
        """Start a command on the laptop, in the current folder."""
        enter = ["nsenter", f"--target={self._first_process(LAPTOP)}", "--net", "--mount", "--uts",
                 "--ipc", "--pid", f"--wd={Path.cwd()}"]  # fmt: skip
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("RAY_")
        }
        return subprocess.Popen(
            [*enter, *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment | {"HOME": "/root"}, **options,  # type: ignore[arg-type]
        )  # fmt: skip

    def _first_process(self, name: str) -> int:
        outside = self._machines[name].pid
        children = Path(f"/proc/{outside}/task/{outside}/children").read_text().split()
        return int(children[0])

    def _make_network(self) -> None:
        for words in (
            "link set lo up",
            "link add br0 type bridge",
            f"addr add {NETWORK}.1/24 dev br0",
            "link set br0 up",
        ):
            _run("ip", *words.split())

    def _make_key(self, path: Path) -> None:
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(path))

    def _plug_in(self, name: str) -> None:
        """Join the machine's eth0 to the bridge."""
        outside = f"lab-{name}"
        subprocess.run(["ip", "link", "del", outside], check=False, capture_output=True)
        machine = str(self._machines[name].pid)
        own = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{machine}/ns/net").readlink() == own:  # it still enters its namespaces
            time.sleep(0.01)
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", machine)
        _run("ip", "link", "set", outside, "master", "br0", "up")

    def _wait_for(self, name: str) -> None:
        deadline = time.monotonic() + 20
        while not (self.home(name) / ".booted").exists():
            if time.monotonic() > deadline or self._machines[name].poll() is not None:
                log = (self.folder / name / "boot.log").read_text()
                raise RuntimeError(f"{name} does not start: {log}")
            time.sleep(0.05)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _in(process: Path, namespace: Path) -> bool:
    try:
        return (process / "ns/pid").readlink() == namespace
    except OSError:  # it has ended
        return False


def _cpu_seconds(process: Path) -> float:
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
