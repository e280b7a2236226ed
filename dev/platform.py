"""The platform's own processes, for tests and benchmarks: started, killed and restarted one by one.

A process is named like in the `Procfile`, a second one of the same kind with a suffix: `web`,
`web.2`. Each has its own process group, so `kill` ends a gunicorn or Celery parent together with
its children, and its own log file.
"""

import secrets
import socket
import time
import warnings
from collections.abc import Mapping
from pathlib import Path

import requests
from celery import Celery
from urllib3.exceptions import InsecureRequestWarning

from dev.certificate import certificate_settings, make_certificate
from dev.child import Child
from dev.environment import ROOT, base_environment, commands, usercenter_settings
from dev.ports import accepts, free_port

READY_TIMEOUT_S = 30.0
SETTLED_S = 0.5


class PlatformError(Exception):
    """A process ended or was not ready in time; the message shows the end of its log."""


class Platform:
    """Processes that share the settings `env` (`IM_*` names) and write logs to the folder `logs`.

    With `usercenter`, the development user centre is part of it and the settings point to it. Use
    it as a context manager, or call `stop()`: nothing stays behind either way, nor after our death.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        logs: Path,
        *,
        usercenter: bool = False,
        instead: Mapping[str, str] | None = None,
    ) -> None:
        """`instead`: commands by the names of the `Procfile`, in place of those it gives."""
        self.logs = logs
        self._commands = {**commands(), **(instead or {})}
        self._env = base_environment()
        self._ports: dict[str, int] = {}
        self._secure: set[str] = set()
        self._children: dict[str, Child] = {}
        if usercenter:
            self._env |= usercenter_settings(
                self.port("usercenter"), secrets.token_urlsafe(24), logs / "usercenter.db"
            )
        self._env |= env
        logs.mkdir(parents=True, exist_ok=True)
        self._env |= certificate_settings(make_certificate(logs))

    def __enter__(self) -> "Platform":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def env(self) -> dict[str, str]:
        """The environment all processes share, for commands run beside them."""
        return dict(self._env)

    def start(self, *names: str, env: Mapping[str, str] | None = None) -> None:
        """Starts the processes, with `env` on top of the shared settings, until all are ready."""
        self.launch(*names, env=env)
        for name in names:
            self.wait_ready(name)

    def launch(self, *names: str, env: Mapping[str, str] | None = None) -> None:
        """Starts the processes as `start` does, and returns at once."""
        for name in names:
            if name not in self._children or env is not None:
                self._children[name] = self._child(name, env or {})
            self._children[name].start()

    def stop(self, *names: str, timeout_s: float = 10.0) -> None:
        """Ends the processes (default: all) in an orderly way, with SIGKILL after `timeout_s`."""
        children = [self._children[name] for name in names or tuple(self._children)]
        for child in children:
            child.resume()
            child.terminate()
        deadline = time.monotonic() + timeout_s
        for child in children:
            child.stop(max(0.0, deadline - time.monotonic()))

    def terminate(self, name: str) -> None:
        """Asks the process to end in an orderly way and returns at once."""
        self._children[name].terminate()

    def kill(self, name: str) -> None:
        """Ends the process and its children with SIGKILL."""
        self._children[name].kill()

    def restart(self, name: str) -> None:
        """Stops the process, if it still runs, and starts it again on the same port."""
        self._children[name].stop()
        self.start(name)

    def pause(self, name: str) -> None:
        self._children[name].pause()

    def resume(self, name: str) -> None:
        self._children[name].resume()

    def pid(self, name: str) -> int:
        """Id of the process and of its group."""
        return self._children[name].pid

    def alive(self, name: str) -> bool:
        return name in self._children and self._children[name].alive

    def returncode(self, name: str) -> int | None:
        return self._children[name].returncode

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text(errors="replace")

    def port(self, name: str = "web") -> int:
        """The port of a process; by `web.metrics` of its metrics, by `gateway.tls` its TLS one."""
        if name not in self._ports:
            self._ports[name] = free_port()
        return self._ports[name]

    def url(self, name: str = "web") -> str:
        """Where a process answers HTTP: https for one started with `IM_WEB_TLS`."""
        scheme = "https" if name in self._secure else "http"
        return f"{scheme}://127.0.0.1:{self.port(name)}"

    def wait_ready(self, name: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Returns when the process does its work; PlatformError when it ended or was too slow."""
        child = self._children[name]
        started = time.monotonic()
        while not self._is_ready(name, time.monotonic() - started):
            if not child.alive:
                raise PlatformError(f"{name} ended (code {child.returncode}):\n{self._tail(name)}")
            if time.monotonic() - started > timeout_s:
                raise PlatformError(f"{name} was not ready in time:\n{self._tail(name)}")
            time.sleep(0.05)

    def _child(self, name: str, env: Mapping[str, str]) -> Child:
        command = self._commands[name.partition(".")[0]]
        own = self._env | self._own_settings(name) | dict(env)
        if name.startswith("web") and is_secure(own):
            self._secure.add(name)
        return Child(
            command,
            env=own,
            cwd=ROOT,
            log=self.logs / f"{name}.log",
        )

    def _own_settings(self, name: str) -> dict[str, str]:
        match name.partition(".")[0]:
            case "web":
                metrics = self.port(f"{name}.metrics")
                return {"IM_WEB_PORT": str(self.port(name)), "IM_METRICS_PORT": str(metrics)}
            case "gateway":
                return {
                    "IM_GATEWAY_PORT": str(self.port(name)),
                    "IM_GATEWAY_TLS_PORT": str(self.port(f"{name}.tls")),
                    "IM_GATEWAY_METRICS_PORT": str(self.port(f"{name}.metrics")),
                }
            case "worker":
                return {"IM_WORKER_NAME": name}
            case "flower":
                return {"IM_FLOWER_PORT": str(self.port(name)), "IM_FLOWER_AUTH": "im:im"}
        return {}

    def _is_ready(self, name: str, waited_s: float) -> bool:
        match name.partition(".")[0]:
            case "web":
                return is_ready(f"{self.url(name)}/readyz")
            case "gateway":
                return is_ready(f"{self.url(f'{name}.metrics')}/readyz")
            case "worker":
                broker = self._env.get("IM_BROKER_URL") or self._env["IM_REDIS_URL"]
                return answers_ping(broker, name)
            case "usercenter":
                return is_ready(f"{self.url(name)}/healthz")
            case "flower":
                return accepts(self.port(name))
        return waited_s >= SETTLED_S and self._children[name].alive

    def _tail(self, name: str) -> str:
        return "\n".join(self.log(name).splitlines()[-30:])


def is_secure(env: Mapping[str, str]) -> bool:
    """Whether a web process with these settings speaks TLS."""
    return env.get("IM_WEB_TLS", "").lower() in ("true", "1", "yes", "on", "t", "y")


def is_ready(url: str) -> bool:
    """Whether the address answers 200, with whatever certificate: it is a process of ours."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureRequestWarning)
            return requests.get(url, timeout=2, verify=False).status_code == 200
    except requests.RequestException:
        return False


def answers_ping(broker_url: str, worker: str) -> bool:
    """Whether the Celery worker of that name on this machine takes tasks from the broker."""
    with Celery(broker=broker_url, set_as_current=False) as app:
        nodes = [f"{worker}@{socket.gethostname()}"]
        return bool(app.control.ping(destination=nodes, timeout=0.5))
