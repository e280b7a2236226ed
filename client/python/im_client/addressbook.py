"""Where servers are, and in which order they are tried.

The application's endpoints come first, in its order; then the addresses a server has listed, then
its backups, each in the order of the application's transports. One that failed is tried behind the
others for a while. A listed address counts only where the application gave one of the same scheme:
who connects by TLS alone is never led to plain text.
"""

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

from im_client._proto import im_pb2
from im_client.endpoints import Endpoint
from im_client.errors import NotConnected
from im_client.links import Link
from im_client.local import Local

log = logging.getLogger("im_client")

FORGIVEN_S = 60.0
"""An endpoint that failed is tried behind the others for this long."""

CALL_TIMEOUT_S = 10.0
LIFETIME_LEAST_S = 60.0
_KEPT_AS = "addresses"


class AddressBook:
    """See the module. What servers listed is kept in the store for the next start."""

    def __init__(self, given: Sequence[Endpoint], local: Local) -> None:
        self._given = list(given)
        self._local = local
        self._listed: list[Endpoint] = []
        self._backups: list[Endpoint] = []
        self._failed_at: dict[Endpoint, float] = {}
        self._stale_at = 0.0
        schemes = [one.scheme for one in self._given]
        self._ranks = {scheme: schemes.index(scheme) for scheme in schemes}

    # ------------------------------------------------------------ which, and in which order

    def order(self) -> list[Endpoint]:
        """All of them, as they are to be tried now."""
        now = time.monotonic()
        failed = {one for one, at in self._failed_at.items() if now - at < FORGIVEN_S}
        return sorted(self._all(), key=lambda one: one in failed)

    def better(self, than: Endpoint) -> list[Endpoint]:
        """Those by a transport that is preferred to this one's, and for a backup all others."""
        rank = self._rank(than)
        return [one for one in self._all() if self._rank(one) < rank]

    def failed(self, endpoint: Endpoint) -> None:
        """Nobody answered there."""
        self._failed_at[endpoint] = time.monotonic()

    def answered(self, endpoint: Endpoint) -> None:
        self._failed_at.pop(endpoint, None)

    def forgive(self) -> None:
        """The network is another one: who failed in the last may be reached now."""
        self._failed_at.clear()

    def _all(self) -> list[Endpoint]:
        return list(dict.fromkeys((*self._given, *self._listed, *self._backups)))

    def _rank(self, endpoint: Endpoint) -> tuple[bool, int]:
        is_backup = endpoint not in self._given and endpoint not in self._listed
        return is_backup, self._ranks.get(endpoint.scheme, len(self._ranks))

    # ------------------------------------------------------------ what servers list

    async def load(self) -> None:
        """What was listed when this program ran last."""
        kept = await self._local.read(self._local.store.get, _KEPT_AS)
        if kept:
            listed, backups = json.loads(kept)
            self._listed = self._usable(map(Endpoint.parse, listed))
            self._backups = self._usable(map(Endpoint.parse, backups))

    async def keep_fresh(self, link: Link, endpoint: Endpoint) -> None:
        """Ask for the list whenever it is too old, until the link is over."""
        while not link.over.is_set():
            await asyncio.sleep(max(0.0, self._stale_at - time.monotonic()))
            lifetime_s = 0.0
            with suppress(NotConnected):
                answer = await link.call(im_pb2.AddressesRequest(), CALL_TIMEOUT_S)
                if not answer.error.code:
                    await self.take(answer.addresses, answer.backups, endpoint)
                    lifetime_s = answer.lifetime_s
            self._stale_at = time.monotonic() + max(lifetime_s, LIFETIME_LEAST_S)

    async def take(
        self,
        addresses: Iterable[im_pb2.Address],
        backups: Iterable[im_pb2.Address],
        source: Endpoint,
    ) -> None:
        """What a server listed; an address without a host means the one it was asked at.

        It is used at once; where it cannot be kept (a full disk), the next start asks again.
        """
        listed = self._usable(_endpoints(addresses, source))
        spare = self._usable(_endpoints(backups, source))
        if (listed, spare) == (self._listed, self._backups):
            return
        self._listed, self._backups = listed, spare
        kept = json.dumps([[one.url for one in some] for some in (listed, spare)])
        try:
            await self._local.write(self._local.store.set, _KEPT_AS, kept)
        except sqlite3.Error:
            log.exception("the list of addresses cannot be kept")

    def _usable(self, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        """Those of the application's schemes, its preferred ones first."""
        known = [one for one in endpoints if one.scheme in self._ranks]
        return sorted(known, key=lambda one: self._ranks[one.scheme])


def _endpoints(addresses: Iterable[im_pb2.Address], source: Endpoint) -> list[Endpoint]:
    found = []
    for one in addresses:
        host = one.host or source.host
        name = f"[{host}]" if ":" in host else host
        with suppress(ValueError):  # of a server newer than this client, or no name of a host
            name.encode("idna")
            found.append(Endpoint.parse(f"{one.scheme}://{name}:{one.port}"))
    return found
