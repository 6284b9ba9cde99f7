"""Sets of parts to try next: what each part brings is learnt from all results at once.

A *draft* is a set of parts: those whose crossing is the clustering, or columns in other roles than
at first. Its value is taken as a sum: a base, what each part brings, what having more parts brings,
and what is this draft's own. All are Gaussian, so a draft that was not tried has an expectation and
a spread (Bayesian linear regression); the draft with the highest upper bound is next. Two drafts
that share a part tell of each other, so a column is known before it was ever tried alone.
"""

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

Draft = frozenset[str]

_OWN = 0.3  # variance of what is a draft's own; what a part brings has 1
_NOISE = {False: 0.05, True: 0.3}  # of a repetition, without and with other dimensions
_BOLD = 1.0  # standard deviations by which a draft may be better than expected
_GOOD = 5  # drafts whose neighbours are looked at
_MOST = 20_000  # pairs that are looked at


class Additive:
    """Proposes drafts; what it proposes depends on numbers and results alone.

    Args:
        groups: part to its group, of which a draft has one part at most.
        first: drafts to begin with.
        empty: whether the empty draft may be tried; it is the first one then.
        largest: parts of a draft at most.
        others: whether there are dimensions beside: a draft may be tried again at other values,
            half as often as there are drafts that were tried.
    """

    def __init__(
        self,
        groups: Mapping[str, str],
        *,
        first: Iterable[Draft] = (),
        empty: bool = True,
        largest: int = 4,
        others: bool = False,
    ) -> None:
        self._groups, self._largest, self._empty = dict(groups), largest, empty
        self._others = others
        self._begin = list(dict.fromkeys([*([Draft()] if empty else []), *first]))
        self._values: dict[Draft, list[float]] = defaultdict(list)
        self._worst: set[Draft] = set()  # of which all that is known is that they are not good
        self._withdrawn: set[Draft] = set()
        self._seen: set[Draft] = set()
        self._running: Counter[Draft] = Counter()
        self._simple = list(self._small())

    def propose(self) -> Draft | None:
        """The next draft; None where none is left."""
        while self._begin:
            if (draft := self._begin.pop(0)) not in self._seen:
                return self._take(draft)
        return self._take(self._most_promising())

    def tell(self, draft: Draft, value: float | None) -> None:
        """What a draft reached; None where it was stopped or failed."""
        self._seen.add(draft)
        self._running[draft] -= 1
        if value is None:
            self._worst.add(draft)
        else:
            self._values[draft].append(value)

    def withdraw(self, draft: Draft) -> None:
        """A draft made no trial with the values that it met: others are proposed instead."""
        self._running[draft] -= 1
        self._withdrawn.add(draft)

    def _take(self, draft: Draft | None) -> Draft | None:
        if draft is not None:
            self._seen.add(draft)
            self._running[draft] += 1
        return draft

    def _most_promising(self) -> Draft | None:
        """The draft with the highest bound of those that may be tried; of equals a small one."""
        known = dict(self._values)
        if known:
            least = min(map(min, known.values()))
            known |= {draft: [least] for draft in self._worst - known.keys()}
        ranked = sorted(known, key=lambda draft: (-fmean(known[draft]), len(draft), sorted(draft)))
        around = itertools.chain(*map(self._neighbours, ranked[:_GOOD]))
        grown = sorted({*around, *ranked}, key=lambda draft: (len(draft), sorted(draft)))
        listed = list(dict.fromkeys([*self._simple, *grown]))
        free = [draft for draft in listed if self._is_free(draft)]
        if not free or not known:
            return free[0] if free else None
        bounds = self._bounds(free, known).round(9)  # so that no machine's last digits decide
        return free[int(np.argmax(bounds))]

    def _is_free(self, draft: Draft) -> bool:
        if not self._others:
            return draft not in self._seen
        if self._running[draft] > 0 or draft in self._worst or draft in self._withdrawn:
            return False
        # Else the other dimensions would be tuned for the first good draft, whatever they bring.
        return 2 * len(self._values.get(draft, ())) <= len(self._seen)

    def _bounds(
        self, free: Sequence[Draft], known: Mapping[Draft, Sequence[float]]
    ) -> NDArray[np.float64]:
        """What drafts (m,) may reach, in standard deviations above the mean of known ones."""
        place = {part: number for number, part in enumerate(self._groups)}
        tried = {draft: number for number, draft in enumerate(known)}
        of_free, of_known = _design(free, place), _design(list(known), place)
        values = np.array([fmean(v) for v in known.values()])
        noise = np.array([_NOISE[self._others] / len(v) for v in known.values()])
        spread = values.std() or 1.0
        among = of_known @ of_known.T + np.diag(_OWN + noise)
        across = of_free @ of_known.T
        again = [(row, tried[draft]) for row, draft in enumerate(free) if draft in tried]
        for row, number in again:
            across[row, number] += _OWN
        expected = across @ np.linalg.solve(among, (values - values.mean()) / spread)
        explained = (across * np.linalg.solve(among, across.T).T).sum(1)
        variance = (of_free * of_free).sum(1) + _OWN - explained
        bounds: NDArray[np.float64] = expected + _BOLD * np.sqrt(variance.clip(min=0))
        return bounds

    def _small(self) -> Iterator[Draft]:
        """Single parts, then pairs: those of a group's first parts come first."""
        parts = _by_turns(self._groups)
        if self._empty:
            yield Draft()
        yield from (Draft([part]) for part in parts)
        if self._largest > 1:
            pairs = itertools.combinations(parts, 2)
            crossed = (pair for pair in pairs if self._groups[pair[0]] != self._groups[pair[1]])
            yield from map(Draft, itertools.islice(crossed, _MOST))

    def _neighbours(self, draft: Draft) -> Iterator[Draft]:
        """Drafts with a part more, one less, or another of one group."""
        for part, group in self._groups.items():
            if part in draft:
                other = draft - {part}
            else:
                other = Draft(p for p in draft if self._groups[p] != group) | {part}
            if (self._empty or other) and len(other) <= self._largest:
                yield other


class RandomDrafts:
    """Proposes drafts at random, each size as often as any other.

    Args:
        groups: part to its group.
        seed: of the draws.
        largest: parts of a draft at most.
    """

    def __init__(self, groups: Mapping[str, str], seed: int, largest: int) -> None:
        self._groups, self._seed, self._largest = dict(groups), seed, largest
        self._numbers = itertools.count()

    def propose(self) -> Draft:
        """The next draft."""
        rng = random.Random(f"{self._seed} {next(self._numbers)}")
        parts = sorted(self._groups)
        rng.shuffle(parts)
        of_groups = {self._groups[part]: part for part in parts}
        most = min(self._largest, len(of_groups))
        return frozenset(list(of_groups.values())[: rng.randint(0, most)])


def _design(drafts: Sequence[Draft], place: Mapping[str, int]) -> NDArray[np.float64]:
    """A row (2 + parts) of each draft: one, how many parts it has beyond the first, which parts."""
    found = np.zeros((len(drafts), 2 + len(place)))
    found[:, 0] = 1
    for row, draft in zip(found, drafts, strict=True):
        row[1] = max(0, len(draft) - 1)
        row[[2 + place[part] for part in draft]] = 1
    return found


def _by_turns(groups: Mapping[str, str]) -> Sequence[str]:
    """The first part of every group, then the second of every one that has two, and so on."""
    places: dict[str, int] = defaultdict(int)
    ranked = []
    for part, group in groups.items():
        ranked.append((places[group], part))
        places[group] += 1
    return [part for _, part in sorted(ranked, key=lambda pair: pair[0])]
