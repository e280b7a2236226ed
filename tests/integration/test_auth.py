"""Tokens: bad, expired, revoked, and a user centre that is down."""

import time
from collections.abc import Iterator

import pytest

from dev.clients.device import Closed
from dev.clients.wait import wait_until
from dev.clients.wire import Caller, insist, ok, refused, text_to
from dev.clients.ws import WebSocketClient
from proto import frame, im_pb2
from tests.support.cluster import TRANSPORTS, Cluster, Transport

REVOKED_WITHIN_S = 5.0
GRACE_S = 5.0
ASKING = "web.asking"
ASKING_WITHOUT_FEED = "web.feedless"
WEBS = ("web", ASKING, ASKING_WITHOUT_FEED)


@pytest.fixture(scope="module")
def webs(shared_cluster: Cluster) -> Iterator[None]:
    """Beside the usual web process two in introspection mode, with the feed and without."""
    platform = shared_cluster.platform
    introspection = {
        "IM_TOKEN_MODE": "introspection",
        "IM_INTROSPECTION_URL": f"{platform.url('usercenter')}/introspect",
    }
    platform.start(ASKING, env=introspection)
    platform.start(ASKING_WITHOUT_FEED, env=introspection | {"IM_REVOCATIONS_URL": ""})
    yield
    platform.stop(ASKING, ASKING_WITHOUT_FEED)


