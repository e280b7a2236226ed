"""Free loopback ports."""

import random
import socket

PRIVATE = range(15000, 30000)
_reserved: list[socket.socket] = []
"""Names that stand for the ports given away here, for as long as this process lives."""


def free_port() -> int:
    """A port nobody listens on, nor will: each is given away once, whichever process asks.

    It lies below the range the kernel gives to outgoing connections. Inside that range a client
    that retries against a stopped server can be given the server's own port and connect to itself,
    which keeps the server from starting again.
    """
    while True:
        port = random.choice(PRIVATE)
        if _reserve(port) and is_free(port):
            return port


def _reserve(port: int) -> bool:
    """Take the port's name, which belongs to one process until that ends; False if it is taken."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0im-port-{port}")  # abstract: no file is left behind
    except OSError:
        name.close()
        return False
    _reserved.append(name)
    return True


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
