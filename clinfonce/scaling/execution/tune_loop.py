"""Ray Tune runs the trials of a sweep: the searcher and the scheduler that we give it."""

import functools
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as TuneSearcher

from clinfonce.scaling import ray_private
from clinfonce.scaling.bookkeeping.state import SweepState
from clinfonce.scaling.connection.environment import environment
from clinfonce.scaling.connection.session import Interruption
from clinfonce.scaling.execution.capacity import WorkerResources
from clinfonce.scaling.execution.placement import Placement
from clinfonce.scaling.execution.shortage import ShortageNotice
from clinfonce.scaling.execution.stale_groups import StalePlacementGroups
from clinfonce.scaling.execution.trainable import tune_resources, tune_trial

_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a sweep at once, finished rows are safe
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
}


def run_with_tune(
    state: SweepState,
    placement: Placement,
    per_worker: WorkerResources,
    context: ray.ObjectRef,
    scratch: Path,
    interruption: Interruption,
) -> None:
    """Run all trials of a sweep with Ray Tune.

    Args:
        state: decides which trials, and takes what they report.
        placement: lets trials in as there is room.
        per_worker: what a worker takes of a machine.
        context: the `SweepContext` of the trials, in the object store.
        scratch: folder for Ray Tune's own records; the result store is the record.
        interruption: whether to end at once.
    """
    # How many processes start at a time; without it one after the other.
    at_a_time = str(max(1, placement.capacity.workers))
    resources = functools.partial(tune_resources, per_worker=per_worker.resources)
    housekeeping = _Housekeeping(interruption, ShortageNotice(placement, state.say))
    tuner = tune.Tuner(
        tune.with_resources(functools.partial(tune_trial, context=context), resources),
        tune_config=tune.TuneConfig(
            search_alg=_PlanSearcher(state, placement, housekeeping),
            scheduler=_SweepScheduler(state, placement, housekeeping),
            num_samples=-1,  # the plan knows; a trial whose process died is proposed again
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(name=state.sweep.name, storage_path=str(scratch), verbose=0),
    )
    with environment(**_ENVIRONMENT, TUNE_MAX_PENDING_TRIALS_PG=at_a_time):
        tuner.fit()
    if state.broken is None:  # otherwise the groups go down with Ray, as after Ctrl-C
        placement.close()


class _Housekeeping:
    """What is to be seen to time and again, whether or not Tune has anything to do."""

    def __init__(self, interruption: Interruption, waiting: ShortageNotice) -> None:
        self._interruption, self._waiting, self._stale_groups = (
            interruption,
            waiting,
            StalePlacementGroups(),
        )

    def look(self) -> None:
        """Do so.

        Raises:
            KeyboardInterrupt: the sweep is to end.
        """
        self._interruption.check()
        self._stale_groups.remove()
        self._waiting.look()


class _PlanSearcher(TuneSearcher):
    """Hands the plan's trials to Ray Tune."""

    def __init__(
        self, state: SweepState, placement: Placement, housekeeping: _Housekeeping
    ) -> None:
        super().__init__()
        self._state, self._placement, self._housekeeping = state, placement, housekeeping
        self._identities: dict[str, str] = {}  # Tune's key of a running trial → ours

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        self._housekeeping.look()  # while nothing runs Tune asks for trials alone
        if self._state.is_hopeless:
            return TuneSearcher.FINISHED
        try:
            proposal = self._state.next()
        except StopIteration:  # a trial that runs may die, and is the next one then
            return None if self._identities else TuneSearcher.FINISHED
        if proposal is None:
            return None
        if not self._placement.admit(proposal.identity, proposal.spec.workers):
            self._state.put_back(proposal)
            return None
        self._identities[trial_id] = proposal.identity
        group = self._placement.group_of(proposal.identity)
        return {
            "identity": proposal.identity,
            "spec": proposal.spec.model_dump_json(),
            "queue": None if group is None else group.name,
        }

    def set_search_properties(self, *_: Any, **__: Any) -> bool:
        return True

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,  # noqa: ARG002
        error: bool = False,
    ) -> None:
        """Tune is done with a trial, and gives its process to the next or ends it.

        An error is the death of its process. Tune may tell of one twice, if it happened while the
        process was kept for later.
        """
        identity = self._identities.pop(trial_id, None)
        if identity is None or (error and self._state.die(identity)):
            return
        if error and (group := self._placement.group_of(identity)) is not None:
            group.cancel(identity)
        self._placement.release(identity)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a sweep resumes from the rows in its store."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a sweep resumes from the rows in its store."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its parts to resume from; we do not resume from that


class _SweepScheduler(FIFOScheduler):
    """Passes reports to the sweep, and its decisions to Ray Tune and to the group."""

    def __init__(
        self, state: SweepState, placement: Placement, housekeeping: _Housekeeping
    ) -> None:
        super().__init__()
        self._state, self._placement, self._housekeeping = state, placement, housekeeping
        self._alone = tune.PlacementGroupFactory([placement.capacity.per_worker.resources])

    def __getstate__(self) -> dict[str, Any]:
        return {}  # as above

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Nothing of ours: but Tune asks in each of its steps."""
        self._housekeeping.look()
        # Of the processes of trials that ended it keeps one for the next, with its reservation.
        idle = int(ray_private.keeps_process(tune_controller, self._alone))
        if self._placement.make_room(idle):
            ray_private.end_kept_processes(tune_controller)
        return super().choose_trial_to_run(tune_controller)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ARG002
        identity = trial.config["identity"]
        stop = self._state.receive(identity, result)
        group = self._placement.group_of(identity)
        if group is not None and "epoch" in result:
            group.decide(identity, result["epoch"], stop=stop)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:  # noqa: ARG002
        ray_private.drop_statistics(trial)
