"""Ports on this machine: free ones, taken ones."""

from __future__ import annotations

import random
import socket
from ipaddress import ip_address
from pathlib import Path

from taximeter_schemas.errors import ConfigurationError

__all__ = [
    "HOST",
    "USUAL_API_PORT",
    "claim",
    "free_port",
    "is_free",
    "is_loopback",
    "kept_port",
]

HOST = "127.0.0.1"
USUAL_API_PORT = 8470

# Below the range from which systems hand out client ports: while the broker is down,
# a client that keeps trying must never be given the broker's own port.
_CANDIDATES = range(20_000, 32_000)
_TRIES = 200


def is_free(port: int, host: str = HOST) -> bool:
    """Tell whether a server could listen here now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what listens on an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def free_port() -> int:
    """Return a port that nothing listens on, and that no client will be given."""
    for port in random.sample(_CANDIDATES, _TRIES):
        if is_free(port):
            return port
    raise ConfigurationError(
        f"no free port between {_CANDIDATES.start} and {_CANDIDATES.stop}: "
        "name one with --port"
    )


def kept_port(file: Path) -> int:
    """Return the port that a file keeps; another one if it was taken meanwhile."""
    kept = file.read_text().strip() if file.exists() else ""
    if kept.isdecimal() and is_free(int(kept)):
        return int(kept)
    port = free_port()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(port))
    return port


def claim(port: int, whose: str, host: str = HOST) -> int:
    """Return the port if it is free.

    Raises:
        ConfigurationError: something listens there already.
    """
    if not is_free(port, host):
        raise ConfigurationError(
            f"port {port} for the {whose} is taken: stop what listens there, "
            "or give another with --port"
        )
    return port
