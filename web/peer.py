"""The address a client really has: proxies we trust say it, everybody else is who they are."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


class Trusted:
    """Networks of our own proxies."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = tuple(ip_network(name) for name in networks)

    def __contains__(self, address: str) -> bool:
        try:
            parsed = _parse(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """The client behind `peer`: the last of X-Forwarded-For that is none of our proxies.

        What stands before it was written by the client and may be invented.
        """
        client = peer
        for part in reversed(forwarded_for.split(",")):
            if client not in self:
                break
            try:
                client = str(_parse(part.strip()))
            except ValueError:
                break
        return client


def _parse(address: str) -> IPv4Address | IPv6Address:
    """A listener on `::` sees IPv4 as ::ffff:192.0.2.1 (RFC 4291, section 2.5.5.2)."""
    parsed = ip_address(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed
