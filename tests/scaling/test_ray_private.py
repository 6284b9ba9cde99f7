"""What Ray does not promise to keep is there, and one module alone uses it."""

import ast
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest
import ray

from clinfonce.scaling import ray_private

MENDED_IN = "mend clinfonce/scaling/ray_private.py, the one module that uses it"


@pytest.mark.parametrize("name", ray_private.NAMES)
def test_ray_still_has_it(name):
    assert has(name), f"Ray {ray.__version__} has no {name} any more: {MENDED_IN}"


def has(name):
    whole, _, part = name.partition("=")
    try:
        found = pkgutil.resolve_name(whole)
    except (ImportError, AttributeError):
        return False
    if hasattr(found, "DESCRIPTOR"):
        return part in found.DESCRIPTOR.fields_by_name
    return not part or re.search(rf"\b{part}\b", inspect.getsource(found)) is not None


def test_what_is_gone_is_noticed():
    assert not has("ray._private.node.Node.kill_some_processes")
    assert not has("ray._private.node.Node.kill_all_processes=gently")
    assert not has("ray.core.generated.gcs_pb2.JobTableData=is_well")
    assert not has("ray._private.no_such_module.name")


def test_the_versions_it_was_tested_with_are_all_that_may_be_installed():
    release = ".".join(ray.__version__.split(".")[:2])
    assert release in ray_private.TESTED, f"not tested with Ray {ray.__version__}: {MENDED_IN}"
    wanted = tomllib.loads(Path("pyproject.toml").read_text())["project"]["dependencies"]
    (of_ray,) = (line.partition("]")[2] for line in wanted if line.startswith("ray["))
    first, last = ray_private.TESTED[0], ray_private.TESTED[-1]
    major, minor = last.split(".")
    assert of_ray == f">={first},<{major}.{int(minor) + 1}"


OWN = {"self", "cls"}
OPTUNA = {"_trial_id"}  # no name of Ray's


@pytest.mark.parametrize("path", sorted(Path("clinfonce/scaling").rglob("*.py")), ids=str)
def test_no_other_module_uses_a_private_name(path):
    if path.name == "ray_private.py":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    imported += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    private = re.compile(r"\._|\.generated\b")
    assert not [name for name in imported if name.startswith("ray.") and private.search(name)]
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and re.match(r"_[a-z]", node.attr)
        and not _is_own(node.value)
    }
    assert used <= OPTUNA, f"private names of others: {MENDED_IN}"


def _is_own(value):
    """Whether an attribute is of an object of the module's own: `self` or what it holds."""
    while isinstance(value, ast.Attribute):
        value = value.value
    return isinstance(value, ast.Name) and value.id in OWN
