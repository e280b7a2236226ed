"""The stores of one process, put together once; use-cases take them from here."""

from dataclasses import dataclass
from typing import Any

from models.blacklist import Blacklist
from models.contacts import Contacts
from models.devices import Devices
from models.groupcache import GroupCache
from models.groupunread import GroupUnread
from models.membership import Memberships
from models.metrics import Metrics
from models.ratelimit import SendRate
from models.redisclient import Scripts, open_redis
from models.registry import Registry
from models.settings import Settings
from models.shards import ShardMap, open_databases
from models.tickets import Tickets
from models.usercentre.profiles import Profiles


@dataclass(frozen=True, slots=True)
class Core:
    """Everything use-cases and deliveries stand on; safe to share between threads."""

    settings: Settings
    shards: ShardMap
    redis: Any
    scripts: Scripts
    contacts: Contacts
    blacklist: Blacklist
    profiles: Profiles
    devices: Devices
    registry: Registry
    memberships: Memberships
    group_cache: GroupCache
    group_unread: GroupUnread
    tickets: Tickets
    send_rate: SendRate
    metrics: Metrics

    def close(self) -> None:
        """Give back every connection."""
        for database in self.shards.databases:
            database.close()
        self.redis.close()


def open_core(settings: Settings) -> Core:
    """Open the stores; reads the shard map, so the first database must answer."""
    shards = ShardMap(open_databases(settings))
    client = open_redis(settings)
    scripts = Scripts(client)
    return Core(
        settings=settings,
        shards=shards,
        redis=client,
        scripts=scripts,
        contacts=Contacts(shards, client, scripts),
        blacklist=Blacklist(shards, client, scripts, settings.blocked_users_max),
        profiles=Profiles(settings, client),
        devices=Devices(shards),
        registry=Registry(client, scripts, settings.devices_policy),
        memberships=Memberships(shards, client, scripts),
        group_cache=GroupCache(client, scripts, settings.group_cache_messages),
        group_unread=GroupUnread(shards, client),
        tickets=Tickets(client),
        send_rate=SendRate(scripts, settings.send_rate_per_s, settings.send_burst),
        metrics=Metrics(),
    )
