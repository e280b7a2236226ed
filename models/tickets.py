"""One-use tickets: what stands in a URL where a token must not.

A ticket lives for `TTL_S` in Redis, under its SHA-256; whoever presents it first gets the identity.
"""

import hashlib
import json
import secrets
from dataclasses import asdict
from typing import Any

from models import keys
from models.errors import Code, IMError
from models.usercentre.tokens import Identity

TTL_S = 30
TICKET_BYTES_MAX = 64


class Tickets:
    """Methods raise RedisError when tickets cannot be had."""

    def __init__(self, client: Any) -> None:
        self._redis = client

    def issue(self, identity: Identity, token: str) -> str:
        """A new ticket; `token` is kept with it where it must be asked about again, else empty."""
        ticket = secrets.token_urlsafe(32)
        value = json.dumps({"identity": asdict(identity), "token": token})
        self._redis.set(_key(ticket), value, ex=TTL_S)
        return ticket

    def redeem(self, ticket: str) -> tuple[Identity, str]:
        """The identity and token it stands for; UNAUTHENTICATED, the second time too."""
        value = None
        if 0 < len(ticket) <= TICKET_BYTES_MAX:
            value = self._redis.getdel(_key(ticket))
        if value is None:
            raise IMError(Code.UNAUTHENTICATED, "the ticket is unknown, used or expired")
        kept = json.loads(value)
        return Identity(**kept["identity"]), kept["token"]


def _key(ticket: str) -> str:
    return keys.ticket(hashlib.sha256(ticket.encode()).hexdigest())
