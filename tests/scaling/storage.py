"""A sweep, a disk that can be filled, and a server of S3 that can be stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow.fs as pafs
import pytest

SWEEP = """
name: demo
data: {name: digits}
trial:
  augmentation: digits
  encoder: {width: 4}
  evaluation: {every: 1, draws: 2}
  epochs: 3
seeds: [1]
fixed: [{name: InfoNCE, trial: {}}]
search:
  trials: 3
  sampler: random
  trial: {clustering: {source: attributes, top_k: 3}}
  space: {objective.temperature: {low: 0.05, high: 1.0, log: true}}
  window: 2
scheduler: {name: asha}
keep: 1
"""
TRIALS = 5
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def mounted_disk(place: Any) -> Iterator[Any]:
    """A disk of its own, of 64 MiB; skips the test where nothing may be mounted."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@dataclass(frozen=True)
class Server:
    """The process of a server, which keeps its state while it is stopped."""

    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def s3_server(
    folder: Any, monkeypatch: pytest.MonkeyPatch, host: str = "127.0.0.1"
) -> Iterator[tuple[Server, str]]:
    """A server that imitates S3, as a process of its own at an address, and a place in it."""
    pytest.importorskip("moto.server", reason="moto, which imitates S3, is not installed")
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)]
    with (folder / "moto.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ})
    try:
        yield Server(process), _bucket(f"{host}:{port}")
    finally:
        process.kill()
        process.wait()


def _bucket(address: str) -> str:
    options = f"scheme=http&endpoint_override={address}&region=us-east-1"
    filesystem = pafs.FileSystem.from_uri(f"s3://x?{options}&allow_bucket_creation=true")[0]
    deadline = time.monotonic() + 120
    while True:
        try:
            filesystem.create_dir("bucket")
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        else:
            return f"s3://bucket/home?{options}"
