"""What `pip install` brings, without a checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_what_is_installed_finds_the_files_that_are_shipped(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "clinfonce", "sweeps"):
        (source / name).symlink_to(Path(name).absolute())
    # Without the last one pip would take away what is installed beside it.
    install = ["install", "--no-deps", "--no-build-isolation", f"--prefix={tmp_path}/there"]
    install += ["--ignore-installed"]
    subprocess.run([*pip, *install, str(source)], check=True, timeout=300)
    (packages,) = (tmp_path / "there").glob("lib/python*/site-packages")
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    code = (
        "import clinfonce, clinfonce.config as c; from importlib.resources import files;"
        "print(clinfonce.__file__); print(c.read_sweep('digits').name);"
        "print((files('clinfonce.results.report') / 'report.js').is_file())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    where, name, has_page = done.stdout.split()
    assert where.startswith(str(packages))
    assert (name, has_page) == ("digits", "True")
