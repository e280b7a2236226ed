"""Who may come in: connections per process and address, logins per second."""

import ssl
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from dev.clients.device import Closed, Device
from dev.clients.mars import IDENTIFY_SEQ
from dev.clients.wait import wait_until
from dev.clients.wire import insist, ok, refused, text_to
from proto import im_pb2
from tests.support.cluster import Cluster

FULL = 3
LIMITS = {
    "full": {"IM_CONNECTIONS_MAX": str(FULL)},
    "shared": {"IM_CONNECTIONS_PER_IP_MAX": str(FULL)},
}
REFUSALS = {"full": ("OVERLOADED", 503), "shared": ("RATE_LIMITED", 429)}
SLOW = {"IM_ADMISSIONS_PER_S": "0.2"}


@pytest.fixture(scope="module")
def limited(shared_cluster: Cluster) -> Iterator[None]:
    """Beside the usual processes some that are full soon, and some that let few in at a time."""
    platform = shared_cluster.platform
    environments = {**LIMITS, "slow": SLOW}
    names = []
    for name, env in environments.items():
        names += [f"web.{name}", f"gateway.{name}"]
        platform.start(*names[-2:], env=env)
    yield
    platform.stop(*names)


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("limit", LIMITS)
class TestConnections:
    def test_a_websocket_too_many_is_refused_in_http(self, cluster: Cluster, limit: str) -> None:
        # Given: as many as may be, not all of them authenticated
        web = f"web.{limit}"
        clients = [cluster.connect(cluster.person(), web), cluster.connect_bare(web, json=True)]
        clients.append(cluster.connect_bare(web))

        # When
        with pytest.raises(InvalidStatus) as caught:
            cluster.connect_bare(web)

        # Then
        response = caught.value.response
        assert response.status_code == REFUSALS[limit][1]
        assert int(response.headers["Retry-After"]) >= 1
        clients[0].settle()
        # Then: short calls need no room, and who leaves makes some
        ok(cluster.short(cluster.token(cluster.person()), web).call(im_pb2.VersionsRequest()))
        clients[1].close()
        wait_until(lambda: _connected(cluster, web))
        with pytest.raises(InvalidStatus):
            cluster.connect_bare(web)

    def test_polls_and_streams_count_as_well(self, cluster: Cluster, limit: str) -> None:
        # Given: one of each
        web = f"web.{limit}"
        alice = cluster.person("alice")
        stream = cluster.events(alice, web, device="stream")
        client = cluster.connect(alice, web)
        other = cluster.events(alice, web, device="other")
        polls = [cluster.polls(cluster.person(), web, json=json) for json in (True, False)]
        name, status = REFUSALS[limit]

        # When: another of each
        for poll in polls:
            answer = poll.poll(0)

            # Then: the error says when to come again
            assert refused(answer) == name
            assert answer.error.retryable
            assert answer.error.retry_after_ms > 0
        assert polls[0].status == status
        assert int(polls[0].headers["Retry-After"]) >= 1
        late = cluster.events(cluster.person(), web)
        assert late.status == status
        assert int(late.headers["retry-after"]) >= 1
        assert name.encode() in late.refusal
        # Then: those who are there go on; who leaves makes room for each
        stream.wait_message(ok(client.call(text_to(alice))).id)
        other.close()
        wait_until(lambda: not polls[0].poll(0).error.code)
        ok(polls[1].poll(0))
        _wait_room(cluster, web)

    def test_a_tcp_connection_too_many_is_closed(self, cluster: Cluster, limit: str) -> None:
        # Given: plain and TLS
        gateway = f"gateway.{limit}"
        clients = [cluster.tcp(cluster.person(), gateway) for _ in range(FULL - 1)]
        clients.append(cluster.tcp(cluster.person(), gateway, tls=True))

        # Then: nothing is said, and those who are there stay
        cluster.tcp(gateway=gateway).wait_closed()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            cluster.tcp(gateway=gateway, tls=True)
        for client in clients:
            client.noop()
        # Then: who leaves makes room
        clients.pop().close()
        wait_until(lambda: _accepted(cluster, gateway))

    def test_failed_attempts_take_no_room(self, cluster: Cluster, limit: str) -> None:
        web, gateway = f"web.{limit}", f"gateway.{limit}"
        for _ in range(FULL + 1):
            client = cluster.connect_bare(web)
            assert refused(client.call(im_pb2.AuthRequest(token="nonsense"))) == "UNAUTHENTICATED"
            client.wait_closed()
            client.close()
            poll = cluster.polls(cluster.person(), web)
            assert refused(poll.poll(0, device="x" * 65)) == "BAD_REQUEST"
            stream = cluster.events(cluster.person(), web, device="x" * 65)
            assert stream.status == 400
            tls = cluster.tcp(gateway=f"{gateway}.tls")
            tls.send_bytes(b"no handshake at all")
            tls.wait_closed()
            cluster.tcp(gateway=gateway).close()
            _wait_room(cluster, web)
            wait_until(lambda: _accepted(cluster, gateway))


