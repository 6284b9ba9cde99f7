"""Trials as runs of MLflow: an experiment a sweep, in a database, a folder or on a server."""

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from clinfonce.errors import InputError, StorageError
from clinfonce.results.track.runs import Run

_TRIAL, _DONE = "clinfonce.trial_id", "clinfonce.written"
_STATUS = {"complete": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
_AT_ONCE = {"metrics": 1000, "params": 100, "tags": 100}  # that MLflow takes in one request
_LONGEST = 5000  # characters of a text


class Tracker:
    """Runs of MLflow, written with its client."""

    def __init__(self, place: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is sent unasked
        if "://" not in place:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        self._place = place
        self._runs: dict[str, str] = {}  # trial_id → run of a trial that runs
        self._logged: dict[str, set[tuple[str, int]]] = {}
        try:
            self._client = MlflowClient(tracking_uri=place)
            self._client.search_experiments(max_results=1)
        except (MlflowException, OSError) as error:
            raise InputError(f"MLflow cannot use {place}: {_line(error)}") from None

    @property
    def where(self) -> str:
        """How to look at it."""
        if self._place.startswith("http"):
            return self._place
        return f"mlflow ui --backend-store-uri {self._place}"

    def epoch(
        self, trial_id: str, sweep: str, name: str, epoch: int, values: Mapping[str, float]
    ) -> None:
        """Log what a running trial was measured at."""
        run = self._run(trial_id, sweep, name)
        self._log(run, "metrics", _metrics([(c, v, epoch) for c, v in values.items()], None))
        self._logged.setdefault(trial_id, set()).update((c, epoch) for c in values)

    def trial(self, run: Run) -> bool:
        """Log a trial that has ended."""
        identity = self._run(run.trial_id, run.sweep, run.name)
        there = self._client.get_run(identity)
        if there.data.tags.get(_DONE):
            return False
        known = self._logged.pop(run.trial_id, None)
        if known is None:
            known = set(self._steps(identity, there.data.metrics))
        points = [
            (column, value, epoch)
            for column, curve in run.curves.items()
            for epoch, value in curve
            if (column, epoch) not in known
        ]
        last = max((epoch for c in run.curves.values() for epoch, _ in c), default=0)
        points += [(f"end/{column}", value, last) for column, value in run.measures.items()]
        self._log(identity, "metrics", _metrics(points, run))
        self._log(identity, "params", _params(run))
        tags = {**run.tags, _DONE: "true"}
        self._log(identity, "tags", _tags(tags))
        ended = None if run.finished is None else int(run.finished.timestamp() * 1000)
        self._client.set_terminated(identity, _STATUS[run.status], ended)
        return True

    def close(self) -> None:
        """Nothing is held open."""

    def _run(self, trial_id: str, sweep: str, name: str) -> str:
        """The run of a trial, made where there is none."""
        if trial_id not in self._runs:
            experiment = self._experiment(sweep)
            found = self._client.search_runs([experiment], f"tags.`{_TRIAL}` = '{trial_id}'")
            run = found[0] if found else self._client.create_run(
                experiment, tags={_TRIAL: trial_id, "mlflow.runName": name}
            )  # fmt: skip
            self._runs[trial_id] = run.info.run_id
        return self._runs[trial_id]

    def _experiment(self, sweep: str) -> str:
        found = self._client.get_experiment_by_name(sweep)
        made: str = self._client.create_experiment(sweep) if found is None else found.experiment_id
        return made

    def _steps(self, run: str, names: Iterable[str]) -> Iterator[tuple[str, int]]:
        for name in names:
            for metric in self._client.get_metric_history(run, name):
                yield name, metric.step

    def _log(self, run: str, kind: str, values: Iterable[Any]) -> None:
        try:
            rest = iter(values)
            while some := list(islice(rest, _AT_ONCE[kind])):
                self._client.log_batch(run, **{kind: some})
        except OSError as error:
            raise StorageError(f"MLflow at {self._place}: {_line(error)}") from None


def _metrics(points: Iterable[tuple[str, float, int]], run: Run | None) -> Iterator[Any]:
    from mlflow.entities import Metric

    time = 0 if run is None or run.finished is None else int(run.finished.timestamp() * 1000)
    return (Metric(column, value, time, epoch) for column, value, epoch in points)


def _params(run: Run) -> Iterator[Any]:
    from mlflow.entities import Param

    return (Param(name, str(value)[:_LONGEST]) for name, value in run.parameters.items())


def _tags(tags: Mapping[str, str]) -> Iterator[Any]:
    from mlflow.entities import RunTag

    return (RunTag(name, text[:_LONGEST]) for name, text in tags.items())


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
