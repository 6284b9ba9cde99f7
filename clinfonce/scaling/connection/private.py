"""What a Ray that is started on this machine keeps to itself: its files, its sockets, its ports.

Left alone it puts them where every user of the machine may write, listens on all interfaces, and
serves its metrics to whoever asks.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clinfonce.errors import RunError
from clinfonce.memory import ENVIRONMENT as MEMORY
from clinfonce.scaling import ray_private
from clinfonce.scaling.connection.environment import environment

_PREFIX = "clinfonce-ray-"
_LONGEST = 18  # characters of a path that leaves those of a socket's name, of 107 in all
_YOUNG = 60.0  # seconds in which another sweep may not hold its folder yet
_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # all that listens does so on loopback
    "RAY_enable_metrics_collection": "0",
    "AUTOSCALER_METRIC_PORT": "-1",  # there is no such port, so none is opened
    "DASHBOARD_METRIC_PORT": "-1",
}


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for Ray's session that nobody else may enter; gone at the end.

    One of a sweep that was killed is removed by the next one. After a `RunError` it stays until
    then, since Ray's logs are in it.

    Raises:
        RunError: no folder can be made whose path is short enough for Ray's sockets.
    """
    base = _base()
    _remove_abandoned(base)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))  # for its owner alone
    held = _hold(folder)
    try:
        yield folder
    except RunError:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        if held is not None:
            os.close(held)


@contextmanager
def to_itself(niceness: int) -> Iterator[None]:
    """Let a Ray that is started meanwhile listen on loopback alone, and serve no metrics.

    What the environment says of metrics and of memory counts.

    Args:
        niceness: of the processes that run trials, 0 to 19.
    """
    wanted = _ENVIRONMENT | MEMORY | {"RAY_worker_niceness": str(niceness)}
    with (
        ray_private.on_loopback(),
        environment(**{name: os.environ.get(name, value) for name, value in wanted.items()}),
    ):
        yield


def _base() -> Path:
    for place in (os.environ.get("TMPDIR"), "/tmp", os.environ.get("XDG_RUNTIME_DIR"), "/var/tmp"):
        if place and len(place) <= _LONGEST and place[0] == "/" and os.access(place, os.W_OK):
            return Path(place)
    raise RunError(
        "no folder can be written whose path is short enough for Ray's sockets, such as /tmp: name "
        f"one of at most {_LONGEST} characters in TMPDIR"
    )


def _hold(folder: Path) -> int | None:
    """Show others that the folder is in use; None if it is. The system lets go when we end."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_abandoned(base: Path) -> None:
    for folder in base.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is another user's, or somebody else removes it too
            status = folder.lstat()
            is_ours = status.st_uid == os.getuid() and time.time() - status.st_mtime > _YOUNG
            if not is_ours or (held := _hold(folder)) is None:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)
