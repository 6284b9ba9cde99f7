"""Processes that talk through gloo, started once and used by many tests.

A test asks for the fixture ``gloo`` and calls ``gloo.run(2, function, *arguments)``: the function
runs on two processes within a process group of their own and the results come back in rank order.
The function must be importable (a module's top level), its arguments and result picklable.
"""

import multiprocessing
import pickle
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
TIMEOUT = 180.0  # seconds for one function, starting up included


@dataclass
class GlooPool:
    """Worker processes, started when first needed."""

    workers: list[tuple[BaseProcess, Connection]] = field(default_factory=list)

    def run(self, size: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Call ``function(*arguments)`` on ``size`` processes; the results by rank.

        An exception of the function is raised here, the lowest rank's first.
        """
        while len(self.workers) < size:
            self.workers.append(_start())
        task = pickle.dumps((function, arguments))
        with tempfile.TemporaryDirectory() as folder:
            for rank in range(size):
                self.workers[rank][1].send((str(Path(folder) / "store"), rank, size, task))
            answers = [self._answer(rank) for rank in range(size)]
        for error, trace, _ in answers:
            if error is not None:
                error.add_note(trace)
                raise error
        return [result for _, _, result in answers]

    def close(self) -> None:
        """Let the processes end."""
        for _, connection in self.workers:
            connection.send(None)
        for process, connection in self.workers:
            process.join(TIMEOUT)
            connection.close()
            process.close()
        self.workers.clear()

    def _answer(self, rank: int) -> tuple[Exception | None, str, Any]:
        _, connection = self.workers[rank]
        if not connection.poll(TIMEOUT):
            self._kill()
            raise TimeoutError(f"gloo rank {rank} did not answer within {TIMEOUT:g} s")
        answer: tuple[Exception | None, str, Any] = connection.recv()
        return answer

    def _kill(self) -> None:
        for process, connection in self.workers:
            process.kill()
            process.join()
            connection.close()
        self.workers.clear()


@pytest.fixture(scope="session")
def gloo() -> Iterator[GlooPool]:
    """The session's pool; its processes start with the first test that runs something on it."""
    pool = GlooPool()
    yield pool
    pool.close()


def fork_server() -> Any:
    """Starts processes that have PyTorch and the training loaded, which it loads but once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "clinfonce.losses", "clinfonce.training.loop"])
    return context


def _start() -> tuple[BaseProcess, Connection]:
    context = fork_server()
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    there.close()
    return process, here


def _serve(connection: Connection) -> None:
    import torch

    sys.path.insert(0, str(ROOT))
    torch.set_num_threads(1)
    while (order := connection.recv()) is not None:
        connection.send(_obey(*order))


def _obey(store: str, rank: int, size: int, task: bytes) -> tuple[Exception | None, str, Any]:
    import torch.distributed as dist

    dist.init_process_group(
        "gloo",
        init_method=f"file://{store}",
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=TIMEOUT / 2),
    )
    try:
        function, arguments = pickle.loads(task)
        return None, "", function(*arguments)
    except Exception as error:
        return error, traceback.format_exc(), None
    finally:
        dist.destroy_process_group()
