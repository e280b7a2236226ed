"""The downlink of a web process survives whatever is published, and serves every client."""

from dev.clients.wire import ok, text_to
from models import keys
from tests.support.cluster import Cluster


def test_nonsense_on_a_channel_harms_nobody(cluster: Cluster) -> None:
    # Given: a receiver whose downlinks are turned into JSON, and somebody else on that process
    alice, bob = cluster.pair("other database")
    carol = cluster.person()
    sender, other = cluster.connect(alice), cluster.connect(carol)
    text = cluster.connect(bob, json=True)
    redis = cluster.redis_client()

    # When: what no delivery would publish arrives on the channel
    for payload in (b"", b"x", b"mx\n", b"e99999\n", b"m1\n\xff\xff", b"e10001\n\xff", b"\n"):
        redis.publish(keys.channel(bob), payload)
    redis.close()

    # Then: the next messages still come, to both
    text.wait_message(ok(sender.call(text_to(bob, "after all that"))).id)
    other.wait_message(ok(sender.call(text_to(carol, "and that"))).id)


def test_a_client_of_mars_version_0_is_pushed_to(cluster: Cluster) -> None:
    alice, bob = cluster.pair("same shard")
    receiver = cluster.connect_bare()
    receiver.client_version = 0
    receiver.auth(cluster.token(bob))
    receiver.wait_message(ok(cluster.connect(alice).call(text_to(bob))).id)