@pytest.mark.usefixtures("webs")
@pytest.mark.parametrize("web", WEBS)
class TestEveryMode:
    """By signature, by asking, and by asking without a feed of revocations."""

    def test_a_good_token_opens_a_session(self, cluster: Cluster, web: str) -> None:
        alice = cluster.person("alice")
        with cluster.connect_bare(web) as client:
            answer = client.auth(cluster.token(alice), device="phone 1")
            assert answer.user == alice
            assert abs(answer.server_time / 1000 - time.time()) < 60
            assert 0 < answer.heartbeat_s < answer.idle_timeout_s
            ok(client.call(text_to(alice)))
        ok(cluster.short(cluster.token(alice), web).call(text_to(alice)))

    @pytest.mark.parametrize("bad", ["", "nonsense", "a.b.c", "ä", "x" * 9000, "a b"])
    def test_a_bad_token_is_refused_once_and_closed(
        self, cluster: Cluster, web: str, bad: str
    ) -> None:
        client = cluster.connect_bare(web)
        assert refused(client.call(im_pb2.AuthRequest(token=bad))) == "UNAUTHENTICATED"
        assert client.wait_closed().code == 4401

    def test_a_token_signed_by_somebody_else_is_refused(self, cluster: Cluster, web: str) -> None:
        head, body, signature = cluster.token(cluster.person()).split(".")
        forged = f"{head}.{body}.{signature[::-1]}"
        client = cluster.connect_bare(web)
        assert refused(client.call(im_pb2.AuthRequest(token=forged))) == "UNAUTHENTICATED"
        short = cluster.short(forged, web, json=True)
        assert refused(short.call(im_pb2.PingRequest())) == "UNAUTHENTICATED"
        assert short.status == 401

    def test_an_expired_token_ends_the_connection(self, cluster: Cluster, web: str) -> None:
        # Given: connected with a token that has a few seconds to live
        token = cluster.token(cluster.person(), ttl_s=4)
        client = cluster.connect_bare(web)
        client.auth(token)
        short = cluster.short(token, web)
        ok(short.call(im_pb2.PingRequest()))

        # Then: told why, then closed; new calls and connections are refused
        kicked = client.wait_push(im_pb2.CMD_PUSH_KICKED)
        assert kicked.error.name == "UNAUTHENTICATED"
        assert client.wait_closed().code == 4401
        assert refused(short.call(im_pb2.PingRequest())) == "UNAUTHENTICATED"
        newcomer = cluster.connect_bare(web)
        assert refused(newcomer.call(im_pb2.AuthRequest(token=token))) == "UNAUTHENTICATED"

    def test_a_revoked_token_is_kicked_within_five_seconds(
        self, cluster: Cluster, web: str
    ) -> None:
        # Given: two tokens of one user, connected in both shapes
        alice = cluster.person("alice")
        token, kept = cluster.new_token(alice), cluster.new_token(alice)
        ended = [cluster.connect(alice, web, json=json, token=token) for json in (False, True)]
        other = cluster.connect(alice, web, token=kept)

        # When
        cluster.usercenter("/revoke", {"token": token})
        revoked_at = time.monotonic()

        # Then: those of that token are told and closed, the other lives on
        for client in ended:
            kicked = client.wait_push(im_pb2.CMD_PUSH_KICKED)
            assert kicked.error.name == "TOKEN_REVOKED"
            assert client.wait_closed().code == 4401
        assert time.monotonic() - revoked_at < REVOKED_WITHIN_S + GRACE_S
        ok(other.call(text_to(alice)))
        # Then: it opens nothing any more
        short = cluster.short(token, web, json=True)
        wait_until(lambda: _is_refused(short))
        newcomer = cluster.connect_bare(web)
        answer = newcomer.call(im_pb2.AuthRequest(token=token))
        assert refused(answer) in ("TOKEN_REVOKED", "UNAUTHENTICATED")
        assert newcomer.wait_closed().code == 4401

    def test_logging_out_everywhere_ends_every_token(self, cluster: Cluster, web: str) -> None:
        # Given
        alice, bob = cluster.pair()
        ended = [cluster.connect(alice, web, token=cluster.new_token(alice)) for _ in range(2)]
        bystander = cluster.connect(bob, web)

        # When
        cluster.usercenter("/revoke", {"user": alice})

        # Then
        for client in ended:
            assert client.wait_push(im_pb2.CMD_PUSH_KICKED).error.name == "TOKEN_REVOKED"
            assert client.wait_closed().code == 4401
        ok(bystander.call(im_pb2.PingRequest()))
        # Then: a new token is good at once
        ok(cluster.connect(alice, web, token=cluster.new_token(alice)).call(im_pb2.PingRequest()))

    def test_a_user_centre_that_is_down_ends_nobody(self, cluster: Cluster, web: str) -> None:
        # Given
        alice, bob = cluster.pair()
        client, watcher = cluster.connect(alice, web), cluster.connect(bob, web)
        short = cluster.short(cluster.token(alice), web)
        fresh = cluster.new_token(alice)
        cluster.platform.kill("usercenter")
        try:
            # Then: who is known can do everything, also after a few rounds of asking
            known_until = time.monotonic() + 3
            while time.monotonic() < known_until:
                watcher.wait_message(ok(client.call(text_to(bob))).id)
                ok(short.call(im_pb2.PingRequest()))
            assert ok(watcher.call(im_pb2.ContactsRequest())).contacts[0].peer == alice
            again = cluster.connect(alice, web)
            ok(again.call(im_pb2.PingRequest()))
            # Then: a token never seen before is good by its signature, or must come again
            newcomer = cluster.connect_bare(web)
            answer = newcomer.call(im_pb2.AuthRequest(token=fresh))
            if web == "web":
                ok(answer)
            else:
                assert refused(answer) == "UNAVAILABLE"
                assert answer.error.retryable
        finally:
            cluster.platform.start("usercenter")
        insist(newcomer, im_pb2.AuthRequest(token=fresh))
        ok(newcomer.call(text_to(bob)))
        ok(client.call(text_to(bob)))


@pytest.mark.parametrize("json", [False, True], ids=["frames", "json"])
def test_nothing_is_answered_before_authentication(cluster: Cluster, json: bool) -> None:
    # Given
    alice, bob = cluster.pair()
    client = cluster.connect_bare(json=json)

    # Then: everything is refused, and the connection stays
    for request in (text_to(bob), im_pb2.SyncRequest(), im_pb2.PingRequest()):
        assert refused(client.call(request)) == "UNAUTHENTICATED"
    client.auth(cluster.token(alice))
    ok(client.call(text_to(bob)))


