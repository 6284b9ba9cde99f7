"""How the workers of a group find each other."""

import json
import os
import subprocess
import sys

import pytest

JOIN = """
import json, os, sys
import ray, torch
import psutil  # Ray brings it
from clinfonce.scaling.execution.process_group import join, listen

ray.util.get_node_ip_address = lambda: "127.0.0.1"
rank = int(sys.argv[1])
first = tuple(json.loads(sys.stdin.readline())) if rank else listen()
if not rank:
    print(json.dumps(first), flush=True)
join(rank, 2, first, "gloo", 60)
total = torch.ones(1)
torch.distributed.all_reduce(total)
ports = {c.laddr.ip for c in psutil.Process().net_connections("inet") if c.status == "LISTEN"}
torch.distributed.barrier()
print(json.dumps([total.item(), sorted(ports)]), flush=True)
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_workers_meet_on_the_interface_of_ray_and_nowhere_else():
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "http_proxy": "http://127.0.0.1:9"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", JOIN, str(rank)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for rank in range(2)
    ]  # fmt: skip
    first = workers[0].stdout.readline()
    found = [json.loads(worker.communicate(first)[0]) for worker in reversed(workers)]
    assert [total for total, _ in found] == [2, 2]
    assert {ip.removeprefix("::ffff:") for _, ips in found for ip in ips} == {"127.0.0.1"}
