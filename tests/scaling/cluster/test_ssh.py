"""A machine that cannot be entered is told in a line, in seconds."""

import shutil
import time
from pathlib import Path

import pytest

from clinfonce.cli import main
from clinfonce.errors import InputError
from clinfonce.scaling.cluster.ssh import Machine

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed")
needs_rsync = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")

NOBODY = Machine("127.0.0.1", "nobody-of-this-name", "/no/such/key")


def leave(machine):
    with machine.forward(8265):
        pass


@needs_ssh
@pytest.mark.parametrize("use", [lambda m: m.run("true"), leave], ids=["run", "forward"])
def test_who_is_not_let_in_is_told(use):
    began = time.monotonic()
    with pytest.raises(InputError, match=r"cannot enter nobody-of-this-name@127\.0\.0\.1") as told:
        use(NOBODY)
    assert "\n" not in str(told.value)
    assert time.monotonic() - began < 20


@needs_ssh
@needs_rsync
def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match=r"cannot enter|127\.0\.0\.1: rsync /none"):
        NOBODY.fetch(["trials"], "/none", tmp_path)


@pytest.fixture
def local_file(tmp_path):
    text = Path("cluster-local.yaml").read_text().replace("192.168.1.", "127.0.0.")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("/home/me/.ssh/clinfonce", "/no/such/key"))
    return path


@pytest.mark.parametrize("command", [["cluster", "up"], ["cluster", "down"]], ids=" ".join)
def test_a_file_that_is_not_there(command, capsys):
    assert main([*command, "none.yaml"]) == 2
    assert capsys.readouterr().err == (
        "clinfonce: none.yaml: cannot be read: No such file or directory\n"
    )


@needs_ssh
def test_machines_that_cannot_be_entered_start_nothing(local_file, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["cluster", "up", str(local_file)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("clinfonce: cannot enter me@127.0.0.1")
    assert told.count("\n") == 1


@needs_ssh
def test_a_sweep_for_machines_that_cannot_be_entered_writes_nothing(local_file, capsys, tmp_path):
    home = tmp_path / "results"
    command = ["sweep", "sweeps/digits.yaml", "--results", str(home), "--cluster"]
    assert main([*command, "none.yaml"]) == 2
    assert main([*command, str(local_file)]) == 2
    assert "cannot enter me@127.0.0.10" in capsys.readouterr().err.splitlines()[-1]
    assert not home.exists()
