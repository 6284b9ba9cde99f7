"""Which network interface the workers of a group talk over."""

import os
import socket
import struct

import ray

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_ADDRESS_OF_INTERFACE = 0x8915  # SIOCGIFADDR of Linux
_VARIABLES = "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"


def use_interface_of_ray() -> None:
    """Let gloo and NCCL use the interface that Ray reached this machine by.

    Left alone, gloo takes the interface of the host's name, and 127.0.0.1 if the name does not
    resolve: then workers of other machines wait for it in vain. What the user set stays.
    """
    name = interface_of(ray.util.get_node_ip_address())
    if name is not None:
        for variable in _VARIABLES:
            os.environ.setdefault(variable, name)


def interface_of(address: str) -> str | None:
    """The name of the interface with an IPv4 address; None where that cannot be found out."""
    for _, name in socket.if_nameindex():
        if _address(name) == address:
            return name
    return None


def _address(interface: str) -> str | None:
    if fcntl is None:
        return None
    request = struct.pack("256s", interface.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), _ADDRESS_OF_INTERFACE, request)
        except OSError:  # without an IPv4 address, or not on Linux
            return None
    return socket.inet_ntoa(answer[20:24])
