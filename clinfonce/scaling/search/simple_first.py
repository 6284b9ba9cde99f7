"""Clusterings to try, the simple ones first: instances, single parts, then what grows out of them.

A *draft* is a set of parts, whose crossing is the clustering. After the first few single ones every
other proposal is greedy: the neighbour (a part more, one less, or one exchanged) of a good draft
that promises most, so far as the parts' own results tell. When all single ones were tried, two of
three are greedy and the third is left to the sampler.
"""

import random
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

Draft = frozenset[str]

_ALONE = 8  # first drafts, before anything is greedy
_SINGLES = 2  # one in so many trials, at most, is of a single part
_SAMPLED = 3  # one in so many trials after those is the sampler's
_GOOD = 3  # drafts whose neighbours are looked at
_KEPT = 0.5  # of what a part brings alone, that it is expected to bring beside others


class SimpleFirst:
    """Proposes drafts; what it proposes depends on numbers and results alone.

    Args:
        groups: part to its group, of which a draft has one part at most; in the order in which
            single parts are tried.
        trials: how many configurations the search has.
        first: drafts to begin with.
        empty: whether the empty draft, instances, may be tried.
        largest: parts of a draft at most.
    """

    def __init__(
        self,
        groups: Mapping[str, str],
        trials: int,
        *,
        first: Iterable[Draft] = (),
        empty: bool = True,
        largest: int = 4,
    ) -> None:
        self._groups, self._largest, self._empty = dict(groups), largest, empty
        singles = [frozenset([part]) for part in _by_turns(self._groups)]
        begin = ([Draft()] if empty else []) + list(first)
        room = max(len(begin) + 1, trials // _SINGLES)
        self._simple = deque(list(dict.fromkeys([*begin, *singles]))[:room])
        self._alone = max(_ALONE, len(begin))
        self._later = 0  # proposals since all simple ones were made
        self._values: dict[Draft, list[float]] = defaultdict(list)
        self._seen: set[Draft] = set()

    def propose(self, number: int) -> Draft | None:
        """The draft of a configuration; its number is asked for once, in order.

        None leaves it to the sampler.
        """
        while self._simple and self._simple[0] in self._seen:
            self._simple.popleft()
        if not self._simple:
            self._later += 1
            return None if self._later % _SAMPLED == 0 else self._take(self._greedy())
        if number >= self._alone and (number - self._alone) % 2 == 0:
            draft = self._greedy()
            if draft is not None:
                return self._take(draft)
        return self._take(self._simple.popleft())

    def tell(self, draft: Draft, value: float | None) -> None:
        """What a draft reached; None where it was stopped or failed."""
        self._seen.add(draft)
        if value is not None:
            self._values[draft].append(value)

    def _take(self, draft: Draft | None) -> Draft | None:
        if draft is not None:
            self._seen.add(draft)
        return draft

    def _greedy(self) -> Draft | None:
        """The most promising neighbour of the best drafts that was not tried, if any is left."""
        means = {draft: fmean(values) for draft, values in self._values.items()}
        ranked = sorted(means, key=lambda draft: (-means[draft], len(draft), sorted(draft)))
        effects = self._effects(means)
        for start in range(0, len(ranked), _GOOD):
            promised = {
                other: promise
                for draft in ranked[start : start + _GOOD]
                for other, promise in self._neighbours(draft, means[draft], effects)
            }
            if promised:
                return max(promised, key=lambda d: (promised[d], -len(d), sorted(d)))
        return None

    def _effects(self, means: Mapping[Draft, float]) -> dict[str, float]:
        """What each part that was tried alone brings over instances, or over the median single."""
        singles = {next(iter(d)): v for d, v in means.items() if len(d) == 1}
        values = sorted(singles.values())
        middle = values[len(values) // 2] if values else 0.0
        base = means.get(Draft(), middle)
        return {part: value - base for part, value in singles.items()}

    def _neighbours(
        self, draft: Draft, value: float, effects: Mapping[str, float]
    ) -> Iterable[tuple[Draft, float]]:
        """Neighbours that were not tried, and what each promises."""
        for part, group in self._groups.items():
            brought = effects.get(part, 0.0)
            if part in draft:
                other, change = draft - {part}, -_KEPT * brought
            else:
                rival = next((p for p in draft if self._groups[p] == group), None)
                lost = 0.0 if rival is None else effects.get(rival, 0.0)
                other, change = (draft - {rival or ""}) | {part}, _KEPT * (brought - lost)
            allowed = (self._empty or other) and len(other) <= self._largest
            if allowed and other not in self._seen:
                yield other, value + change


class RandomDrafts:
    """Proposes drafts at random, each size as often as any other.

    Args:
        groups: part to its group.
        seed: of the draws.
        largest: parts of a draft at most.
    """

    def __init__(self, groups: Mapping[str, str], seed: int, largest: int) -> None:
        self._groups, self._seed, self._largest = dict(groups), seed, largest

    def propose(self, number: int) -> Draft:
        """The draft of a configuration by its number."""
        rng = random.Random(f"{self._seed} {number}")
        parts = sorted(self._groups)
        rng.shuffle(parts)
        of_groups = {self._groups[part]: part for part in parts}
        most = min(self._largest, len(of_groups))
        return frozenset(list(of_groups.values())[: rng.randint(0, most)])


def _by_turns(groups: Mapping[str, str]) -> Sequence[str]:
    """The first part of every group, then the second of every one that has two, and so on."""
    places: dict[str, int] = defaultdict(int)
    ranked = []
    for part, group in groups.items():
        ranked.append((places[group], part))
        places[group] += 1
    return [part for _, part in sorted(ranked, key=lambda pair: pair[0])]
