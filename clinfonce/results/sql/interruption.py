"""Work in a thread of its own, so that Ctrl-C reaches the one that waits for it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = 2.0  # seconds that an interrupted piece of work may take to end


class Interruptible:
    """Runs work that knows nothing of signals, such as a query of DuckDB."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Whether work that was interrupted has not ended yet: some steps cannot be stopped."""
        return self._thread is not None and self._thread.is_alive()

    def run(self, work: Callable[[], T], stop: Callable[[], Any]) -> T:
        """Do the work and return what it returns.

        Args:
            work: what to do.
            stop: makes the work end soon, with an error; may be called time and again.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed.
            Exception: as the work raises.
        """
        outcome: Future[T] = Future()
        self._thread = threading.Thread(target=_settle, args=(outcome, work), daemon=True)
        try:
            self._thread.start()
            return outcome.result()
        except KeyboardInterrupt:
            given_up = time.monotonic() + _PATIENCE
            while self.is_busy and time.monotonic() < given_up:
                stop()
                self._thread.join(0.05)
            raise


def _settle(outcome: Future[T], work: Callable[[], T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # for the thread that waits
        outcome.set_exception(error)
