"""Constraints that hold every dependency at the lowest version that pyproject.toml admits.

    python -m tests.oldest > constraints-oldest.txt

Whatever has no lower bound here is the newest that fits. PyTorch and torchvision are those of
constraints.txt: their wheels for machines without a GPU are not all kept where others are.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

_AS_TESTED = ("torch", "torchvision")
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?>=(?P<lowest>[0-9.]+)")


def lowest(project: str, tested: str) -> Iterator[str]:
    """Lines for `pip --constraint`.

    Args:
        project: text of pyproject.toml.
        tested: text of constraints.txt.
    """
    part = tomllib.loads(project)["project"]
    needed = [*part["dependencies"], *part["optional-dependencies"]["test"]]
    needed += [r for extra in ("export",) for r in part["optional-dependencies"][extra]]
    for requirement in needed:
        found = _REQUIREMENT.match(requirement)
        if found is not None and found["name"] not in _AS_TESTED:
            yield f"{found['name']}=={found['lowest']}"
    for line in tested.splitlines():
        if line.partition("==")[0] in _AS_TESTED:
            yield line


if __name__ == "__main__":
    texts = (
        Path(name).read_text(encoding="utf-8") for name in ("pyproject.toml", "constraints.txt")
    )
    sys.stdout.write("".join(f"{line}\n" for line in lowest(*texts)))
