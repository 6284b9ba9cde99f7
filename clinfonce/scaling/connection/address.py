"""Whether a running Ray cluster can be joined: found in seconds, said in one line.

Ray itself tries for a minute and says the same of a wrong token as of a machine that is off.
"""

import json
import platform
import re
import socket
from collections.abc import Callable
from typing import Any

import grpc
import ray

from clinfonce.errors import InputError
from clinfonce.scaling import ray_private
from clinfonce.scaling.connection.authentication import mode, token

_PATIENCE = 5.0  # seconds
_HOST_AND_PORT = re.compile(r"(?P<host>[^:/\s]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")


def check_address(address: str) -> str:
    """Look whether this process can join the Ray cluster at an address.

    Args:
        address: HOST:PORT of the head node's Ray; auto: one that runs on this machine, found as Ray
            finds it (RAY_ADDRESS, if set, is auto then too); local is left to Ray.

    Returns:
        The address as HOST:PORT, or local.

    Raises:
        InputError: nothing answers there, it refuses the token or wants none, runs another version
            of Ray or Python, or this machine is none of its nodes.
    """
    if address == "local":
        return address
    if address == "auto":
        address = _running_here()
    parts = _HOST_AND_PORT.fullmatch(address)
    if parts is None:
        raise InputError(
            f"RAY_ADDRESS is {address!r}: allowed are HOST:PORT (such as 10.0.0.5:6379), auto and "
            "local; a sweep is sent to a Ray cluster from outside with --cluster FILE"
        )
    _check_reachable(address, parts["host"].strip("[]"), int(parts["port"]))
    with _channel(address) as channel:
        _check_version(address, channel)
        _check_mode(address, asks=_asks(address, channel))
        _check_node(address, channel)
    return address


def asks_for_token(address: str) -> bool:
    """Whether the Ray cluster at HOST:PORT lets nobody in without a token.

    Raises:
        InputError: nothing of Ray answers there.
    """
    with _channel(address) as channel:
        return _asks(address, channel)


def _channel(address: str) -> grpc.Channel:
    """As Ray's own: a proxy of the environment is not for machines of one network."""
    return grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])


def _running_here() -> str:
    found = ray_private.running_here()
    if found is None:
        raise InputError(
            "RAY_ADDRESS is 'auto', but no Ray cluster runs on this machine: start one with `ray "
            "start --head`, or name one by HOST:PORT"
        )
    return found


def _check_reachable(address: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"no Ray cluster can be reached at {address}: {reason}; is RAY_ADDRESS right, and is "
            "the cluster up?"
        ) from None


def _asks(address: str, channel: grpc.Channel) -> bool:
    get, _ = ray_private.head_questions(channel)
    try:
        get(ray_private.METADATA_REQUEST, timeout=_PATIENCE)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.UNAUTHENTICATED:
            raise _not_ray(address, error) from None
        return True
    return False


def _check_mode(address: str, *, asks: bool) -> None:
    """Both sides must be of one mind: Ray's processes hang up on whoever is not, one by one."""
    ours = mode()
    if ours is None or (ours == "token") == asks:
        return
    theirs = "asks for a token" if asks else "runs without a token"
    raise InputError(
        f"the Ray cluster at {address} {theirs}, but RAY_AUTH_MODE is {ours!r} here: unset it, or "
        "start the cluster with the same"
    )


def _check_version(address: str, channel: grpc.Channel) -> None:
    get, _ = ray_private.head_questions(channel)
    metadata = json.loads(_ask(address, get, ray_private.METADATA_REQUEST).value or "{}")
    there = metadata.get("ray_version", ray.__version__), metadata.get("python_version")
    here = ray.__version__, platform.python_version()
    if there[0] != here[0] or there[1] not in (None, here[1]):
        raise InputError(
            f"the Ray cluster at {address} runs Ray {there[0]} on Python {there[1]}, this is Ray "
            f"{here[0]} on Python {here[1]}: install the same versions on both"
        )


def _check_node(address: str, channel: grpc.Channel) -> None:
    _, get = ray_private.head_questions(channel)
    nodes = _ask(address, get, ray_private.NODES_REQUEST).node_info_list
    addresses = [node.node_manager_address for node in nodes if node.state == node.ALIVE]
    if not addresses:
        raise InputError(
            f"the Ray cluster at {address} has no node that works: if it was just started, try "
            "again in a moment, else look at its logs"
        )
    if not any(_is_ours(node) for node in addresses):
        raise InputError(
            f"this machine is no node of the Ray cluster at {address} (nodes: "
            f"{', '.join(addresses[:8])}): run on one of them, or send the sweep there with "
            "--cluster FILE"
        )


def _is_ours(address: str) -> bool:
    """Whether an address is one of this machine's: only those can be listened at."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.bind((address, 0))
    except OSError:
        return False
    return True


def _ask(address: str, question: Callable[..., Any], request: Any) -> Any:
    known = token()
    proof = [("authorization", f"Bearer {known}")] if known else []
    try:
        return question(request, timeout=_PATIENCE, metadata=proof)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.UNAUTHENTICATED:
            raise _not_ray(address, error) from None
    what = "refuses this token" if known else "asks for a token, and there is none"
    raise InputError(
        f"the Ray cluster at {address} {what}: put the cluster's token into ~/.ray/auth_token or "
        "RAY_AUTH_TOKEN"
    )


def _not_ray(address: str, error: grpc.RpcError) -> InputError:
    return InputError(f"what answers at {address} is no Ray cluster ({error.code().name.lower()})")
