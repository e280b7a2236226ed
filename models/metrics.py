"""Prometheus metrics of one process; a machine's processes may share one folder for them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SECOND_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Every metric; counted per batch, not per message, where a batch exists."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self.requests = Counter(
            "im_requests",
            "Requests by command and result.",
            ["command", "result"],
            registry=registry,
        )
        self.sends = Counter("im_sends", "Sends received.", registry=registry)
        self.acks = Counter("im_acks", "Sends acknowledged as stored.", registry=registry)
        self.batch_messages = Histogram(
            "im_batch_messages", "Messages per append.", buckets=BATCH_BUCKETS, registry=registry
        )
        self.append_seconds = Histogram(
            "im_append_seconds", "Time of one append.", buckets=SECOND_BUCKETS, registry=registry
        )
        self.append_queue = Gauge(
            "im_append_queue",
            "Sends waiting to be appended.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.connections = Gauge(
            "im_connections",
            "Open connections.",
            ["transport"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.refused = Counter(
            "im_connections_refused",
            "Connections and logins turned away, by reason.",
            ["reason"],
            registry=registry,
        )
        self.behind = Counter(
            "im_connections_behind", "Connections that lost their queue.", registry=registry
        )
        self.deliver_rows = Histogram(
            "im_deliver_rows", "Rows per delivery pass.", buckets=BATCH_BUCKETS, registry=registry
        )
        self.deliver_seconds = Histogram(
            "im_deliver_seconds",
            "Time of a delivery pass.",
            buckets=SECOND_BUCKETS,
            registry=registry,
        )
        self.delivery_lag_seconds = Histogram(
            "im_delivery_lag_seconds",
            "Age of the oldest message of a pass when its downlink is published.",
            buckets=SECOND_BUCKETS,
            registry=registry,
        )
        self.sweep_lagging = Counter(
            "im_sweep_lagging", "Shards the sweep found undelivered.", registry=registry
        )
        self.copies_put_off = Counter(
            "im_copies_put_off", "Copies that wait for a database.", registry=registry
        )
        self.wake_failures = Counter(
            "im_wake_failures", "Wake-ups lost; the sweep heals them.", registry=registry
        )
