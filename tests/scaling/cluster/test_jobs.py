"""Sending a sweep to the job API of a Ray cluster: what it answers becomes a line for a person."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clinfonce.cli import main
from clinfonce.config import read_sweep
from clinfonce.errors import InputError, RunError
from clinfonce.scaling.bookkeeping.specification import register_sweep
from clinfonce.scaling.cluster import launcher
from clinfonce.scaling.cluster.jobs import job_client, send

SPEC = Path("sweeps/digits.yaml")
REFUSAL = """Traceback (most recent call last):
  File "job_head.py", line 1, in submit_job
ValueError: Job with submission_id digits-1 already exists. Please use a different submission_id.
"""


class Head:
    """A head node whose job API answers from a script.

    Attributes:
        jobs: that it lists.
        refuses: whether it refuses new ones, with Ray's answer to the second of two senders.
        quicker: the job of another sender, which is there once ours has been refused.
        fails: how the paths begin that it answers with its own failure.
    """

    address = "head"

    def __init__(self):
        self.jobs, self.refuses, self.quicker, self.fails = [], False, None, None

    @contextlib.contextmanager
    def forward(self, port):
        with ThreadingHTTPServer(("127.0.0.1", 0), _answers_of(self)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield server.server_address[1]
            finally:
                server.shutdown()  # else its thread asks the closed socket again and again

    def run(self, command, *, text=""):
        return ""

    def answer(self, path):
        if self.fails is not None and path.startswith(self.fails):
            return 500, "Traceback (most recent call last):\n  File x\nOSError: no agent there"
        if path == "/api/version":
            return 200, json.dumps({"version": "4", "ray_version": "2.60.0", "ray_commit": "x"})
        return 200, json.dumps(self.jobs)

    def take(self, job):
        if self.quicker is not None:
            self.jobs.append(self.quicker)
        if self.refuses:
            return 400, REFUSAL
        self.jobs.append({"type": "SUBMISSION", "status": "RUNNING", **job})
        return 200, json.dumps({"job_id": "1", "submission_id": job["submission_id"]})


def _answers_of(head):
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self._send(*head.answer(self.path))

        def do_POST(self):
            job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(*head.take(job))

        def _send(self, status, text):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    return Answers


@pytest.fixture
def head():
    return Head()


def submit(head, *, fresh=False, **changes):
    sweep = read_sweep(SPEC).model_copy(update=changes)
    with job_client(head) as client:
        return send(client, head, sweep, SPEC.read_text(), results="s3://b/r", fresh=fresh)


def test_a_sweep_that_is_sent_twice_is_one_job(head):
    assert submit(head) == submit(head) == "digits-1"
    assert len(head.jobs) == 1
    with pytest.raises(InputError, match="runs on the cluster already, with another"):
        submit(head, seeds=(7,))


def test_the_second_of_two_that_send_a_sweep_at_once_follows_the_first(head):
    submit(head)
    (head.quicker,) = head.jobs
    head.jobs, head.refuses = [], True
    assert submit(head) == "digits-1"


def test_the_second_of_two_that_send_different_sweeps_at_once_is_refused(head):
    submit(head, seeds=(7,))
    (head.quicker,) = head.jobs
    head.jobs, head.refuses = [], True
    with pytest.raises(InputError, match="runs on the cluster already, with another"):
        submit(head)


def test_what_the_job_api_fails_with_is_told_in_a_line(head):
    head.refuses = True
    with pytest.raises(RunError) as told:
        submit(head)
    assert str(told.value).startswith(
        "Ray's job API at head failed: ValueError: Job with submission_id digits-1 already exists."
    )
    assert "\n" not in str(told.value)


@pytest.fixture
def file(head, monkeypatch):
    """A cluster's file whose head is ours."""
    monkeypatch.setattr(launcher, "head_of", lambda *_: head)
    return Path("cluster-local.yaml")


def run(file, home, *, fresh=False):
    sweep = read_sweep(SPEC)
    return launcher.run_sweep_there(file, sweep, SPEC.read_text(), home, print, fresh=fresh)


def test_a_head_that_cannot_say_which_machines_there_are_is_told(head, file, tmp_path):
    head.fails = "/nodes"
    with pytest.raises(RunError, match="Ray's job API at head failed: 500 Server Error") as told:
        run(file, tmp_path / "results")
    assert "\n" not in str(told.value)


def test_a_head_that_cannot_list_its_jobs_is_told(head, file, tmp_path):
    head.fails = "/api/jobs"
    with pytest.raises(RunError, match="Ray's job API at head failed: OSError: no agent there"):
        run(file, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_job_that_is_refused_leaves_the_note_of_the_sweep_as_it_is(head, file, tmp_path):
    submit(head)
    register_sweep(tmp_path, "digits", {"name": "digits", "seeds": [7]}, fresh=True)
    (tmp_path / "store.json").write_text('{"format": "clinfonce-results", "version": 1}')
    note = tmp_path / "sweeps/digits.json"
    before = note.read_text()
    with pytest.raises(InputError, match="with another specification"):
        run(file, tmp_path)
    head.answer, answer = lambda path: _with_workers(answer, path), head.answer
    with pytest.raises(InputError, match="--fresh would forget its rows"):
        run(file, tmp_path, fresh=True)
    assert note.read_text() == before


def _with_workers(answer, path):
    """Two workers are there, so that nobody waits for them."""
    if not path.startswith("/nodes"):
        return answer(path)
    node = {"raylet": {"state": "ALIVE", "isHeadNode": False}}
    return 200, json.dumps({"data": {"summary": [node, node]}})


def test_results_in_an_object_store_keep_their_address(monkeypatch, tmp_path):
    homes = []

    def run_sweep_there(file, sweep, text, home, show, *, fresh):
        homes.append(home)
        return 1

    monkeypatch.setattr(launcher, "run_sweep_there", run_sweep_there)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits.yaml").write_text((Path(__file__).parents[3] / SPEC).read_text())
    command = ["sweep", "digits.yaml", "--cluster", "cluster.yaml"]
    assert main([*command, "--results", "s3://bucket/results"]) == 1
    assert homes == ["s3://bucket/results"]
