"""Ports of loopback that are free, for servers the hub starts for itself."""

import random
import socket

from hub.errors import ConfigError

# Below the ports that systems give to outgoing connections: a client that retries one of those on
# loopback can end up connected to itself, and then the server cannot listen there any more.
PORTS = range(15_000, 32_000)


def free_port() -> int:
    """A port nobody listens on now; ConfigError if there is none."""
    for port in random.SystemRandom().sample(PORTS, 200):
        if can_listen(port):
            return port
    raise ConfigError(f"no free port between {PORTS.start} and {PORTS.stop} on 127.0.0.1")


def can_listen(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
