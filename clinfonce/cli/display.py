"""What long work shows: a bar on a terminal, plain lines elsewhere; and tables."""

import shutil
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from clinfonce.cli.pace import Pace
from clinfonce.text import Table, one_line, printable

Row = Mapping[str, Any]

_MOST_SHOWN = 8  # running trials in a line


def _bar(console: Console, unit: str, *, redirect_stderr: bool) -> Progress:
    """How many of something are done, on a terminal alone, with a note behind."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn(unit + "{task.fields[note]}", markup=False),
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=False,  # what libraries print belongs into the log
        redirect_stderr=redirect_stderr,
    )


class SweepDisplay:
    """Trials done, best validation accuracy so far, time left.

    Args:
        stream: where to write.
        metric: column of the table `trials` that is maximised.
        every: seconds between two lines about running trials where there is no terminal.
    """

    def __init__(self, stream: IO[str], metric: str, every: float = 60.0) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._metric, self._every = metric, every
        self._running: dict[str, str] = {}  # trial_id → how far it is, the last heard of last
        self._total = self._done = 0
        self._pace, self._told = Pace(), time.monotonic()
        self._best: tuple[float, str] | None = None
        self._bar = _bar(self._console, "trials", redirect_stderr=False)
        self._task = self._bar.add_task("starting", total=None, note="")

    def __enter__(self) -> "SweepDisplay":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        self._console.print(printable(text), markup=False)

    def start(self, total: int) -> None:
        """The sweep begins."""
        self._total = total
        self._bar.update(self._task, description="sweep", total=total)

    def epoch(
        self, trial_id: str, name: str, epoch: int, epochs: int, accuracy: float | None
    ) -> None:
        """A running trial has a new validation accuracy, of kNN; None where there are no labels."""
        self._pace.epoch(trial_id, epoch / epochs)
        text = f"{one_line(name)}: epoch {epoch}/{epochs}"
        text += "" if accuracy is None else f", kNN {accuracy:.1%}"
        self._bar.update(self._task, note=f"{self._note()} · {text}")
        self._running.pop(trial_id, None)
        self._running[trial_id] = text
        if not self._console.is_terminal and time.monotonic() - self._told >= self._every:
            self._tell_running()

    def trial(self, row: Row, *, earlier: bool) -> None:
        """A trial has ended, perhaps in an earlier run of the sweep."""
        self._running.pop(row["trial_id"], None)
        self._done += 1
        if not earlier:
            self._pace.end(row["trial_id"])
        value = row.get(self._metric) if row["status"] == "complete" else None
        if value is not None and (self._best is None or value > self._best[0]):
            self._best = value, one_line(str(row["name"]))
        self._bar.update(self._task, completed=self._done, note=self._note())
        if not earlier and (row["status"] == "failed" or not self._console.is_terminal):
            self.say(f"[{self._done}/{self._total}] {self._outcome(row)}{self._note()}")

    def _tell_running(self) -> None:
        self._told = time.monotonic()
        shown = list(self._running.values())[-_MOST_SHOWN:]
        more = len(self._running) - len(shown)
        self.say(" · ".join([*shown, *([f"and {more} more"] if more else [])]))

    def _outcome(self, row: Row) -> str:
        name = f"{one_line(row['name'])} (seed {row['seed']})"
        match row["status"]:
            case "failed":
                return f"{name} failed: {row['error']}"
            case "stopped":
                return f"{name} stopped at epoch {row['epochs_run']}, kNN {row['val_knn']:.1%}"
            case _:
                value = row.get(self._metric)
                return f"{name} ended" if value is None else f"{name} reached {self._value(value)}"

    def _note(self) -> str:
        parts = []
        if self._best is not None:
            parts.append(f"best {self._value(self._best[0])} ({self._best[1]})")
        if left := self._pace.left(self._total - self._done):
            parts.append(f"{_duration(left)} left")
        return "".join(f" · {part}" for part in parts)

    def _value(self, value: float) -> str:
        """A value of the metric with its name: what running trials reach is always kNN's."""
        name = "kNN" if self._metric == "val_knn" else self._metric.removeprefix("val_")
        return f"{name} {value:.1%}"


class PackingDisplay:
    """Images packed, how many a second, time left.

    Args:
        stream: where to write.
        every: seconds between two lines where there is no terminal.
    """

    def __init__(self, stream: IO[str], every: float = 10.0) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._every = every
        self._began = self._told = time.monotonic()
        self._first: int | None = None
        self._bar = _bar(self._console, "images", redirect_stderr=True)
        self._task = self._bar.add_task("packing", total=None, note="")

    def __enter__(self) -> "PackingDisplay":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away: what follows is written below it."""
        self._bar.stop()

    def progress(self, done: int, total: int) -> None:
        """So many rows are done, some perhaps in an earlier call."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._began = done, now
            self._bar.start()
        rate = (done - self._first) / (now - self._began) if now > self._began else 0.0
        note = f" · {rate:,.0f}/s · {_duration((total - done) / rate)} left" if rate else ""
        self._bar.update(self._task, completed=done, total=total, note=note)
        if not self._console.is_terminal and (now - self._told >= self._every or done == total):
            self._told = now
            self._console.print(f"packed {done:,} of {total:,} images{note}", markup=False)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def write_rows(stream: IO[str], names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table, numbers to the right; in files and pipes a line a row."""
    right = [
        all(isinstance(row[number], int | float | None) for row in rows)
        for number in range(len(names))
    ]
    table = Table(names, right, [[_cell(value) for value in row] for row in rows])
    stream.write("\n")
    for line in table.lines(terminal_width(stream)):
        stream.write(line + "\n")
    stream.write("\n")


def terminal_width(stream: IO[str]) -> int | None:
    """How many characters a line of a terminal holds; None for files and pipes."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))
