"""The rules of docs/architecture.md, checked on the source."""

import ast
import functools
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path("clinfonce")
FILES = sorted(PACKAGE.rglob("*.py"))

# Each room may import the rooms named here; a room within a room stands with its path.
LOW = {"errors", "files", "memory", "seal", "torchvision_import", "text"}
MIDDLE = {"information", "losses", "augment", "models", "data", "clusterings", "similarity",
          "config"}  # fmt: skip
TRIAL = LOW | MIDDLE | {"training", "features", "evaluation"}
MAY_IMPORT = {
    "errors": set(),
    "files": {"errors"},
    "seal": {"errors"},
    "memory": set(),
    "text": set(),
    "torchvision_import": set(),
    "information": {"errors", "data"},
    "losses": {"errors"},
    "similarity": {"errors"},
    "augment": {"errors"},
    "models": LOW | {"augment"},
    "data": LOW,
    "clusterings": {"errors", "information"},
    "config": {"errors"},
    "evaluation": {"errors", "augment"},
    "results": {"errors", "files", "seal", "text"},
    "plot": {"results"},
    "training": LOW | MIDDLE,
    "features": LOW | MIDDLE | {"training"},
    "trial": TRIAL | {"results"},
    "advice": TRIAL | {"results", "trial"},
    "setup": TRIAL | {"results", "trial", "advice"},
    "scaling": TRIAL | {"results", "trial", "advice"},
}
# Within these rooms, from the bottom up: each may import those before it.
WITHIN = {
    "data": ("image_files", "storage", "hierarchy", "targets", "table", "split", "tables",
             "readers", "prepared", "sets",
             "registry"),
    "text": ("flow", "printable", "table"),
    "results": ("store", "sql", "analysis", "plot", "report", "track"),
    "scaling": ("limits", "ray_private", "search", "connection", "bookkeeping", "execution",
                "cluster", "sweep"),
    "trial": ("clusterings", "columns", "attraction", "parts", "rows", "start", "encoding",
              "targets", "label_free", "held_out", "finetuning", "probing", "factors", "run",
              "storable", "single", "preview", "views", "embedding", "gallery"),
    "setup": ("columns", "budget", "rehearsal", "first", "writing", "begin"),
}  # fmt: skip
# … and only these rooms import these packages.
ONLY = {"ray": {"scaling"}, "optuna": {"scaling", "results"}, "duckdb": {"results"},
        "yaml": {"config"}, "rich": {"cli"}, "matplotlib": {"results"}}  # fmt: skip


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def nodes(path):
    """All of a file's syntax, parsed once for all rules."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported(path):
    """Modules that a file imports, also inside functions."""
    for node in nodes(path):
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


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in WITHIN], ids=str)
def test_imports_run_downward_within_a_room(path):
    """The room within the room: a folder, or a module that stands beside folders."""
    _, *inner = path.relative_to(PACKAGE).with_suffix("").parts
    if inner == ["__init__"]:
        return
    order = WITHIN[room(path)]
    start = f"clinfonce.{room(path)}."
    used = {m.removeprefix(start).split(".")[0] for m in imported(path) if m.startswith(start)}
    for other in (used & {p.stem for p in (PACKAGE / room(path)).iterdir()}) - {inner[0]}:
        assert order.index(other) < order.index(inner[0]), f"{inner[0]} imports {other}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_packages_stay_in_their_rooms(path):
    used = {module.split(".")[0] for module in imported(path)}
    for package, rooms in ONLY.items():
        assert package not in used or room(path) in rooms


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_the_command_prints(path):
    calls = [n.func for n in nodes(path) if isinstance(n, ast.Call)]
    prints = [f for f in calls if isinstance(f, ast.Name) and f.id == "print"]
    assert not prints or room(path) == "cli"


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_is_cheap():
    modules = loaded_by("import clinfonce, clinfonce.cli")
    assert not modules & {"torch", "ray", "duckdb", "pyarrow", "sklearn", "numpy", "pydantic"}


def test_queries_run_without_torch_and_ray():
    modules = loaded_by("import clinfonce.results as r; r.open; r.relate; r.report")
    assert not modules & {"torch", "ray", "sklearn", "matplotlib"}


def test_training_and_evaluation_run_without_ray():
    modules = loaded_by("import clinfonce.training.loop, clinfonce.evaluation")
    assert not modules & {"ray", "pydantic", "optuna", "duckdb"}


def test_public_names_load_on_first_use():
    import clinfonce

    for name in clinfonce.__all__:
        assert getattr(clinfonce, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = clinfonce.no_such_name


def test_files_and_functions_are_short():
    """Lines of files, and of functions without their docstrings."""
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in FILES]
    assert statistics.median(lengths) < 150
    assert not [f"{p}: {n}" for p, n in zip(FILES, lengths, strict=True) if n > 400]
    assert not [f"{p}: {name}: {n}" for p in FILES for name, n in functions(p) if n > 60]


def functions(path):
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None
            words = node.body[0].end_lineno - node.body[0].lineno + 1 if documented else 0
            yield node.name, node.end_lineno - node.lineno + 1 - words


def test_the_tour_leads_past_what_is_there():
    tour = Path("docs/tour-of-the-code.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:tests/)?[a-z_/]+\.py)`", tour))
    assert len(named) > 20
    assert not [
        n for n in named if not (Path(n) if n.startswith("tests/") else PACKAGE / n).exists()
    ]
    walked = re.findall(r"`([a-z_/]+\.py)`, `(\w+)`", tour)
    for file, name in walked:
        assert re.search(rf"^(def|class) {name}\b", (PACKAGE / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", [p for p in FILES if room(p) != "data"], ids=str)
def test_nothing_is_unpickled(path):
    """Results and checkpoints come from elsewhere: what reads them must not be able to run code.

    Data sets that are published as pickles are another matter, for their room alone.
    """
    calls = [n for n in nodes(path) if isinstance(n, ast.Call)]
    for call in calls:
        name = ast.unparse(call.func)
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert name not in {"pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load"}
        assert name != "torch.load" or options.get("weights_only") == "True"
        assert options.get("allow_pickle", "False") == "False"
