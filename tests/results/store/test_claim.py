"""One process at a time runs a sweep into a store."""

import os
import signal
import subprocess
import sys

import pytest

from clinfonce.errors import RunError
from clinfonce.files import Folder
from clinfonce.results.store.claim import claimed

CLAIM = """
import sys, time
from clinfonce.files import Folder
from clinfonce.results.store.claim import claimed
with claimed(Folder.at(sys.argv[1]), "demo"):
    print("mine", flush=True)
    time.sleep(300)
"""


def test_the_second_is_told_who_is_the_first(tmp_path):
    folder = Folder.at(tmp_path)
    with claimed(folder, "demo"), claimed(folder, "another"):
        told = rf"demo runs into {tmp_path} already \(process {os.getpid()} on \S+\): wait"
        with pytest.raises(RunError, match=told) as caught, claimed(folder, "demo"):
            pass
        assert "\n" not in str(caught.value)
    with claimed(folder, "demo"):
        pass


def test_a_process_that_was_killed_holds_nothing(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "mine\n"
        with (
            pytest.raises(RunError, match=f"process {process.pid} on"),
            claimed(Folder.at(tmp_path), "demo"),
        ):
            pass
        process.send_signal(signal.SIGKILL)
    with claimed(Folder.at(tmp_path), "demo"):
        pass
