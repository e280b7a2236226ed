"""Plays one scenario of tests/e2e/scenarios.json with one SDK over one transport.

The file's `about` describes the steps. Everything a scenario opens is closed by `close`.
"""

import json
import time
import uuid
from pathlib import Path
from typing import Any

from dev.clients.wait import DEADLINE_S, wait_until
from dev.environment import ROOT
from proto import im_pb2
from proto.commands import BY_NAME
from tests.support.cluster import Cluster
from tests.support.proxy import Proxy
from tests.support.sdkdriver import SDK, Driver
from tests.support.sdknetworks import Networks

SCENARIOS: list[dict[str, Any]] = json.loads((ROOT / "tests/e2e/scenarios.json").read_text())[
    "scenarios"
]
BACKOFF_S = (0.05, 0.5)
CLOCKS_AGREE_MS = 120_000
_GATEWAY = ("tcp", "tls")
_DEFAULTS: dict[str, Any] = {"unread": 0, "mentions": 0}


class Mismatch(AssertionError):
    """A step did not do what it should; the message shows everything about it."""


def is_played(scenario: dict[str, Any], sdk: SDK, transport: str) -> bool:
    """Whether a scenario, or a step, is for this SDK and this transport."""
    transports = scenario.get("transports", sdk.transports)
    if isinstance(transports, dict):
        transports = transports.get(sdk.name, ())
    return sdk.name in scenario.get("sdks", [sdk.name]) and transport in transports


