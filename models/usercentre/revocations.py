"""Learning that tokens were taken back: from the user centre's feed, or by asking again.

Feed: `GET ?since=<cursor>` answers `{"cursor", "revoked": [...], "more": bool}`. An entry is
either `{"token_id", "expires_at"}`, which ends one token, or `{"user", "issued_before",
"expires_at"}`, which ends every token of the user issued before that time. Times are epoch
seconds; an entry is forgotten at `expires_at`, when the tokens it means have expired anyway.
Without `since` the feed starts at its beginning.

While the user centre cannot be reached nothing is revoked and everybody stays connected.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import structlog

from models.errors import Code, IMError
from models.settings import Settings
from models.usercentre.client import UserCentreClient, UserCentreDown
from models.usercentre.tokens import Identity, TokenVerifier

PAGES_MAX = 100
REVOKED_MAX = 1_000_000
PURGE_INTERVAL_S = 60.0
RECHECKS_AT_ONCE = 8
FAILED_RECHECKS_MAX = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Revocation:
    """Ends one token (`token_id`), or the tokens of `user` issued before `issued_before`."""

    token_id: str | None
    user: str | None
    issued_before: float
    expires_at: float

    def ends(self, identity: Identity) -> bool:
        """Whether `identity`'s token is among the revoked."""
        if self.token_id is not None:
            return self.token_id == identity.token_id
        return self.user == identity.user and identity.issued_at < self.issued_before


OnRevoked = Callable[[Sequence[Revocation]], object]


class RevocationFeed:
    """What the feed has revoked so far, in memory; idle without `revocations_url`."""

    def __init__(self, settings: Settings, *, client: UserCentreClient | None = None) -> None:
        self._client = client or UserCentreClient(settings)
        self._url = settings.revocations_url
        self._poll_s = settings.revocations_poll_s
        self._cursor: str | None = None
        self._lock = threading.Lock()
        self._tokens: dict[str, float] = {}
        self._users: dict[str, Revocation] = {}
        self._purged = time.time()

    def is_revoked(self, identity: Identity) -> bool:
        """Whether the token was revoked, as of the last poll."""
        if identity.token_id in self._tokens:
            return True
        cutoff = self._users.get(identity.user)
        return cutoff is not None and cutoff.ends(identity)

    def poll(self) -> list[Revocation]:
        """Read the feed to its end; what was not known before.

        Raises UserCentreDown if nothing could be read. After a failure on a later page the
        entries so far are returned, and the next poll goes on from there.
        """
        if not self._url:
            return []
        fresh: list[Revocation] = []
        for page in range(PAGES_MAX):
            try:
                more = self._read_page(fresh)
            except UserCentreDown:
                if page == 0:
                    raise
                break
            if not more:
                break
        self._purge()
        return fresh

    def run(self, on_revoked: OnRevoked, stop: threading.Event) -> None:
        """Poll until `stop`, handing every new entry to `on_revoked`.

        Never raises. Entries that `on_revoked` failed on are handed to it again.
        """
        if self._url:
            _repeat(self.poll, on_revoked, stop, self._poll_s)

    def _read_page(self, fresh: list[Revocation]) -> bool:
        params = {} if self._cursor is None else {"since": self._cursor}
        answer = self._client.get(self._url, params)
        entries, cursor = answer.get("revoked"), answer.get("cursor")
        if not isinstance(entries, list) or not isinstance(cursor, (str, int)):
            raise UserCentreDown("not a page of revocations")
        revocations = [parsed for entry in entries if (parsed := _parse(entry)) is not None]
        if len(revocations) < len(entries):
            log.warning("usercentre.revocations_skipped", count=len(entries) - len(revocations))
        with self._lock:
            fresh += [revocation for revocation in revocations if self._learn(revocation)]
        moved = str(cursor) != self._cursor
        self._cursor = str(cursor)
        return answer.get("more") is True and moved

    def _learn(self, revocation: Revocation) -> bool:
        """Remember it; False if it says nothing new."""
        if revocation.expires_at <= time.time():
            return False
        if revocation.token_id is not None:
            known = revocation.token_id in self._tokens
            self._tokens[revocation.token_id] = revocation.expires_at
            if len(self._tokens) > REVOKED_MAX:
                log.error("usercentre.revocations_overflow", kept=REVOKED_MAX)
                del self._tokens[next(iter(self._tokens))]
            return not known
        user = revocation.user or ""
        cutoff = self._users.get(user)
        if cutoff is not None and cutoff.issued_before >= revocation.issued_before:
            return False
        until = max(revocation.expires_at, cutoff.expires_at if cutoff else 0.0)
        self._users[user] = replace(revocation, expires_at=until)
        return True

    def _purge(self) -> None:
        now = time.time()
        if now - self._purged < PURGE_INTERVAL_S:
            return
        with self._lock:
            self._purged = now
            self._tokens = {key: until for key, until in self._tokens.items() if until > now}
            self._users = {key: cut for key, cut in self._users.items() if cut.expires_at > now}


