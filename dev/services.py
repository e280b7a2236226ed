"""Private MariaDB and Redis servers for `make run`, the tests and the benchmarks.

Each lives in a directory of its own and on a loopback port that stays the same over restarts. Both
end with the process that started them (`dev.child`).
"""

import os
import secrets
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

import pymysql
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev.child import Child
from dev.ports import free_port

START_TIMEOUT_S = 60.0
USER = "im"


class ServiceError(Exception):
    """A server is not installed or did not start; the message says what to do or shows its log."""


def find_command(name: str, package: str) -> str:
    """Path of a server's command, or ServiceError naming the Debian package."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    if found is None:
        raise ServiceError(f"{name} not found: run `make setup`, or apt-get install {package}")
    return found


class Service(ABC):
    """A server process: started, stopped, killed, frozen, and started again on the same port."""

    def __init__(self, root: Path, port: int | None) -> None:
        self.root = root.resolve()
        self.port = port or free_port()
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise RuntimeError("not started")
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    def start(self) -> None:
        """Starts the server and returns when it answers; ServiceError with its log otherwise."""
        self.root.mkdir(parents=True, exist_ok=True)
        if self._child is None:
            self._child = Child(self._prepare(), cwd=self.root, log=self._log)
        self._child.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if not self._child.alive or time.monotonic() > deadline:
                self._child.kill()
                raise ServiceError(f"{type(self).__name__} did not start:\n{self._log_tail()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends the server in an orderly way."""
        if self._child is not None:
            self._child.stop(timeout_s=30)

    def kill(self) -> None:
        """Ends the server with SIGKILL, as a crash would."""
        if self._child is not None:
            self._child.kill()

    def pause(self) -> None:
        """Freezes the server with SIGSTOP: connections stay open, nothing is answered."""
        if self._child is not None:
            self._child.pause()

    def resume(self) -> None:
        if self._child is not None:
            self._child.resume()

    @property
    def _log(self) -> Path:
        return self.root / "server.log"

    def _log_tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    @abstractmethod
    def _prepare(self) -> list[str]:
        """Makes the data directory where needed and returns the command."""

    @abstractmethod
    def _answers(self) -> bool: ...


class MariaDB(Service):
    """A MariaDB whose commits survive a crash, with one password-protected user of all rights.

    The password is random, kept in `root/password` (mode 600). Accounts that could connect without
    one do not exist. `binlog` adds the second fsync of a server that is replicated from.
    """

    def __init__(
        self,
        root: Path,
        *,
        port: int | None = None,
        buffer_pool_mb: int = 128,
        binlog: bool = False,
    ) -> None:
        super().__init__(root, port)
        self._buffer_pool_mb = buffer_pool_mb
        self._binlog = binlog
        self._password = ""

    def url(self, database: str) -> str:
        return f"mysql://{USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Creates the database unless it exists, and returns its URL."""
        self.execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")

    def connect(self) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        """A connection of the platform's user, outside any database; the caller closes it."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self._password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
            read_timeout=60,
            ssl_disabled=True,
        )

    def execute(self, statement: str) -> tuple[tuple[object, ...], ...]:
        """Runs one statement as the platform's user, outside any database, and returns its rows."""
        connection = self.connect()
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return tuple(cursor.fetchall())

    def _prepare(self) -> list[str]:
        server = find_command("mariadbd", "mariadb-server")
        self._password = self._keep_password()
        if not (self.root / "data").exists():
            self._install()
        # Two servers that share a folder for temporary tables remove each other's when they start.
        temporary = self.root / "tmp"
        temporary.mkdir(exist_ok=True)
        accounts = self.root / "accounts.sql"
        write_private(
            accounts,
            f"CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1';\n"
            f"ALTER USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{self._password}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'127.0.0.1';\n",
        )
        return [
            server,
            "--no-defaults",
            *self._as_root(),
            f"--datadir={self.root / 'data'}",
            f"--init-file={accounts}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            # Relative to the data directory: a full path may be longer than a socket's name may be.
            "--socket=server.sock",
            "--pid-file=server.pid",
            f"--tmpdir={temporary}",
            "--skip-name-resolve",
            "--max-connections=500",
            "--character-set-server=utf8mb4",
            "--transaction-isolation=READ-COMMITTED",
            "--innodb-flush-log-at-trx-commit=1",
            "--sync-binlog=1",
            f"--innodb-buffer-pool-size={self._buffer_pool_mb}M",
            f"--innodb-log-file-size={96 if self._buffer_pool_mb < 512 else 1024}M",
            *(("--log-bin=binlog", "--binlog-expire-logs-seconds=3600") if self._binlog else ()),
        ]

    def _keep_password(self) -> str:
        path = self.root / "password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))
        return path.read_text()

    def _install(self) -> None:
        """Makes an empty data directory; half of one, left by a crash, is never used."""
        installer = find_command("mariadb-install-db", "mariadb-server")
        fresh = self.root / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        done = subprocess.run(
            [
                installer,
                "--no-defaults",
                f"--datadir={fresh}",
                "--auth-root-authentication-method=socket",
                "--skip-test-db",
                *self._as_root(),
            ],
            capture_output=True,
            text=True,
            start_new_session=True,
        )
        if done.returncode:
            raise ServiceError(f"{installer} failed:\n{done.stdout}{done.stderr}")
        fresh.rename(self.root / "data")

    def _as_root(self) -> tuple[str, ...]:
        return ("--user=root",) if os.geteuid() == 0 else ()

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except pymysql.MySQLError:
            return False
        return True


class Redis(Service):
    """A Redis that never saves snapshots; `append_only` keeps a log, synced every second."""

    def __init__(self, root: Path, *, port: int | None = None, append_only: bool = False) -> None:
        super().__init__(root, port)
        self._append_only = append_only

    def url(self, db: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{db}"

    def flush(self) -> None:
        """Forgets everything in every database."""
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def _prepare(self) -> list[str]:
        return [
            find_command("redis-server", "redis-server"),
            "--bind", "127.0.0.1",
            "--port", str(self.port),
            "--dir", str(self.root),
            "--save", "",
            "--appendonly", "yes" if self._append_only else "no",
            "--appendfsync", "everysec",
        ]  # fmt: skip

    def _answers(self) -> bool:
        client = redis.Redis(port=self.port, socket_timeout=1, retry=Retry(NoBackoff(), 0))
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def write_private(path: Path, text: str) -> None:
    """Writes a file nobody else may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