class Play:
    """One run of one scenario; nothing may take longer than `deadline_s`."""

    def __init__(
        self,
        cluster: Cluster,
        sdk: SDK,
        transport: str,
        scenario: dict[str, Any],
        folder: Path,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._deadline_s = deadline_s
        self._cluster = cluster
        self._sdk = sdk
        self._transport = transport
        self._scenario = scenario
        self._folder = folder
        self._users: dict[str, str] = {}
        self._saved: dict[str, Any] = {}
        self._devices = scenario["devices"]
        self._drivers: dict[str, Driver] = {}
        self._before: dict[str, list[dict[str, Any]]] = {name: [] for name in self._devices}
        self._networks = Networks(cluster, transport, scenario)

    def run(self) -> None:
        """Play every step, then check what holds after each scenario."""
        for name, device in self._devices.items():
            if not device.get("late"):
                self._start(name)
        for number, step in enumerate(self._scenario["steps"]):
            try:
                if is_played(step, self._sdk, self._transport):
                    self._step(step)
            except AssertionError as error:
                raise Mismatch(
                    f"step {number}: {json.dumps(step)}\n{error}\n{self._story()}"
                ) from None
        for name in self._devices:
            self._check_once_in_order(name)
        for driver in self._drivers.values():
            driver.close()
        self._drivers.clear()

    def close(self) -> None:
        """Leave nothing behind."""
        for driver in self._drivers.values():
            driver.kill()
        self._networks.close()

    # ------------------------------------------------------------ steps

    def _step(self, step: dict[str, Any]) -> None:
        if "link" in step:
            self._disturb(self._networks[step["link"]], step)
        elif "server" in step:
            self._serve(step["do"])
        elif "stored" in step:
            self._stored(self._filled(step["stored"]))
        elif "start" in step:
            self._start(step["on"])
        elif "kill" in step:
            driver = self._drivers.pop(step["on"])
            driver.kill()
            self._before[step["on"]] += driver.events
        elif "op" in step:
            self._ask(step)
        else:
            self._hear(step)

    def _ask(self, step: dict[str, Any]) -> None:
        driver = self._drivers[step["on"]]
        fields = {
            key: self._filled(value)
            for key, value in step.items()
            if key not in ("on", "op", "answer", "save", "error", "until", "times", "transports")
        }
        if step["op"].startswith("wait_"):
            fields.setdefault("timeout_s", self._deadline_s)

        def good() -> dict[str, Any] | None:
            answer = driver.ask(step["op"], **fields)
            if "error" in step:
                if answer.get("ok") or answer.get("error") != step["error"]:
                    raise Mismatch(f"expected the error {step['error']}, got {answer}")
                return answer
            if not answer.get("ok"):
                raise Mismatch(f"refused: {answer}")
            if "answer" in step:
                wanted = self._filled(step["answer"])
                if not fits(wanted, answer):
                    if step.get("until"):
                        return None
                    raise Mismatch(f"expected {wanted}\ngot {answer}")
            return answer

        last = wait_until(good, self._deadline_s, what=f"an answer like {step.get('answer')}")
        assert last is not None
        if step.get("times") == "now":
            for message in last["messages"]:
                assert abs(message["time_ms"] - time.time() * 1000) < CLOCKS_AGREE_MS, message
        for field, variable in step.get("save", {}).items():
            self._saved[variable] = last[field]

    def _hear(self, step: dict[str, Any]) -> None:
        name = step["on"]
        wanted = self._filled(step.get("event") or step["quiet"])

        def found() -> list[dict[str, Any]]:
            return [event for event in self._events(name) if fits(wanted, event)]

        if "quiet" in step:
            assert not found(), f"came although it should not: {found()}"
        elif "count" in step:
            assert len(found()) == step["count"], f"{len(found())} came: {found()}"
        else:
            times = step.get("times_heard", 1)
            wait_until(lambda: len(found()) >= times, self._deadline_s, what=f"the event {wanted}")

    def _disturb(self, proxy: Proxy, step: dict[str, Any]) -> None:
        do = step["do"]
        if do in ("drop", "duplicate"):
            getattr(proxy, do)(BY_NAME[step["push"]].number, step["count"])
        else:
            assert do in ("wait_done", "cut", "down", "freeze", "deafen", "heal"), do
            getattr(proxy, do)()

    def _serve(self, do: str) -> None:
        process = "gateway" if self._transport in _GATEWAY else "web"
        if do == "start":
            self._cluster.start(process)
        else:
            assert do in ("kill", "pause", "stop"), do
            getattr(self._cluster.platform, do)(process)

    def _stored(self, asked: dict[str, Any]) -> None:
        def rows() -> int:
            sent = self._cluster.store.rows(f"sender = '{asked['sender']}'")
            return len(
                {
                    row.id
                    for row in sent
                    if im_pb2.Content.FromString(row.content).text.text == asked["text"]
                }
            )

        wait_until(lambda: rows() >= asked["count"], what=f"the stored message {asked}")
        assert rows() == asked["count"], f"stored {rows()} times"

    # ------------------------------------------------------------ devices

    def _start(self, name: str) -> None:
        device = self._devices[name]
        driver = Driver(self._sdk.over(self._transport), self._folder / f"{name}.log")
        self._drivers[name] = driver
        user = self._filled(device["user"])
        store = self._folder / f"store-{device.get('store', name)}"
        store.mkdir(exist_ok=True)
        fields = {
            "user": user,
            "token": device.get("token") or self._cluster.token(user),
            "device": device.get("device", f"device-{name}"),
            "platform": device.get("platform", "web"),
            "endpoints": [
                self._networks.endpoint(name, at) for at in device.get("endpoints", ["own"])
            ],
            "store": str(store),
            "ca": str(self._cluster.certificate),
            "clock_offset_s": device.get("clock_offset_s", 0),
            "backoff_s": list(BACKOFF_S),
            "better_after_s": device.get("better_after_s", 60),
        }
        answer = driver.ask("open", **fields)
        assert answer.get("ok"), answer

    def _events(self, name: str) -> list[dict[str, Any]]:
        driver = self._drivers.get(name)
        return self._before[name] + (list(driver.events) if driver else [])

    def _check_once_in_order(self, name: str) -> None:
        """No message came twice in the same state; versions of each log ascend."""
        seen: set[tuple[str, bool]] = set()
        reached: dict[str, int] = {}
        for event in self._events(name):
            if event["event"] != "message":
                continue
            key = (event["id"], event["recalled"])
            assert key not in seen, f"{name} heard twice of {event}\n{self._story()}"
            seen.add(key)
            conversation = event["conversation"]
            log = conversation["id"] if conversation["type"] == "group" else ""
            version = int(event["version"])
            assert version > reached.get(log, 0), f"{name}: out of order {event}\n{self._story()}"
            reached[log] = version

    # ------------------------------------------------------------ texts

    def _filled(self, value: Any) -> Any:
        """The value with user ids and variables in their places."""
        if isinstance(value, dict):
            return {key: self._filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, str) and value.startswith("@"):
            if value not in self._users:
                self._users[value] = f"{value[1:]}-{uuid.uuid4().hex[:10]}"
            return self._users[value]
        if isinstance(value, str) and value.startswith("$"):
            return self._saved[value[1:]]
        return value

    def _story(self) -> str:
        """What every device said, for a failure."""
        lines = [f"users {self._users}, saved {self._saved}"]
        for name in self._devices:
            lines.append(f"--- {name}")
            lines += [json.dumps(event, ensure_ascii=False) for event in self._events(name)]
            if name in self._drivers:
                lines.append(self._drivers[name].log())
        return "\n".join(lines)


def fits(wanted: Any, got: Any) -> bool:
    """Whether `got` is `wanted`, or an object that holds at least that."""
    if isinstance(wanted, dict):
        return isinstance(got, dict) and all(
            fits(value, got.get(key, _DEFAULTS.get(key))) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(got, list)
            and len(wanted) == len(got)
            and all(fits(one, other) for one, other in zip(wanted, got, strict=True))
        )
    return bool(wanted == got)
