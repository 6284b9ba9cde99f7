"""The machines that `ray up` may add to a Ray cluster, from the file it leaves on the head."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_ON_THE_HEAD = Path("~/ray_bootstrap_config.yaml")  # written by `ray up`


@dataclass(frozen=True)
class NodeType:
    """A kind of machine.

    Attributes:
        most: how many of it there may be beside the head.
        resources: of each, such as {"CPU": 8.0, "GPU": 1.0}.
    """

    most: int
    resources: Mapping[str, float]


@dataclass(frozen=True)
class Fleet:
    """The machines that a cluster may grow to.

    Attributes:
        kinds: of machines. One whose resources the file does not say is left out: it counts once
            it is there.
        most: machines beside the head.
        head: its resources.
    """

    kinds: Sequence[NodeType] = ()
    most: int = 0
    head: Mapping[str, float] | None = None

    @property
    def machines(self) -> list[Mapping[str, float]]:
        """The resources of one machine of each kind that there may be."""
        kinds = [kind.resources for kind in self.kinds if min(kind.most, self.most) > 0]
        return kinds if self.head is None else [self.head, *kinds]

    def room(self, fit: Callable[[Mapping[str, float]], int]) -> int:
        """How many workers fit, where `fit` says how many do on a machine."""
        room, left = 0 if self.head is None else fit(self.head), self.most
        for kind in sorted(self.kinds, key=lambda kind: fit(kind.resources), reverse=True):
            count = min(left, kind.most)
            room, left = room + count * fit(kind.resources), left - count
        return room


def read_fleet(path: Path = _ON_THE_HEAD) -> Fleet:
    """The machines that an autoscaler may start; none where there is no such file."""
    try:
        cluster = yaml.safe_load(path.expanduser().read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return Fleet()
    if not isinstance(cluster, Mapping):
        return Fleet()
    most = int(cluster.get("max_workers", 0))
    types = cluster.get("available_node_types") or {}
    head = types.get(cluster.get("head_node_type"))
    return Fleet(list(_kinds(types, most)), most, None if head is None else _resources(head))


def _kinds(types: Mapping[str, Any], most: int) -> Iterator[NodeType]:
    for kind in types.values():
        count = min(most, int(kind.get("max_workers", most)))
        if count > 0 and (resources := _resources(kind)):
            yield NodeType(count, resources)


def _resources(kind: Mapping[str, Any]) -> dict[str, float]:
    said = kind.get("resources") or {}
    return {name: float(number) for name, number in said.items() if _number(number)}


def _number(value: Any) -> bool:
    return isinstance(value, int | float)
