"""A machine of a Ray cluster, reached through SSH with the key of the cluster's file."""

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clinfonce.config import RayClusterSpec
from clinfonce.errors import InputError

_PATIENCE = 10  # seconds until a machine counts as unreachable


@dataclass(frozen=True)
class Machine:
    """How a machine is reached.

    Attributes:
        address: IP address or name.
        user: who logs in.
        key: path of the private key.
        proxy: ProxyCommand of SSH, if any.
    """

    address: str
    user: str
    key: str
    proxy: str | None = None

    @classmethod
    def of(cls, cluster: RayClusterSpec, address: str) -> "Machine":
        """The machine of a cluster at an address."""
        auth = cluster.auth
        key = str(Path(auth.ssh_private_key).expanduser())
        return cls(address, auth.ssh_user, key, auth.ssh_proxy_command)

    def run(self, command: str, *, text: str = "") -> str:
        """Run a shell command there, with `text` as its input, and return what it prints.

        Raises:
            InputError: the machine cannot be entered, or the command fails.
        """
        words = ["ssh", *self._options(), self._login, command]
        return self._ask(words, text=text, what=command)

    def fetch(self, names: Sequence[str], source: str, target: Path) -> None:
        """Copy files and folders below a folder there to a folder here; absent ones are left out.

        Raises:
            InputError: the machine cannot be entered, or it has no such folder.
        """
        kept = [f"--include=/{name}{tail}" for name in names for tail in ("", "/***")]
        shell = shlex.join(["ssh", *self._options()])
        place = f"{self._login}:{source.rstrip('/')}/"
        words = ["rsync", "-rt", "-e", shell, *kept, "--exclude=*", place, f"{target}/"]
        self._ask(words, what=f"rsync {source}")

    @contextmanager
    def forward(self, port: int) -> Iterator[int]:
        """Make a port of the machine's loopback a port of our loopback.

        Yields:
            Our port.

        Raises:
            InputError: the machine cannot be entered.
        """
        ours = _free_port()
        forwarding = f"127.0.0.1:{ours}:127.0.0.1:{port}"
        with subprocess.Popen(
            ["ssh", "-N", "-L", forwarding, "-o", "ExitOnForwardFailure=yes", *self._options(),
             self._login],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True,  # Ctrl-C is ours to handle
        ) as tunnel:  # fmt: skip
            try:
                self._wait_until_open(tunnel, ours)
                yield ours
            finally:
                tunnel.terminate()

    @property
    def _login(self) -> str:
        return f"{self.user}@{self.address}"

    def _options(self) -> list[str]:
        """As Ray logs in itself: host keys of machines that come and go are not compared."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": str(_PATIENCE),
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "ServerAliveCountMax": "3",
            "ServerAliveInterval": "5",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": os.devnull,
        } | ({"ProxyCommand": self.proxy} if self.proxy else {})
        return ["-i", self.key, *[w for n, v in options.items() for w in ("-o", f"{n}={v}")]]

    def _ask(self, words: Sequence[str], *, what: str, text: str = "") -> str:
        try:
            done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise InputError(f"{words[0]} is not installed on this machine") from None
        if done.returncode == 0:
            return done.stdout
        if done.returncode == 255:  # of SSH itself
            raise InputError(self._unreachable(done.stderr))
        reason = _last_line(done.stderr) or f"exit status {done.returncode}"
        raise InputError(f"{self.address}: {what}: {reason}")

    def _wait_until_open(self, tunnel: subprocess.Popen[str], port: int) -> None:
        deadline = time.monotonic() + 3 * _PATIENCE
        while tunnel.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        tunnel.kill()
        assert tunnel.stderr is not None
        raise InputError(self._unreachable(tunnel.stderr.read()))

    def _unreachable(self, said: str) -> str:
        reason = _last_line(said) or "no answer"
        return f"cannot enter {self._login} through SSH with the key {self.key}: {reason}"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