@pytest.mark.parametrize("transport", [t for t in TRANSPORTS if t.startswith("http")])
def test_short_calls_need_a_bearer_token(cluster: Cluster, transport: Transport) -> None:
    json = transport.endswith("json")
    short = cluster.short("", json=json)
    assert refused(short.call(im_pb2.PingRequest())) == "UNAUTHENTICATED"
    for header in ("Bearer", "Bearer ", "Basic YTpi", "Bearer nonsense", "nonsense"):
        answer = short.post("ping", b"{}" if json else b"", {"Authorization": header})
        assert refused(answer) == "UNAUTHENTICATED"
        assert short.status == (401 if json else 200)
    token = cluster.token(cluster.person())
    ok(short.post("ping", b"{}" if json else b"", {"Authorization": f"bearer {token}"}))


def test_a_connection_belongs_to_one_user(cluster: Cluster) -> None:
    # Given
    alice, bob = cluster.pair()
    client = cluster.connect(alice)

    # Then: a newer token of the same user is fine, somebody else's is not
    ok(client.call(im_pb2.AuthRequest(token=cluster.new_token(alice))))
    ok(client.call(text_to(bob)))
    assert refused(client.call(im_pb2.AuthRequest(token=cluster.token(bob)))) == "FORBIDDEN"


def test_identify_answers_with_the_same_seq(cluster: Cluster) -> None:
    """Mars sends its auth command as identify (WIRE.md)."""
    alice = cluster.person()
    for token, is_good in ((cluster.token(alice), True), ("nonsense", False)):
        client = cluster.connect_bare()
        body = im_pb2.AuthRequest(token=token).SerializeToString()
        client.send_frame(im_pb2.CMD_AUTH, frame.IDENTIFY_SEQ, body)
        answer = client.answer(frame.IDENTIFY_SEQ)
        assert answer.cmd == im_pb2.CMD_AUTH
        if is_good:
            assert ok(answer.body).user == alice
            ok(client.call(im_pb2.PingRequest()))
        else:
            assert refused(answer.body) == "UNAUTHENTICATED"
            assert client.wait_closed().code == 4401


def test_device_and_platform_names_have_limits(cluster: Cluster) -> None:
    token = cluster.token(cluster.person())
    for request in (
        im_pb2.AuthRequest(token=token, platform="x" * 33),
        im_pb2.AuthRequest(token=token, device="x" * 65),
    ):
        client = cluster.connect_bare()
        assert refused(client.call(request)) == "BAD_REQUEST"


def test_who_never_authenticates_is_closed(shared_cluster: Cluster, cluster: Cluster) -> None:
    # Given
    name = "web.hurried"
    env = {
        "IM_AUTH_DEADLINE_S": "1",
        "IM_IDLE_TIMEOUT_S": "3",
        "IM_HEARTBEAT_WEB_S": "1",
        "IM_HEARTBEAT_MOBILE_S": "1",
        "IM_HEARTBEAT_DESKTOP_S": "1",
    }
    shared_cluster.platform.start(name, env=env)
    try:
        # When: one says nothing, one authenticates and then says nothing, one keeps pinging
        silent = cluster.connect_bare(name)
        idle = cluster.connect(cluster.person(), name)
        busy = cluster.connect(cluster.person(), name)

        # Then
        assert _close_while_pinging(silent, busy).code == 4408
        assert _close_while_pinging(idle, busy).code == 4408
        ok(busy.call(im_pb2.PingRequest()))
    finally:
        shared_cluster.platform.stop(name)


def _close_while_pinging(client: WebSocketClient, busy: WebSocketClient) -> Closed:
    def closed() -> Closed | None:
        ok(busy.call(im_pb2.PingRequest()))
        try:
            client.poll(0.2)
        except Closed as closed:
            return closed
        return None

    ended = wait_until(closed)
    assert ended is not None
    return ended


def _is_refused(client: Caller) -> bool:
    answer = client.call(im_pb2.PingRequest())
    return answer.error.name in ("TOKEN_REVOKED", "UNAUTHENTICATED")
