"""How a set of parts becomes parameters of a study and a value of the search space, and back."""

from collections.abc import Mapping, Sequence
from typing import Any

from clinfonce.scaling.search.additive import Draft
from clinfonce.trial.parts import Part, clustering_of, parts_in

IN_OR_OUT = ":"  # parts the name of a field from the element that is in or out, or has a role
_OUT = "out"  # of a group of parts: none of them


class Drafts:
    """A dimension whose values are sets of parts.

    Attributes:
        path: dotted field.
        groups: part to its group, of which a draft has one part at most.
        largest: parts of a draft at most.
        may_be_empty: whether the empty draft has a value.
    """

    may_be_empty = True

    def __init__(self, path: str, groups: Mapping[str, str], largest: int) -> None:
        self.path, self.groups, self.largest = path, groups, largest

    def parameters(self, draft: Draft) -> dict[str, Any]:
        """The parameters of the study that stand for a draft."""
        raise NotImplementedError

    def suggest(self, trial: Any) -> Any:
        """The value of the dimension that a trial of the study draws."""
        raise NotImplementedError

    def draft(self, value: Any) -> Draft | None:
        """The parts of a value; None of one that the dimension never has."""
        raise NotImplementedError


class Subsets(Drafts):
    """Attributes of a list, each in or out, of which one is in at least."""

    may_be_empty = False

    def __init__(self, path: str, elements: Sequence[str]) -> None:
        self._elements = tuple(elements)
        super().__init__(path, {element: element for element in elements}, len(elements))

    def parameters(self, draft: Draft) -> dict[str, Any]:
        """Whether each is in."""
        return {self._name(element): element in draft for element in self._elements}

    def suggest(self, trial: Any) -> tuple[str, ...]:
        """Each in or out; where all were out one is in, in the study too, by turns."""
        chosen = tuple(
            e for e in self._elements if trial.suggest_categorical(self._name(e), [False, True])
        )
        if chosen or not self._elements:  # of data without attributes, which its trials say
            return chosen
        element = self._elements[trial.number % len(self._elements)]
        _correct(trial, self._name(element), True)
        return (element,)

    def draft(self, value: Any) -> Draft | None:
        """Names."""
        return frozenset(value) if set(value) <= self.groups.keys() else None

    def _name(self, element: str) -> str:
        return self.path + IN_OR_OUT + element


class Crossings(Drafts):
    """Clusterings as crossings of parts, instances for none."""

    def __init__(self, path: str, parts: Sequence[Part], largest: int) -> None:
        super().__init__(path, {part.name: part.group for part in parts}, largest)
        self._parts = {part.name: part for part in parts}
        self._members: dict[str, list[str]] = {}
        for name, group in self.groups.items():
            self._members.setdefault(group, []).append(name)

    def parameters(self, draft: Draft) -> dict[str, Any]:
        """Which part of each group is in."""
        inside = {self.groups[name]: name for name in draft}
        return {self._name(group): inside.get(group, _OUT) for group in self._members}

    def suggest(self, trial: Any) -> dict[str, Any]:
        """A part of each group or none; of too many some are left out, in the study too."""
        drawn = {
            group: trial.suggest_categorical(self._name(group), [_OUT, *members])
            for group, members in self._members.items()
        }
        groups = list(drawn)
        first = trial.number % max(1, len(groups))
        inside = [g for g in groups[first:] + groups[:first] if drawn[g] != _OUT]
        for group in inside[self.largest :]:
            _correct(trial, self._name(group), _OUT)
        chosen = {drawn[group] for group in inside[: self.largest]}
        return clustering_of([part for name, part in self._parts.items() if name in chosen])

    def draft(self, value: Any) -> Draft | None:
        """Names of the parts."""
        found = parts_in(value, list(self._parts.values()))
        return None if found is None else frozenset(part.name for part in found)

    def _name(self, group: str) -> str:
        return self.path + IN_OR_OUT + group


class RolesOfColumns(Drafts):
    """A role for each column; a part is a column in another role than attract, or the first."""

    def __init__(self, path: str, columns: Sequence[str], roles: Sequence[str]) -> None:
        self._columns, self._roles = tuple(columns), list(roles)
        self._first = "attract" if "attract" in roles else roles[0]
        others = [role for role in roles if role != self._first]
        self._parts = {f"{role} {name}": (name, role) for name in columns for role in others}
        groups = {part: name for part, (name, _) in self._parts.items()}
        super().__init__(path, groups, len(self._columns))

    def parameters(self, draft: Draft) -> dict[str, Any]:
        """The role of each column."""
        changed = dict(self._parts[part] for part in draft)
        return {self._name(name): changed.get(name, self._first) for name in self._columns}

    def suggest(self, trial: Any) -> dict[str, str]:
        """A role of each."""
        return {n: trial.suggest_categorical(self._name(n), self._roles) for n in self._columns}

    def draft(self, value: Any) -> Draft | None:
        """The columns in other roles."""
        parts = {f"{role} {name}" for name, role in value.items() if role != self._first}
        return frozenset(parts) if parts <= self._parts.keys() else None

    def _name(self, column: str) -> str:
        return self.path + IN_OR_OUT + column


def _correct(trial: Any, name: str, value: Any) -> None:
    """Let the study say another value of a parameter than was drawn."""
    distribution = trial.distributions[name]
    inside = distribution.to_internal_repr(value)
    trial.storage.set_trial_param(trial._trial_id, name, inside, distribution)
