"""The rules of docs/architecture.md, checked on the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path("clinfonce")
FILES = sorted(PACKAGE.rglob("*.py"))

# Each room may import the rooms named here.
LOW = {"errors", "torchvision_import"}
MIDDLE = {"information", "losses", "augment", "models", "data", "clusterings", "config"}
MAY_IMPORT = {
    "errors": set(),
    "torchvision_import": set(),
    "information": {"errors"},
    "column_information": {"errors", "information"},
    "losses": {"errors"},
    "augment": {"errors"},
    "models": LOW,
    "data": LOW,
    "clusterings": {"errors", "information"},
    "config": {"errors"},
    "evaluation": {"errors", "augment"},
    "results": {"errors"},
    "training": LOW | MIDDLE,
    "rows": LOW | MIDDLE | {"training"},
    "clustering_sources": LOW | MIDDLE | {"training", "evaluation"},
    "experiment": LOW | MIDDLE | {"training", "evaluation", "rows", "clustering_sources"},
    "single": LOW | MIDDLE | {"training", "rows", "experiment", "results"},
    "views": LOW | MIDDLE,
    "export": LOW | MIDDLE | {"training"},
    "scaling": LOW | MIDDLE | {"training", "evaluation", "rows", "experiment", "results"},
    "display": set(),
}
# … and only these rooms import these packages.
ONLY = {"ray": {"scaling"}, "optuna": {"scaling", "results"}, "duckdb": {"results"},
        "yaml": {"config"}, "rich": {"cli", "display"}}  # fmt: skip


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """Modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_run_downward(path):
    here = room(path)
    if here in {"cli", "__init__", "__main__"}:
        return
    rooms = {p.name.removesuffix(".py") for p in PACKAGE.iterdir()}
    used = {m.split(".")[1] for m in imported(path) if m.startswith("clinfonce.")} & rooms
    assert used - {here} <= MAY_IMPORT[here]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_packages_stay_in_their_rooms(path):
    used = {module.split(".")[0] for module in imported(path)}
    for package, rooms in ONLY.items():
        assert package not in used or room(path) in rooms


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_the_command_prints(path):
    calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    prints = [f for f in calls if isinstance(f, ast.Name) and f.id == "print"]
    assert not prints or room(path) == "cli"


def loaded_by(statement):
    code = f"import sys, time; t = time.perf_counter(); {statement}\n"
    code += "print(time.perf_counter() - t, *sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *modules = done.stdout.split()
    return float(seconds), set(modules)


def test_importing_the_package_is_cheap():
    seconds, modules = loaded_by("import clinfonce, clinfonce.cli")
    assert seconds < 1
    assert not modules & {"torch", "ray", "duckdb", "pyarrow", "sklearn"}


def test_queries_run_without_torch_and_ray():
    _, modules = loaded_by("import clinfonce.results as r; r.open; r.relate; r.report")
    assert not modules & {"torch", "ray", "sklearn"}


def test_training_and_evaluation_run_without_ray():
    _, modules = loaded_by("import clinfonce.training.loop, clinfonce.evaluation")
    assert not modules & {"ray", "pydantic", "optuna", "duckdb"}


def test_public_names_load_on_first_use():
    import clinfonce

    for name in clinfonce.__all__:
        assert getattr(clinfonce, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = clinfonce.no_such_name
