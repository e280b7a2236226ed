"""What travels on a user's pub/sub channel, and how it is put there.

Messages are published by effects.lua as `m<previous version>\\n<MessagesPush entries>`, everything
else as `e<command>\\n<body>`. The registry's own: `k<session> <code name>\\n<message>` ends one
connection, `h<user>` ends what is told of that user's presence. `j<group>` says that the user came
into a group. On a group's channel group_apply.lua publishes `m<previous version> <who left behind
these, with commas>\\n<MessagesPush entries>`. Nothing here is durable: what is
lost is read again from MySQL.
"""

from typing import Any

import structlog
from google.protobuf.message import Message

from models import keys
from models.redisclient import RedisError

log = structlog.get_logger()


def publish(client: Any, users: set[str], command: int, body: Message) -> None:
    """Send an event to every connection of these users; a failure is logged and forgotten."""
    payload = b"e%d\n" % command + body.SerializeToString()
    try:
        pipe = client.pipeline(transaction=False)
        for user in users:
            pipe.publish(keys.channel(user), payload)
        pipe.execute()
    except RedisError as error:
        log.warning("event not published", command=command, error=type(error).__name__)
