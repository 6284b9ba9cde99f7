"""How long a sweep will go on, judged by the trials that have ended and those that run."""

import time


class Pace:
    """Time left at the pace since the first trial reported, when Ray and its processes had started.

    A trial that has ended is one unit of work, however it ended, and one that runs is the share of
    its epochs that it has behind it.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._settling = True  # until a trial has ended: those that run may have begun long ago
        self._done: dict[str, float] = {}  # running trial → share of its epochs
        self._not_seen: dict[str, float] = {}  # … of which so much was done before we looked
        self._units = 0.0  # of trials that have ended

    def epoch(self, trial: str, share: float) -> None:
        """A running trial has so much of its epochs behind it."""
        if self._began is None:
            self._began = time.monotonic()
        if trial not in self._done and self._settling:
            self._not_seen[trial] = share
        self._done[trial] = share

    def end(self, trial: str) -> None:
        """A trial has ended."""
        if self._began is None:
            self._began = time.monotonic()
        self._settling = False
        self._done.pop(trial, None)
        self._units += 1 - self._not_seen.pop(trial, 0.0)

    def left(self, trials: int) -> float | None:
        """Seconds for so many trials that have not ended; None while too little was seen."""
        running = sum(self._done.values())
        seen = self._units + running - sum(self._not_seen.values())
        if self._began is None or seen < 1:
            return None
        return (time.monotonic() - self._began) / seen * max(0.0, trials - running)
