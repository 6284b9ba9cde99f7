"""A Ray session that keeps its noise out of the terminal."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import ray
import ray.exceptions

from clinfonce.errors import InputError, RunError
from clinfonce.memory import ENVIRONMENT as MEMORY
from clinfonce.scaling import ray_private
from clinfonce.scaling.connection.address import asks_for_token, check_address
from clinfonce.scaling.connection.authentication import have_token
from clinfonce.scaling.connection.environment import environment, without_proxy
from clinfonce.scaling.connection.private import private_folder, to_itself

_STARTS = 2  # of Ray on this machine, before it is given up


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
    with log.open("a", encoding="utf-8") as file, _terminal() as terminal:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield terminal
        finally:
            with suppress(OSError):  # of a full disk, which the command has words for
                sys.stdout.flush()
                sys.stderr.flush()
            for number, was in zip((1, 2), saved, strict=True):
                os.dup2(was, number)
                os.close(was)


def _terminal() -> IO[str]:
    """What stderr leads to now, for any character."""
    return os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="backslashreplace")


class Interruption:
    """Whether Ctrl-C was pressed or the process is to end.

    Python drops a KeyboardInterrupt that is raised while it cleans an object up, and Ray's objects
    are many: whoever works for long asks here too.
    """

    def __init__(self) -> None:
        self._came = False

    def come(self, *_: Any) -> None:
        """The signal's handler.

        Raises:
            KeyboardInterrupt: always.
        """
        self._came = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """See that it was not dropped.

        Raises:
            KeyboardInterrupt: the signal came.
        """
        if self._came:
            raise KeyboardInterrupt


def joins_cluster() -> bool:
    """Whether a session joins a Ray cluster that runs, rather than start Ray on this machine."""
    return _address() != "local"


def _address() -> str:
    # Without an address Ray joins whichever was last started on this machine, even a dead one.
    return os.environ.get("RAY_ADDRESS") or "local"


@contextmanager
def ray_session(*, niceness: int = 15) -> Iterator[Interruption]:
    """Join the Ray cluster that RAY_ADDRESS names, or start Ray on this machine.

    SIGTERM ends it as cleanly as Ctrl-C.

    Args:
        niceness: of the processes that run trials, if Ray is started here.

    Raises:
        InputError: the Ray cluster cannot be joined.
        RunError: Ray does not start on this machine.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    arguments: dict[str, Any] = {"log_to_driver": False, "logging_level": "warning"}
    with ExitStack() as stack:
        stack.enter_context(without_proxy())
        if joins_cluster():
            _join(check_address(_address()), arguments)
        else:
            folder = stack.enter_context(private_folder())
            _start(folder, niceness, arguments | {"include_dashboard": False})
        stack.callback(ray.shutdown)
        yield stack.enter_context(_interruption())


def _start(folder: Path, niceness: int, arguments: dict[str, Any]) -> None:
    """Start Ray on this machine; again if it misses its limits of time, which are fixed."""
    have_token()
    place = str(folder / "r")  # Ray opens it to everybody, but not the folder around it
    for _ in range(_STARTS):
        try:
            with to_itself(niceness):
                ray.init("local", _temp_dir=place, **arguments)
        except Exception as error:  # of no kind of its own
            ray_private.end_failed_start(error)
            ray.shutdown()
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        else:
            return
    raise RunError(
        f"Ray did not start on this machine in {_STARTS} attempts: {reason} Is the machine too "
        f"busy, or short of memory? Ray's logs are in {place}/session_latest/logs"
    )


def _join(address: str, arguments: dict[str, Any]) -> None:
    if asks_for_token(address):
        ray_private.use_tokens()
    own = {name: value for name, value in os.environ.items() if name.startswith("MALLOC_")}
    try:
        with environment(RAY_OVERRIDE_JOB_RUNTIME_ENV="1"):  # of a job that may set them too
            ray.init(address, runtime_env={"env_vars": MEMORY | own}, **arguments)
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot join the Ray cluster at {address}: {reason}") from error


@contextmanager
def _interruption() -> Iterator[Interruption]:
    interruption, before = Interruption(), {}
    with suppress(ValueError):  # not the main thread
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:  # as a shell has it in the background
                before[number] = signal.signal(number, interruption.come)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
