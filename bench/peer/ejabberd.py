"""A private ejabberd that archives every message in a MariaDB of ours, and nothing else.

It runs Debian's package from a folder of its own, under our user, on a free port, without Erlang's
name server: nothing of `/etc/ejabberd` or `/var/lib/ejabberd` is read or written.
"""

import secrets
import socket
import string
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pymysql

from dev.services import MariaDB, Service, ServiceError, find_command, write_private

DOMAIN = "peer.test"
DATABASE = "ejabberd"
SCHEMA = Path("/usr/share/ejabberd/sql/mysql.sql")
TEMPLATE = Path(__file__).with_suffix(".yml")
FULLTEXT = "CREATE FULLTEXT INDEX"
ROWS_PER_INSERT = 1000


class Ejabberd(Service):
    """ejabberd with its users and archive in the database `ejabberd` of a running MariaDB."""

    def __init__(self, root: Path, mariadb: MariaDB, *, sql_pool_size: int) -> None:
        super().__init__(root, None)
        self._mariadb = mariadb
        self._sql_pool_size = sql_pool_size
        self._password = secrets.token_hex(12)

    def register(self, users: list[str]) -> list[str]:
        """Make the accounts; returns what each logs in with, `user password`."""
        with self._connect() as connection, connection.cursor() as cursor:
            for start in range(0, len(users), ROWS_PER_INSERT):
                rows = [(user, self._password) for user in users[start : start + ROWS_PER_INSERT]]
                cursor.executemany("INSERT INTO users (username, password) VALUES (%s, %s)", rows)
        return [f"{user} {self._password}" for user in users]

    def _connect(self) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        parts = urlsplit(self._mariadb.url(DATABASE))
        return pymysql.connect(
            host="127.0.0.1",
            port=self._mariadb.port,
            user=parts.username or "",
            password=unquote(parts.password or ""),
            database=DATABASE,
            autocommit=True,
            ssl_disabled=True,
        )

    def _prepare(self) -> list[str]:
        find_command("ejabberdctl", "ejabberd")
        erlang = find_command("erl", "erlang-base")
        self._make_tables()
        parts = urlsplit(self._mariadb.url(DATABASE))
        config = self.root / "ejabberd.yml"
        write_private(
            config,
            string.Template(TEMPLATE.read_text()).substitute(
                domain=DOMAIN,
                port=self.port,
                sql_port=self._mariadb.port,
                sql_database=DATABASE,
                sql_user=parts.username,
                sql_password=unquote(parts.password or ""),
                sql_pool_size=self._sql_pool_size,
            ),
        )
        return [
            "/usr/bin/env",
            f"EJABBERD_CONFIG_PATH={config}",
            f"EJABBERD_LOG_PATH={self.root / 'ejabberd.log'}",
            f"ERL_LIBS={package_folder().parent}",
            f"ERL_CRASH_DUMP={self.root / 'crash.dump'}",
            "ERL_MAX_PORTS=65536",
            f"HOME={self.root}",
            erlang,
            "-noinput",
            # As Debian's ejabberdctl starts it, but for schedulers that wait without spinning: on
            # a machine shared with the database and the generator they would burn its cores.
            *("+K", "true", "+P", "250000"),
            *("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"),
            *("-mnesia", "dir", f'"{self.root / "mnesia"}"'),
            *("-s", "ejabberd"),
        ]

    def _make_tables(self) -> None:
        """The package's schema, without the full-text index: what is compared has no search."""
        if not SCHEMA.exists():
            raise ServiceError(f"{SCHEMA} not found: apt-get install ejabberd")
        self._mariadb.create_database(DATABASE)
        with self._connect() as connection, connection.cursor() as cursor:
            for statement in statements(SCHEMA.read_text()):
                if not statement.startswith(FULLTEXT):
                    cursor.execute(statement)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False


def statements(script: str) -> list[str]:
    """The statements of an SQL script whose every statement ends a line with a semicolon."""
    lines = [line for line in script.splitlines() if line.strip() and not line.startswith("--")]
    return [text.strip() for text in "\n".join(lines).split(";") if text.strip()]


def package_folder() -> Path:
    """Where Debian keeps ejabberd's compiled modules: one folder for each architecture."""
    found = sorted(Path("/usr/lib").glob("*/ejabberd-*/ebin/ejabberd.beam"))
    if not found:
        raise ServiceError("ejabberd's modules not found: apt-get install ejabberd")
    return found[-1].parent.parent
