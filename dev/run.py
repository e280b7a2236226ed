"""`make run`: the whole platform on this machine, until Ctrl-C.

Starts a private MariaDB and Redis under var/ (unless `IM_MYSQL_URL` / `IM_REDIS_URL` name running
ones), migrates, and keeps every process of the `Procfile` running.
"""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from typing import IO

from dev.banner import banner
from dev.certificate import certificate_settings, make_certificate
from dev.environment import (
    ROOT,
    base_environment,
    commands,
    names_usercenter,
    store_settings,
    usercenter_settings,
)
from dev.platform import is_ready, is_secure
from dev.ports import free_port, is_free
from dev.services import MariaDB, Redis, Service, ServiceError, write_private
from dev.supervisor import Output, Supervisor

VAR = ROOT / "var"
DATABASES = ("im_0", "im_1")
PORTS = {
    "IM_WEB_PORT": 8000,
    "IM_METRICS_PORT": 9100,
    "IM_GATEWAY_PORT": 8002,
    "IM_GATEWAY_TLS_PORT": 8443,
    "IM_GATEWAY_METRICS_PORT": 9101,
    "IM_FLOWER_PORT": 5555,
}
USERCENTER_PORT = 8100


class Stopped(Exception):
    """A signal asked us to end before everything was up."""


class Run:
    """One `make run`, from the lock to the last process ended."""

    def __init__(self) -> None:
        self._commands = commands()
        self._output = Output(width=max(map(len, (*self._commands, "mariadb"))))
        self._asked_to_stop = threading.Event()
        self._services: dict[str, Service] = {}
        self._foreign_usercenter = names_usercenter(os.environ)

    def main(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._asked_to_stop.set())
        with ExitStack() as stack:
            try:
                stack.enter_context(take_lock())
                self._run(stack)
            except (ServiceError, SystemExit) as error:
                print(error, file=sys.stderr)
                return 1
            except Stopped:
                pass
        self._say("stopped")
        return 0

    def _run(self, stack: ExitStack) -> None:
        env = base_environment() | self._settings(stack)
        self._check()
        if subprocess.run([sys.executable, "-m", "migrations"], env=env, cwd=ROOT).returncode:
            raise SystemExit("the migrations failed; nothing was started")
        self._check()
        supervisor = Supervisor(self._output, ROOT)
        stack.callback(supervisor.stop)
        for name, command in self._commands.items():
            if name != "usercenter" or not self._foreign_usercenter:
                supervisor.run(name, command, env)
        self._wait_until_up(env)
        self._output.block(self._banner(env))
        self._watch()

    def _settings(self, stack: ExitStack) -> dict[str, str]:
        """Starts what stores data and returns every setting of the processes."""
        given = {name: value for name, value in os.environ.items() if name.startswith("IM_")}
        metrics = VAR / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir()
        settings = {
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            "IM_LOG_FORMAT": "console",
            "IM_FLOWER_AUTH": f"im:{kept_secret('flower-password')}",
        }
        settings |= {name: str(self._port(name, port)) for name, port in PORTS.items()}
        if "IM_TLS_CERTIFICATE" not in given:
            settings |= certificate_settings(make_certificate(VAR))
        if not self._foreign_usercenter:
            port = self._port("IM_USERCENTER_PORT", USERCENTER_PORT)
            settings |= usercenter_settings(
                port, kept_secret("usercenter-secret"), VAR / "usercenter.db"
            )
        mysql_urls, redis_url = [], ""
        if "IM_MYSQL_URL" not in given:
            mariadb = MariaDB(VAR / "mariadb", buffer_pool_mb=512)
            self._start(stack, "mariadb", mariadb)
            mysql_urls = [mariadb.create_database(name) for name in DATABASES]
        self._check()
        if "IM_REDIS_URL" not in given:
            redis = Redis(VAR / "redis", append_only=True)
            self._start(stack, "redis", redis)
            redis_url = redis.url()
        return settings | store_settings(mysql_urls, redis_url) | given

    def _start(self, stack: ExitStack, name: str, service: Service) -> None:
        stack.callback(service.stop)
        service.start()
        self._services[name] = service

    def _port(self, name: str, default: int) -> int:
        """The port given in the environment, else the default, else a free one."""
        if name in os.environ:
            return int(os.environ[name])
        if is_free(default):
            return default
        port = free_port()
        self._say(f"port {default} is taken: {name}={port}")
        return port

    def _wait_until_up(self, env: dict[str, str]) -> None:
        while not is_ready(f"{web_url(env)}/readyz"):
            self._check()
            self._asked_to_stop.wait(0.2)

    def _watch(self) -> None:
        """Brings a database server that died back, until we are asked to stop."""
        while not self._asked_to_stop.wait(1.0):
            for name, service in self._services.items():
                if not service.alive:
                    self._output.line(name, "ended; starting again")
                    try:
                        service.start()
                    except ServiceError as error:
                        self._output.line(name, str(error))
        self._say("stopping")

    def _banner(self, env: dict[str, str]) -> str:
        usercenter = ""
        if not self._foreign_usercenter:
            usercenter = f"http://127.0.0.1:{env['IM_USERCENTER_PORT']}"
        addresses = {
            "chat page": f"{web_url(env)}/" if env.get("IM_PAGE_USERCENTER_URL") else "none",
            "web": web_url(env),
            "tcp": f"127.0.0.1:{env['IM_GATEWAY_PORT']}, TLS {env['IM_GATEWAY_TLS_PORT']}",
            "metrics": f"http://127.0.0.1:{env['IM_METRICS_PORT']}/metrics",
            "user centre": usercenter or "yours",
            "flower": f"http://127.0.0.1:{env['IM_FLOWER_PORT']}",
            "": "user {}, password {}".format(*env["IM_FLOWER_AUTH"].split(":", 1)),
        }
        certificate = env["IM_TLS_CERTIFICATE"] if is_secure(env) else ""
        return banner(addresses, usercenter=usercenter, web=web_url(env), certificate=certificate)

    def _check(self) -> None:
        if self._asked_to_stop.is_set():
            raise Stopped

    def _say(self, text: str) -> None:
        self._output.line("run", text)


def web_url(env: dict[str, str]) -> str:
    host = env.get("IM_WEB_HOST", "127.0.0.1")
    scheme = "https" if is_secure(env) else "http"
    return f"{scheme}://{'127.0.0.1' if host == '0.0.0.0' else host}:{env['IM_WEB_PORT']}"


def take_lock() -> IO[str]:
    """Holds var/run.lock until closed; SystemExit when another `make run` holds it."""
    VAR.mkdir(mode=0o700, exist_ok=True)
    lock = (VAR / "run.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        raise SystemExit(f"`make run` is already up here (process {lock.read().strip()})") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def kept_secret(name: str) -> str:
    """A random secret that stays the same over restarts, in a file only we may read."""
    path = VAR / name
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text()


if __name__ == "__main__":
    sys.exit(Run().main())
