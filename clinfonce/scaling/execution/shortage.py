"""What a sweep waits for, said once it has waited for a while: Ray itself says nothing."""

import time
from collections.abc import Callable

from clinfonce.scaling.execution.capacity import described
from clinfonce.scaling.execution.placement import Placement

_PATIENCE = 60.0  # seconds without room for what is to run


class ShortageNotice:
    """Looks again and again whether the machines that are there hold what is to run.

    Args:
        placement: knows what is to run and what room there is.
        say: takes the line, once until what is waited for changes.
    """

    def __init__(self, placement: Placement, say: Callable[[str], None]) -> None:
        self._placement, self._say = placement, say
        self._lack: tuple[int, int] | None = None  # workers to run, and workers there is room for
        self._since = float("inf")

    def look(self) -> None:
        """Look now."""
        wanted, room = self._placement.wanted, self._placement.capacity.present
        lack = (wanted, room) if wanted > room else None
        if lack != self._lack:
            self._lack, self._since = lack, time.monotonic()
        elif lack is not None and time.monotonic() - self._since > _PATIENCE:
            self._since = float("inf")
            each = described(self._placement.capacity.per_worker.resources)
            self._say(
                f"waiting for room for {wanted} workers with {each} each: the Ray cluster has room "
                f"for {room} (was a machine lost, or is one yet to come?)"
            )
