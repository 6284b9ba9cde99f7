"""Who runs a sweep into a store now: two at once would train each trial twice."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from clinfonce.errors import RunError
from clinfonce.files import Folder


@contextmanager
def claimed(folder: Folder, sweep: str) -> Iterator[None]:
    """Be the one who runs a sweep into this store. The system lets go when the process dies.

    In an object store, and on a disk without locks, nobody is kept out.

    Args:
        folder: of the store.
        sweep: its name.

    Raises:
        RunError: another process runs it.
    """
    if (local := folder.local) is None:
        yield
        return
    place = local / "sweeps" / f".{sweep}.lock"
    place.parent.mkdir(exist_ok=True)
    with place.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read().strip() or "another process"
            raise RunError(
                f"{sweep} runs into {local} already ({who}): wait for its end, or end it; the same "
                "command then goes on with what is missing"
            ) from None
        except OSError:  # of a disk without locks
            yield
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
