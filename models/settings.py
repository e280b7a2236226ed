"""Every setting of the platform, read from the environment once at start.

The README's configuration table lists them with unit and default; a test holds the two together.
"""

from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Names = Annotated[tuple[str, ...], NoDecode]
LISTS = ("mysql_url", "trusted_proxies", "origins_allowed", "addresses", "backup_addresses")
SCHEMES = frozenset({"tcp", "tls", "ws", "wss", "http", "https"})


class Settings(BaseSettings):
    """Frozen settings; environment variables carry the prefix `IM_`, lists are comma-separated."""

    model_config = SettingsConfigDict(
        env_prefix="IM_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    # Stores
    mysql_url: Names = Field(description="databases, the first one holds the shard map")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="caches, locks, pub/sub")
    broker_url: str = Field("", description="Celery's broker; empty: the Redis above")
    tables_per_database: int = Field(
        4, ge=1, le=100, description="message tables made per database"
    )
    group_tables_per_database: int = Field(
        2, ge=1, le=100, description="group message tables made per database"
    )
    mysql_pool_size: int = Field(
        8, ge=2, le=100, description="connections per process and database"
    )
    mysql_timeout_s: float = Field(5.0, gt=0, le=60, description="longest wait for one statement")
    redis_timeout_s: float = Field(1.0, gt=0, le=10, description="longest wait for one Redis call")

    # Web
    web_host: str = Field("127.0.0.1", description="address of HTTP and WebSocket")
    web_port: int = Field(8000, ge=0, le=65535, description="port of HTTP and WebSocket")
    web_workers: int = Field(1, ge=1, le=64, description="gunicorn workers")
    metrics_port: int = Field(9100, ge=0, le=65535, description="loopback port of /metrics")
    metrics_dir: str = Field(
        "",
        validation_alias="PROMETHEUS_MULTIPROC_DIR",  # prometheus-client reads it by itself
        description="folder where this machine's processes count together; empty: each alone",
    )
    web_tls: bool = Field(False, description="HTTP and WebSocket with the certificate below")
    tls_certificate: str = Field("", description="PEM file: certificate, then its chain")
    tls_key: str = Field("", description="PEM file: private key of the certificate")
    trusted_proxies: Names = Field(
        (), description="networks whose X-Forwarded-For is believed; PROXY v2 is required of them"
    )
    origins_allowed: Names = Field(
        (), description="web origins that may call, besides our own; `*` for all"
    )

    # Gateway
    gateway_host: str = Field("127.0.0.1", description="address of TCP and TCP+TLS")
    gateway_port: int = Field(8002, ge=0, le=65535, description="port of plain TCP; 0: none")
    gateway_tls_port: int = Field(0, ge=0, le=65535, description="port of TCP+TLS; 0: none")
    gateway_metrics_port: int = Field(
        9101, ge=0, le=65535, description="loopback port of its health and /metrics; 0: none"
    )
    handshake_deadline_s: float = Field(
        10.0, gt=0, description="time for a TLS handshake or a PROXY header"
    )

    # Connections
    connections_max: int = Field(12000, ge=1, description="connections per process")
    connections_per_ip_max: int = Field(
        1000, ge=1, description="connections of one address per process"
    )
    admissions_per_s: float = Field(
        1000.0, gt=0, description="logins per process and second; the others are told when"
    )
    devices_web_max: int = Field(5, ge=1, description="connected browsers, mini programs per user")
    devices_mobile_max: int = Field(2, ge=1, description="connected phones and tablets per user")
    devices_desktop_max: int = Field(2, ge=1, description="connected desktop apps per user")
    devices_policy: Literal["kick", "refuse"] = Field(
        "kick", description="one too many: the longest connected is kicked, or it is refused"
    )
    heartbeat_web_s: int = Field(50, ge=1, description="interval of pings advised to browsers")
    heartbeat_mobile_s: int = Field(210, ge=1, description="the same for phones and tablets")
    heartbeat_desktop_s: int = Field(120, ge=1, description="the same for desktop apps")
    comet_wait_s: int = Field(25, ge=1, le=300, description="longest wait of a long poll")
    page_usercenter_url: str = Field(
        "", description="where browsers log in for the chat page at `/`; empty: no page"
    )
    addresses: Names = Field(
        (), description="where clients connect, as scheme://host:port; empty: as they came"
    )
    backup_addresses: Names = Field((), description="the same for when none of those answers")
    addresses_lifetime_s: int = Field(3600, ge=1, description="how long clients keep that list")
    body_bytes_max: int = Field(65536, ge=1024, description="largest inbound frame or HTTP body")
    outbound_frames_max: int = Field(256, ge=8, description="queued frames per connection")
    outbound_bytes_max: int = Field(1 << 20, ge=65536, description="queued bytes per connection")
    write_timeout_s: float = Field(30.0, gt=0, description="a reader slower than that is cut")
    frame_deadline_s: float = Field(30.0, gt=0, description="time a client has for one frame")
    auth_deadline_s: float = Field(60.0, gt=0, description="time to authenticate a connection")
    idle_timeout_s: float = Field(900.0, ge=1, description="a connection silent for longer closes")
    drain_s: float = Field(5.0, ge=0, description="closes spread over this time at shutdown")
    request_timeout_s: float = Field(6.0, gt=0, description="every request is answered by then")

    # Messages
    send_rate_per_s: float = Field(
        20.0, ge=0, description="sends and changes of groups per user; 0: as many as come"
    )
    send_burst: int = Field(100, ge=1, description="sends of one user at once")
    recall_window_s: int = Field(120, ge=0, description="how long a message may be recalled")
    blocked_policy: Literal["error", "drop"] = Field(
        "error", description="a blocked sender gets BLOCKED, or an answer and nothing else"
    )
    blocked_users_max: int = Field(1000, ge=1, description="length of one user's block list")
    batch_messages_max: int = Field(500, ge=1, le=5000, description="messages in one append")
    append_queue_max: int = Field(20000, ge=1, description="sends waiting per process and database")
    deliver_batch: int = Field(500, ge=1, le=5000, description="rows of a shard per delivery pass")
    deliver_shards_max: int = Field(16, ge=2, description="shards one delivery may hold")
    sweep_interval_s: float = Field(2.0, gt=0, description="how often forgotten shards are found")

    # Groups
    group_members_max: int = Field(100_000, ge=3, description="members of one group")
    groups_per_user_max: int = Field(500, ge=1, le=1000, description="groups of one user")
    group_fanout_max: int = Field(
        500, ge=0, description="unread counts are kept per member up to this size, derived above"
    )
    group_cache_messages: int = Field(
        200, ge=1, le=1000, description="newest messages of a group kept in Redis"
    )
    group_history: Literal["join", "all"] = Field(
        "join", description="a new member sees messages from the join on, or all"
    )
    group_mention_all: Literal["admins", "members"] = Field(
        "admins", description="who may mention everybody in a group"
    )

    # User centre
    token_mode: Literal["jwt", "introspection"] = Field(
        "jwt", description="how tokens are verified"
    )
    jwks_url: str = Field("", description="JWKS of the user centre (token_mode jwt)")
    token_issuer: str = Field("", description="required iss of a JWT; empty: any")
    token_audience: str = Field("", description="required aud of a JWT; empty: not checked")
    token_user_claim: str = Field("sub", description="claim that names the user")
    introspection_url: str = Field("", description="RFC 7662 endpoint (token_mode introspection)")
    revocations_url: str = Field("", description="feed of revoked tokens, polled")
    revocations_poll_s: float = Field(2.0, gt=0, le=4, description="interval of that poll")
    profiles_url: str = Field("", description="batch look-up of profiles; empty: none are shown")
    usercenter_secret: str = Field("", description="bearer secret for the calls above", repr=False)
    usercenter_timeout_s: float = Field(3.0, gt=0, le=10, description="longest wait for one call")
    token_cache_s: float = Field(60.0, ge=0, description="how long a verified token is trusted")
    profile_cache_s: int = Field(300, ge=1, description="how long a profile is kept")

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe line that is logged"
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="JSON lines, or text for a terminal"
    )

    @field_validator(*LISTS, mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("mysql_url")
    @classmethod
    def _check_databases(cls, urls: Names) -> Names:
        if not urls:
            raise ValueError("name at least one database")
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme != "mysql" or not parts.hostname or len(parts.path) < 2:
                raise ValueError("each database is mysql://user:password@host:port/name")
        return urls

    @field_validator("page_usercenter_url")
    @classmethod
    def _check_page(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("the page's user centre is http://host:port or https://host:port")
        return url

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, names: Names) -> Names:
        for name in names:
            ip_network(name)
        return names

    @field_validator("addresses", "backup_addresses")
    @classmethod
    def _check_addresses(cls, urls: Names) -> Names:
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in SCHEMES or not parts.hostname or not parts.port:
                raise ValueError(
                    f"an address is scheme://host:port, scheme one of {sorted(SCHEMES)}"
                )
        return urls

    @model_validator(mode="after")
    def _check_whole(self) -> "Settings":
        for name in ("heartbeat_web_s", "heartbeat_mobile_s", "heartbeat_desktop_s"):
            if getattr(self, name) >= self.idle_timeout_s:
                raise ValueError(f"{name} must be shorter than idle_timeout_s")
        if (self.web_tls or self.gateway_tls_port) and not (self.tls_certificate and self.tls_key):
            raise ValueError("TLS needs tls_certificate and tls_key")
        return self

    @property
    def celery_broker(self) -> str:
        return self.broker_url or self.redis_url
