"""Where clients connect: the configured list, or the ports of this installation."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from models.settings import Settings
from proto import im_pb2


class Addresses:
    """The address list, the same for everybody who came to the same host."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._listed = [_parse(url) for url in settings.addresses]
        self._backups = [_parse(url) for url in settings.backup_addresses]

    def answer(self, host: str = "") -> im_pb2.AddressesResponse:
        """The list; `host` is the name the client used, where that is known."""
        return im_pb2.AddressesResponse(
            addresses=self._listed or self._own(host),
            backups=self._backups,
            lifetime_s=self._settings.addresses_lifetime_s,
        )

    def _own(self, host: str) -> Iterable[im_pb2.Address]:
        settings = self._settings
        secure = "s" if settings.web_tls else ""
        ports = {
            "tcp": settings.gateway_port,
            "tls": settings.gateway_tls_port,
            f"ws{secure}": settings.web_port,
            f"http{secure}": settings.web_port,
        }
        return [
            im_pb2.Address(scheme=scheme, host=host, port=port)
            for scheme, port in ports.items()
            if port
        ]


def _parse(url: str) -> im_pb2.Address:
    parts = urlsplit(url)
    return im_pb2.Address(scheme=parts.scheme, host=parts.hostname or "", port=parts.port or 0)
