"""docs/tour.ipynb runs from its first cell to its last."""

from pathlib import Path

import pytest

NOTEBOOK = Path("docs/tour.ipynb").absolute()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def test_the_tour_runs(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not kept"
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    said = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
    )
    assert "898 training images" in said
    assert "prime-even-loop" in said or "attributes(" in said
    assert "have a nearest neighbour of their class" in said
    kinds = {key for cell in notebook.cells for output in cell.get("outputs", ())
             for key in output.get("data", ())}  # fmt: skip
    assert "image/png" in kinds