class Revalidator:
    """Asks about live tokens again and again, where the user centre offers no feed.

    One call per token and round: with many connections a round outlasts `revocations_poll_s`, and
    only a feed closes them in time.
    """

    def __init__(self, settings: Settings, verifier: TokenVerifier) -> None:
        self._verifier = verifier
        self._poll_s = settings.revocations_poll_s
        self._wanted = settings.token_mode == "introspection" and not settings.revocations_url

    def check(self, live: Mapping[str, Identity]) -> list[Revocation]:
        """Ask about every token of `live` (token to identity); those taken back before their end.

        A token whose time is over is inactive too, and ends by itself. Stops early when calls keep
        failing; the order is shuffled, so a later round reaches the rest. Tokens without an answer
        stay alive.
        """
        tokens = random.sample(sorted(live), len(live))
        failures: list[IMError] = []

        def ended(token: str) -> bool:
            if len(failures) >= FAILED_RECHECKS_MAX:
                return False
            try:
                self._verifier.recheck(token)
            except IMError as error:
                if error.code in (Code.UNAUTHENTICATED, Code.TOKEN_REVOKED):
                    return True
                failures.append(error)
            return False

        with ThreadPoolExecutor(max_workers=RECHECKS_AT_ONCE) as pool:
            answers = list(pool.map(ended, tokens))
        answered_at = time.time()
        if failures:
            log.warning("usercentre.recheck_failed", reason=failures[0].message)
        return [
            Revocation(live[token].token_id, live[token].user, 0.0, live[token].expires_at)
            for token, over in zip(tokens, answers, strict=True)
            if over and live[token].expires_at > answered_at
        ]

    def run(
        self,
        live: Callable[[], Mapping[str, Identity]],
        on_revoked: OnRevoked,
        stop: threading.Event,
    ) -> None:
        """Check what `live` returns every `revocations_poll_s` until `stop`; never raises.

        Returns at once in JWT mode or when there is a feed.
        """
        if self._wanted:
            _repeat(lambda: self.check(live()), on_revoked, stop, self._poll_s)


def _repeat(
    read: Callable[[], list[Revocation]],
    on_revoked: OnRevoked,
    stop: threading.Event,
    interval_s: float,
) -> None:
    pending: list[Revocation] = []
    failing = False
    while not stop.is_set():
        started = time.monotonic()
        try:
            pending += read()
            if pending:
                on_revoked(tuple(pending))
                pending.clear()
            if failing:
                log.info("usercentre.revocations_back")
            failing = False
        except UserCentreDown as error:
            if not failing:
                log.warning("usercentre.revocations_failed", reason=error.reason)
            failing = True
        except Exception as error:
            log.exception("usercentre.revocations_failed", error=type(error).__name__)
        # Paced from start to start: a slow answer must not delay the next look.
        stop.wait(max(0.05, interval_s - (time.monotonic() - started)))


def _parse(entry: object) -> Revocation | None:
    if not isinstance(entry, dict):
        return None
    token_id, user = entry.get("token_id"), entry.get("user")
    issued_before = _number(entry.get("issued_before"))
    expires_at = _number(entry.get("expires_at"))
    token_id = token_id if isinstance(token_id, str) and token_id else None
    user = user if isinstance(user, str) and user else None
    if token_id is None and (user is None or issued_before is None):
        return None
    return Revocation(
        token_id, user, issued_before or 0.0, math.inf if expires_at is None else expires_at
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