@pytest.mark.usefixtures("limited")
class TestLogins:
    @pytest.mark.parametrize("kind", ["ws", "json", "tcp"])
    def test_who_comes_too_soon_waits_on_the_same_connection(
        self, cluster: Cluster, kind: str
    ) -> None:
        # Given: more than are let in at once
        clients: list[Device] = [
            cluster.tcp(gateway="gateway.slow")
            if kind == "tcp"
            else cluster.connect_bare("web.slow", json=kind == "json")
            for _ in range(3)
        ]
        requests = [im_pb2.AuthRequest(token=cluster.token(cluster.person())) for _ in clients]

        # When
        answers = [c.call(request) for c, request in zip(clients, requests, strict=True)]

        # Then: told when to try again
        waiting = [
            (client, request)
            for client, request, answer in zip(clients, requests, answers, strict=True)
            if answer.error.code
        ]
        assert waiting
        for answer in answers:
            if answer.error.code:
                assert refused(answer) == "OVERLOADED"
                assert answer.error.retryable
                assert answer.error.retry_after_ms > 0
        # Then: the connection stays, is not open yet, and its turn comes
        client, request = waiting[0]
        assert refused(client.call(im_pb2.PingRequest())) == "UNAUTHENTICATED"
        insist(client, request)
        client.settle()

    def test_who_is_in_needs_no_turn(self, cluster: Cluster) -> None:
        """A newer token of an open connection is no login."""
        alice = cluster.person("alice")
        client = cluster.connect_bare("web.slow")
        insist(client, im_pb2.AuthRequest(token=cluster.token(alice)))
        for _ in range(3):
            ok(client.call(im_pb2.AuthRequest(token=cluster.new_token(alice))))

    def test_a_mars_client_that_identifies_is_closed(self, cluster: Cluster) -> None:
        """WIRE.md: refused once, then closed; Mars comes back by itself."""
        names = []
        for _ in range(3):
            client = cluster.tcp(gateway="gateway.slow")
            request = im_pb2.AuthRequest(token=cluster.token(cluster.person()))
            client.send_frame(im_pb2.CMD_AUTH, IDENTIFY_SEQ, request.SerializeToString())
            answer = client.answer(IDENTIFY_SEQ).body
            if answer.error.code:
                names.append(refused(answer))
                client.wait_closed()
        assert set(names) == {"OVERLOADED"}

    def test_a_stream_is_told_when_to_come_again(self, cluster: Cluster) -> None:
        refusals = []
        for _ in range(3):
            stream = cluster.events(cluster.person(), "web.slow")
            if stream.status != 200:
                assert stream.status == 503
                refusals.append(int(stream.headers["retry-after"]))
        assert refusals
        assert min(refusals) >= 1


def _connected(cluster: Cluster, web: str) -> bool:
    """Whether the process takes another WebSocket; it stays."""
    try:
        cluster.connect_bare(web)
    except InvalidStatus:
        return False
    return True


def _wait_room(cluster: Cluster, web: str) -> None:
    """Wait until one more would be taken; it does not stay."""

    def taken() -> bool:
        try:
            cluster.connect_bare(web).close()
        except InvalidStatus:
            return False
        return True

    wait_until(taken, what="room")


def _accepted(cluster: Cluster, gateway: str) -> bool:
    """Whether the process takes another TCP connection; it does not stay."""
    client = cluster.tcp(gateway=gateway)
    try:
        client.noop()
    except Closed:
        return False
    finally:
        client.close()
    return True
