"""Free loopback ports."""

import random
import socket

PRIVATE = range(15000, 30000)


def free_port() -> int:
    """A port nobody listens on, below the range the kernel gives to outgoing connections.

    Inside that range a client that retries against a stopped server can be given the server's own
    port and connect to itself, which keeps the server from starting again.
    """
    while True:
        port = random.choice(PRIVATE)
        if is_free(port):
            return port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections on the port."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
