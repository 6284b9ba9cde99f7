"""Run the tests that need hosts of their own, in namespaces of their own: `make test-cluster`.

The namespaces of processes, mounts and network are entered before pytest starts. When pytest ends,
or is killed, so does everything in them.
"""

import os
import shutil
import subprocess
import sys

ENTER = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
         "--propagation", "private"]  # fmt: skip
TOOLS = ("unshare", "nsenter", "ip", "ssh", "ssh-keygen", "rsync", "make", "/usr/sbin/sshd")


def obstacle() -> str | None:
    """Why hosts cannot be made here."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"needs {', '.join(missing)} (packages openssh-server, rsync, iproute2, util-linux)"
    bridge = "ip link set lo up && ip link add br0 type bridge"
    tried = subprocess.run([*ENTER, "sh", "-c", bridge], capture_output=True, text=True)
    if tried.returncode != 0:
        return f"network namespaces are not allowed here: {tried.stderr.strip()}"
    return None


def main() -> int:
    if reason := obstacle():
        print(f"test-cluster skipped: {reason}")
        return 0
    tests = [sys.executable, "-m", "pytest", "-m", "cluster", "-p", "no:cacheprovider"]
    os.execvp(ENTER[0], [*ENTER, *tests, "tests/cluster", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
