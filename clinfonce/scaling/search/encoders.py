"""Every encoder that trials of a sweep may start from: known before the first of them runs."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from clinfonce.config import SweepSpec, TrialSpec, points_to_try

# Fields of a trial on which the features depend that an adapter stands on.
_DECISIVE = ("encoder.", "adapter.views", "augmentation", "precision")


def encoder_trials(sweep: SweepSpec) -> Iterator[TrialSpec]:
    """A trial for each encoder, frozen or not, that the sweep's fixed and searched trials have.

    Values in the middle of a range are left out.
    """
    for named in sweep.fixed:
        for point in named.points:
            yield sweep.fixed_trial(named, sweep.seeds[0], point)
    if sweep.search is None:
        return
    space = sweep.search.space
    chosen = {path: d.ends for path, d in space.items() if path.startswith(_DECISIVE)}
    for point in points_to_try(space):
        for values in itertools.product(*chosen.values()):
            trial = _trial(sweep, {**point, **dict(zip(chosen, values, strict=True))})
            if trial is not None:
                yield trial


def _trial(sweep: SweepSpec, point: Mapping[str, Any]) -> TrialSpec | None:
    """The trial at a point; None where its values exclude each other."""
    assert sweep.search is not None
    try:
        return sweep.searched_trial(point, sweep.search.seed)
    except ValidationError:
        return None
