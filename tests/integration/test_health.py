"""Health, metrics, and what must never be in a log or a queue."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from dev.clients.device import Closed
from dev.clients.wait import wait_until
from dev.clients.wire import Caller, insist, ok, sync_all, text_to
from proto import im_pb2
from tests.support.cluster import Cluster

QUEUES = ("deliver", "fanout", "notify", "maintenance", "celery")
SECRET = "apricot-umbrella-0815"


def get(cluster: Cluster, path: str, port: str = "web") -> requests.Response:
    url = f"http://127.0.0.1:{cluster.platform.port(port)}{path}"
    return requests.get(url, timeout=20)


def state(cluster: Cluster) -> tuple[int, dict[str, str]]:
    """Status of /readyz and what is wrong, by dependency."""
    answer = get(cluster, "/readyz")
    states: dict[str, str] = answer.json()["dependencies"]
    assert answer.json()["ready"] is (answer.status_code == 200)
    return answer.status_code, {name: text for name, text in states.items() if text != "ok"}


def test_healthy(cluster: Cluster) -> None:
    assert get(cluster, "/healthz").status_code == 200
    answer = get(cluster, "/readyz")
    assert answer.status_code == 200
    names = set(answer.json()["dependencies"])
    databases = cluster.platform.env["IM_MYSQL_URL"].split(",")
    assert {f"mysql:{url.rpartition('/')[2]}" for url in databases} | {"redis"} <= names


@pytest.mark.chaos
def test_readyz_names_what_failed(fragile: Cluster) -> None:
    assert state(fragile) == (200, {})
    for stop, start, name in (
        (fragile.redis.kill, fragile.redis.start, "redis"),
        (fragile.redis.pause, fragile.redis.resume, "redis"),
        (fragile.mariadb.kill, fragile.mariadb.start, "mysql:"),
    ):
        # When
        stop()
        try:
            wait_until(lambda: state(fragile)[1])
            status, failed = state(fragile)
            started = time.monotonic()
            # Then: it says so in time, and lives all the same
            assert status == 503
            assert failed
            assert all(broken.startswith(name) for broken in failed)
            assert state(fragile)[0] == 503
            assert get(fragile, "/healthz").status_code == 200
            assert time.monotonic() - started < 10
        finally:
            start()
        # Then: it is ready again by itself
        wait_until(lambda: state(fragile) == (200, {}))


# ---------------------------------------------------------------- metrics


def test_metrics_are_on_their_own_port_only(cluster: Cluster) -> None:
    assert get(cluster, "/metrics").status_code == 404
    assert "im_" not in get(cluster, "/metrics").text
    # Nor does the Host header a client chooses open them
    lie = {"Host": f"127.0.0.1:{cluster.platform.port('web.metrics')}"}
    url = f"{cluster.platform.url()}/metrics"
    assert requests.get(url, headers=lie, timeout=10).status_code == 404
    answer = get(cluster, "/metrics", "web.metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_metrics_count_what_happens(cluster: Cluster) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    client, watcher = cluster.connect(alice), cluster.connect(bob, "web.2", json=True)
    before = Samples(cluster)

    # When
    for n in range(10):
        watcher.wait_message(ok(client.call(text_to(bob, f"number {n}"))).id)
    client.call(text_to(bob, ""))

    # Then: all processes of the machine are in it, the worker too
    def counted() -> bool:
        after = Samples(cluster)
        return after.total("im_delivery_lag_seconds_count") > before.total(
            "im_delivery_lag_seconds_count"
        )

    wait_until(counted, what="the worker's metrics")
    after = Samples(cluster)

    def more(name: str) -> float:
        return after.total(name) - before.total(name)

    assert more("im_sends_total") == more("im_acks_total") == 10
    assert more("im_batch_messages_sum") == 10
    assert 0 < more("im_batch_messages_count") <= 10
    assert more("im_append_seconds_count") == more("im_batch_messages_count")
    assert more("im_deliver_rows_sum") >= 10
    assert more("im_delivery_lag_seconds_sum") < 10 * 30
    assert more('im_requests_total{command="send",result="INVALID_CONTENT"}') == 1
    assert after.total("im_connections") >= 2
    assert {"im_append_queue", "im_undelivered_rows", "im_task_queue"} <= after.names
    assert after.total("im_undelivered_rows") >= 0
    for queue in ("deliver", "maintenance"):
        assert f'im_task_queue{{queue="{queue}"}}' in after.samples


def test_metrics_count_connections_that_end(cluster: Cluster) -> None:
    # Given
    before = Samples(cluster).total("im_connections")

    # When
    clients = [cluster.connect(cluster.person()) for _ in range(5)]

    # Then
    wait_until(lambda: Samples(cluster).total("im_connections") == before + 5)
    for client in clients:
        client.close()
    wait_until(lambda: Samples(cluster).total("im_connections") == before)


def test_metrics_forget_the_connections_of_a_killed_process(fragile: Cluster) -> None:
    # Given
    before = Samples(fragile).total("im_connections")
    clients = [fragile.connect(fragile.person()) for _ in range(5)]
    wait_until(lambda: Samples(fragile).total("im_connections") == before + 5)

    # When: the whole group dies and a supervisor starts it again
    fragile.platform.kill("web")
    fragile.start("web")

    # Then
    assert Samples(fragile).total("im_connections") == 0
    assert len(clients) == 5


@pytest.mark.chaos
def test_metrics_show_what_waits_while_nobody_delivers(fragile: Cluster) -> None:
    # Given
    alice, bob = fragile.pair("other database")
    client = fragile.connect(alice)
    fragile.platform.kill("worker")
    before = Samples(fragile)

    # When
    for n in range(7):
        ok(client.call(text_to(bob, f"number {n}")))

    # Then
    after = Samples(fragile)
    assert after.total("im_undelivered_rows") == before.total("im_undelivered_rows") + 7
    wait_until(lambda: Samples(fragile).total("im_task_queue") > 0)

    # When MySQL is gone as well, the rest is still told
    fragile.mariadb.kill()
    assert Samples(fragile).total("im_sends_total") == before.total("im_sends_total") + 7


class Samples:
    """One reading of the metrics port."""

    def __init__(self, cluster: Cluster) -> None:
        self.samples = cluster.metrics()
        self.names = {name.partition("{")[0] for name in self.samples}

    def total(self, name: str) -> float:
        """Sum over all labels, or one sample where labels are given."""
        if "{" in name:
            return self.samples.get(name, 0.0)
        return sum(v for key, v in self.samples.items() if key.partition("{")[0] == name)


# ---------------------------------------------------------------- secrets


@pytest.mark.chaos
def test_no_body_and_no_token_is_logged_or_queued(fragile: Cluster) -> None:
    # Given: a recognisable text and token; every command of the queues is recorded
    alice, bob = fragile.pair("other database")
    token = fragile.token(alice)
    client, text = fragile.connect(alice), fragile.connect(alice, json=True)
    watcher = fragile.connect(bob)

    with recorded(fragile) as queued:
        # When: it goes the good way, by every transport
        shorts = (fragile.short(token), fragile.short(token, json=True))
        callers: tuple[Caller, ...] = (client, text, *shorts)
        for n, caller in enumerate(callers):
            answer = ok(caller.call(text_to(bob, f"{SECRET} {n}")))
            watcher.wait_message(answer.id)
        # When: it goes every bad way
        client.call(text_to(bob, SECRET * 500))
        client.call(text_to(SECRET + " no user", SECRET))
        client.send_frame(im_pb2.CMD_SEND, 900, b"\xff" + SECRET.encode())
        client.answer(900)
        text.send_text(f'{{"cmd":"send","body":{{"content":"{SECRET}"}}}}')
        text.stray()
        for bad in (f"{token[:-4]}AAAA", f"Bearer.{SECRET}"):
            fragile.connect_bare().call(im_pb2.AuthRequest(token=bad))
            fragile.short(bad, json=True).call(im_pb2.PingRequest())
        requests.get(f"{fragile.platform.url()}/ws?token={token}&x={SECRET}", timeout=10)
        garbage = fragile.connect_bare()
        garbage.send_bytes(SECRET.encode())
        with pytest.raises(Closed):
            garbage.poll(5)
        # When: the database dies under it, and delivery is repeated
        fragile.platform.kill("worker")
        fragile.mariadb.kill()
        client.call(text_to(bob, f"{SECRET} during"))
        fragile.mariadb.start()
        insist(client, text_to(bob, f"{SECRET} after"))
        fragile.start("worker")
        wait_until(lambda: len(sync_all(watcher, patient=True)) >= 5)

    # Then
    secrets = (SECRET, token, token.rpartition(".")[2])
    for name, log in fragile.logs().items():
        for secret in secrets:
            assert secret not in log, f"in the log of {name}"
    assert queued, "nothing was enqueued?"
    assert any("tasks.deliver" in task for task in queued)
    for task in queued:
        for secret in secrets:
            assert secret not in task


@contextmanager
def recorded(cluster: Cluster) -> Iterator[list[str]]:
    """Every task enqueued meanwhile, whole: headers, and the body decoded."""
    tasks: list[str] = []
    with cluster.redis_client() as redis, redis.monitor() as monitor:
        yield tasks
        redis.echo("the end")
        for command in _commands(monitor):
            verb, _, rest = command.partition(" ")
            if verb.upper() in ("LPUSH", "RPUSH") and rest.split(" ")[0] in QUEUES:
                tasks.append(_decoded(rest))


def _commands(monitor: Any) -> Iterator[str]:
    for entry in monitor.listen():
        command: str = entry["command"]
        if command == "ECHO the end":
            return
        yield command


def _decoded(pushed: str) -> str:
    message = json.loads(pushed[pushed.index("{") :])
    body = base64.b64decode(message["body"]).decode()
    return json.dumps(message["headers"]) + body
