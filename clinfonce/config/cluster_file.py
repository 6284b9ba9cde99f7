"""What the project reads of a Ray cluster's file, the one that `ray up` takes."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from clinfonce.config.base import Names


class _Part(BaseModel):
    """A part of the file; Ray itself checks the fields that are not read here."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class ProviderPart(_Part):
    """Where the machines come from."""

    type: str  # aws, gcp, local, …
    head_ip: str | None = None  # of provider local
    worker_ips: Names = ()


class AuthPart(_Part):
    """How the machines are entered."""

    ssh_user: str
    ssh_private_key: str
    ssh_proxy_command: str | None = None


class MetadataPart(_Part):
    """What Ray leaves to the user: our own fields."""

    results: Annotated[str, Field(min_length=1)]  # a path that all machines see, or a URI


class NodeTypePart(_Part):
    """A kind of machine."""

    min_workers: int = 0


class RayClusterSpec(_Part):
    """The machines that sweeps may run on."""

    cluster_name: str
    provider: ProviderPart
    auth: AuthPart
    metadata: MetadataPart
    min_workers: int | None = None  # of provider local
    available_node_types: dict[str, NodeTypePart] = {}

    @property
    def promised_workers(self) -> int:
        """How many machines besides the head are there all the time."""
        if self.provider.type == "local":
            count = len(self.provider.worker_ips)
            return count if self.min_workers is None else min(count, self.min_workers)
        return sum(kind.min_workers for kind in self.available_node_types.values())
