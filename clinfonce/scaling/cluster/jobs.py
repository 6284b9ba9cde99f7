"""Sweeps as jobs of a Ray cluster: they go on when whoever sent them is gone."""

import asyncio
import hashlib
import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobSubmissionClient

from clinfonce.config import SweepSpec
from clinfonce.errors import InputError, RunError
from clinfonce.scaling.cluster.ssh import Machine
from clinfonce.scaling.connection.authentication import token
from clinfonce.scaling.connection.environment import without_proxy

_PAUSE = 3.0  # seconds between two attempts to reach the head again
_DASHBOARD = 8265  # Ray's port for jobs, on the head's loopback
_LOST = (aiohttp.ClientError, requests.RequestException, ConnectionError, RuntimeError)

Show = Callable[[str], None]


@contextmanager
def job_client(head: Machine) -> Iterator[JobSubmissionClient]:
    """The job API of the Ray cluster with this head node, through an SSH tunnel.

    Raises:
        InputError: the head cannot be entered, no Ray runs there, or it refuses the token.
        RunError: the job API fails, at once or while it is used.
    """
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):  # Ray would prefer them to our tunnel
        os.environ.pop(name, None)
    known = token()
    headers = {"Authorization": f"Bearer {known}"} if known else {}
    with without_proxy(), head.forward(_DASHBOARD) as port, _failures_in_a_line(head):
        try:
            client = JobSubmissionClient(f"http://127.0.0.1:{port}", headers=headers)
            client.list_jobs()  # the version above is told without a token
        except AuthenticationError:
            what = "refuses this token" if known else "asks for a token, and there is none"
            raise InputError(
                f"the Ray cluster at {head.address} {what}: the file ~/.ray/auth_token (or "
                "RAY_AUTH_TOKEN) must hold what it had when the cluster was started"
            ) from None
        except (ConnectionError, requests.RequestException):
            raise InputError(
                f"no Ray runs on {head.address}; start it with `clinfonce cluster up`"
            ) from None
        yield client


@contextmanager
def _failures_in_a_line(head: Machine) -> Iterator[None]:
    """What the job API answers a request that fails with is a traceback of the head's."""
    try:
        yield
    except RunError:
        raise
    except (AuthenticationError, *_LOST) as error:
        raise RunError(f"Ray's job API at {head.address} failed: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    lines = str(error).rstrip("\n .").splitlines() or [type(error).__name__]
    return lines[-1].strip()


def running_job(client: JobSubmissionClient, sweep: str) -> JobDetails | None:
    """The job of a sweep that has not ended, if there is one."""
    jobs = [job for job in client.list_jobs() if _sweep_of(job) == sweep]
    return next((job for job in jobs if not job.status.is_terminal()), None)


def send(
    client: JobSubmissionClient, head: Machine, sweep: SweepSpec, text: str,
    *, results: str, fresh: bool,
) -> str:  # fmt: skip
    """Start a sweep as a job, or find the one that runs already.

    Args:
        client: of the head's job API.
        head: where the specification is put.
        sweep: the specification.
        text: the same as YAML.
        results: the result store, as the head sees it.
        fresh: forget the rows of an earlier run.

    Returns:
        The id of the job.

    Raises:
        InputError: the sweep runs already, with another specification or not `fresh`.
        RuntimeError: the job API fails.
    """
    specification = json.dumps(sweep.canonical(), sort_keys=True)
    digest = hashlib.sha256(specification.encode()).hexdigest()
    if (job := running_job(client, sweep.name)) is None:
        # Of two that send it at once each leaves a file of its own, and one is refused.
        place = f"sweeps/{sweep.name}-{digest[:12]}.yaml"
        head.run(f"cd clinfonce && mkdir -p sweeps && cat > {shlex.quote(place)}", text=text)
        words = ["clinfonce", "sweep", place, "--results", results]
        command = shlex.join([*words, *(["--fresh"] if fresh else [])])
        try:
            return _submit(client, command, {"sweep": sweep.name, "specification": digest})
        except RuntimeError:
            if (job := running_job(client, sweep.name)) is None:
                raise
    if fresh or job.metadata.get("specification") != digest:
        how = "and --fresh would forget its rows" if fresh else "with another specification"
        raise InputError(
            f"sweep {sweep.name} runs on the cluster already, {how}; end it first with "
            f"`clinfonce cluster stop FILE {sweep.name}`, or give this one another name"
        )
    return str(job.submission_id)


def _submit(client: JobSubmissionClient, command: str, metadata: dict[str, str]) -> str:
    sweep = metadata["sweep"]
    number = 1 + sum(_sweep_of(job) == sweep for job in client.list_jobs())
    return client.submit_job(
        # What it prints at its end is printed here, of the rows brought home.
        entrypoint=f"cd ~/clinfonce && exec {command} > /dev/null",
        submission_id=f"{sweep}-{number}",  # the second of two that send it at once is refused
        metadata=metadata,
    )


def follow(head: Machine, job: str, show: Show, *, patience: int = 10) -> int:
    """Show what a job says until it ends, through lost connections too.

    Args:
        head: the head node.
        job: its id.
        show: takes each piece of its output.
        patience: how many times in a row to try to reach the head again.

    Returns:
        The exit status of its command.

    Raises:
        RunError: it was stopped, or the head stays out of reach.
    """
    seen = tries = 0
    while True:
        try:
            with job_client(head) as client:
                before = seen
                for piece in _output(client, job, skip=seen):
                    seen += len(piece)
                    show(piece)
                tries = 0 if seen > before else tries
                details = client.get_job_info(job)
        except (InputError, *_LOST) as error:
            tries += 1
            if tries > patience:
                raise RunError(
                    f"lost the connection to {head.address} ({error}); the sweep goes on there, "
                    "and the same command follows it again"
                ) from error
            time.sleep(_PAUSE)
            continue
        if details.status.is_terminal():
            return _exit_status(details)


def _output(client: JobSubmissionClient, job: str, *, skip: int) -> Iterator[str]:
    """The output of a job as it comes, without its first characters."""
    loop = asyncio.new_event_loop()
    pieces = client.tail_job_logs(job)
    try:
        while True:
            try:
                piece = loop.run_until_complete(anext(pieces))
            except StopAsyncIteration:
                return
            if new := piece[skip:]:
                yield new
            skip = max(0, skip - len(piece))
    finally:
        loop.run_until_complete(pieces.aclose())
        loop.close()


def _exit_status(details: JobDetails) -> int:
    if details.status == "SUCCEEDED":
        return 0
    if details.status == "STOPPED":
        raise RunError("the sweep was stopped; the same command goes on from the rows it has")
    if details.driver_exit_code is None:
        reason = str(details.message or "it ended without a word").splitlines()[0]
        raise RunError(f"the sweep's process on the head node is gone: {reason}")
    status: int = details.driver_exit_code
    return status


def _sweep_of(job: Any) -> str | None:
    return (job.metadata or {}).get("sweep")
