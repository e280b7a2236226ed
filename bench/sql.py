"""A connection to the benchmark's MariaDB whose statements may take minutes."""

from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql

from dev.services import MariaDB


def connect(mariadb: MariaDB, database: str | None = None) -> Any:
    """Connect as the platform's user, each statement in a transaction of its own."""
    parts = urlsplit(mariadb.url(database or ""))
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 0,
        user=parts.username,
        password=unquote(parts.password or ""),
        database=database,
        charset="utf8mb4",
        autocommit=True,
        ssl_disabled=True,
    )
