"""How the workers of a group find each other, over the network interface that Ray uses.

PyTorch itself would let the first worker listen on all interfaces, to whoever calls. It is loaded
in the workers alone, not where the group is led.
"""

import os
import socket
from datetime import timedelta

import ray


def listen() -> tuple[str, int, int]:
    """Begin to listen for the others: address, port, and the descriptor of the socket."""
    address = ray.util.get_node_ip_address()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 0), family=family)
    port: int = listener.getsockname()[1]
    return address, port, listener.detach()


def join(rank: int, size: int, first: tuple[str, int, int], backend: str, timeout_s: int) -> None:
    """Join the process group.

    Args:
        rank: of this worker.
        size: how many workers there are.
        first: what `listen` returned in the first worker.
        backend: of `torch.distributed`.
        timeout_s: seconds that a worker waits for the others.
    """
    import torch.distributed as dist

    address, port, descriptor = first
    os.environ |= {"MASTER_ADDR": address, "MASTER_PORT": str(port)}
    timeout = timedelta(seconds=timeout_s)
    store = dist.TCPStore(  # type: ignore[attr-defined]
        address,
        port,
        size,
        is_master=rank == 0,
        timeout=timeout,
        wait_for_workers=False,
        master_listen_fd=descriptor if rank == 0 else None,
    )
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)


def leave() -> None:
    """Leave the process group, and give back what PyTorch keeps of a GPU."""
    import torch
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
