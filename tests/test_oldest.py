"""The lowest versions that pyproject.toml admits, and what they are tried with."""

import tomllib
from pathlib import Path

from tests.oldest import lowest

PROJECT, TESTED = Path("pyproject.toml").read_text(), Path("constraints.txt").read_text()


def test_every_dependency_has_a_lowest_version_and_ray_a_highest():
    dependencies = tomllib.loads(PROJECT)["project"]["dependencies"]
    assert len(dependencies) > 10
    assert [d for d in dependencies if ">=" not in d] == []
    (ray,) = (d for d in dependencies if d.startswith("ray"))
    assert ray.endswith(">=2.60,<2.61")
    assert "ray==2.60.0" in TESTED.splitlines()


def test_the_constraints_hold_each_at_its_lowest_and_pytorch_as_it_is_tested():
    lines = set(lowest(PROJECT, TESTED))
    assert "ray==2.60" in lines
    assert "numpy==2" in lines
    assert {line for line in TESTED.splitlines() if line.startswith("torch==")} <= lines
    assert not any(">" in line or "[" in line for line in lines)
