"""A Ray session that keeps its noise out of the terminal."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import ray


@contextmanager
def terminal_apart(log: Path) -> Iterator[IO[str]]:
    """Send everything written to stdout and stderr to a file, by any thread or library.

    Yields:
        The terminal (what stderr was), for those few lines that are meant for it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with log.open("a", encoding="utf-8") as file, os.fdopen(os.dup(2), "w") as terminal:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, was in zip((1, 2), saved, strict=True):
                os.dup2(was, number)
                os.close(was)


@contextmanager
def ray_session(*, dashboard: bool) -> Iterator[dict[str, float]]:
    """Join the Ray cluster that RAY_ADDRESS names, or start Ray on this machine.

    Args:
        dashboard: start Ray's dashboard too (on loopback). A data-parallel trial that is stopped
            gives its resources back only with it; it takes three more seconds to start.

    Yields:
        The resources of the Ray cluster, such as {"CPU": 2.0}.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")  # Ray's 2 s end trials late
    arguments: dict[str, Any] = {"log_to_driver": False, "logging_level": "warning"}
    if "RAY_ADDRESS" not in os.environ:
        arguments |= {"include_dashboard": dashboard, "dashboard_host": "127.0.0.1"}
    ray.init(**arguments)
    try:
        with _termination_as_interrupt():
            yield ray.cluster_resources()
    finally:
        ray.shutdown()


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt, so that it ends a sweep as cleanly as Ctrl-C."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = None
    with suppress(ValueError):  # not the main thread
        before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
