"""Calls to the user centre, bounded in time, in size and in number."""

import json
import os
import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from http.cookiejar import DefaultCookiePolicy

import requests
import structlog
import urllib3

from models.errors import Code, IMError
from models.settings import Settings

ANSWER_BYTES_MAX = 2 << 20
CALLS_MAX = 16
_PIECE_BYTES = 65536

log = structlog.get_logger(__name__)


class UserCentreDown(IMError):
    """No usable answer came in time; `reason` names no URL, token or secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(Code.UNAVAILABLE, f"the user centre gave no usable answer: {reason}")
        self.reason = reason


class UserCentreClient:
    """HTTP to the user centre: JSON objects or UserCentreDown, nothing in between.

    Redirects, compressed answers and answers over ANSWER_BYTES_MAX are refused. Each call runs in
    a thread of its own (a greenlet under gevent) and is abandoned at the deadline, because neither
    name resolution nor dripping headers obey a socket timeout. At most CALLS_MAX run at once.
    Proxies, .netrc and other variables of the environment are not consulted.
    """

    def __init__(self, settings: Settings) -> None:
        self._timeout_s = settings.usercenter_timeout_s
        self._secret = settings.usercenter_secret
        self._slots = threading.BoundedSemaphore(CALLS_MAX)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = _trust_store()
        self._session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=CALLS_MAX))
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=CALLS_MAX))

    def get(
        self, url: str, params: Mapping[str, str] | None = None, *, with_secret: bool = True
    ) -> dict[str, object]:
        """The JSON object at `url`."""
        return self._call(requests.Request("GET", url, params=params), with_secret, None)

    def post_form(self, url: str, form: Mapping[str, str]) -> dict[str, object]:
        """The JSON object answered to a form."""
        return self._call(requests.Request("POST", url, data=form), True, None)

    def post_json(
        self, url: str, body: object, *, timeout_s: float | None = None
    ) -> dict[str, object]:
        """The JSON object answered to a JSON body, within `timeout_s` if that is shorter."""
        return self._call(requests.Request("POST", url, json=body), True, timeout_s)

    def _call(
        self, request: requests.Request, with_secret: bool, timeout_s: float | None
    ) -> dict[str, object]:
        wait_s = self._timeout_s if timeout_s is None else min(timeout_s, self._timeout_s)
        deadline = time.monotonic() + wait_s
        if with_secret and self._secret:
            request.headers["Authorization"] = f"Bearer {self._secret}"
        if not self._slots.acquire(timeout=max(0.0, wait_s)):
            raise UserCentreDown("too many calls under way")
        outcome: Future[dict[str, object]] = Future()
        runner = threading.Thread(target=self._run, args=(request, deadline, outcome), daemon=True)
        try:
            runner.start()
        except RuntimeError as error:
            self._slots.release()
            raise UserCentreDown("no thread left") from error
        try:
            return outcome.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise UserCentreDown("timeout") from None

    def _run(
        self, request: requests.Request, deadline: float, outcome: Future[dict[str, object]]
    ) -> None:
        try:
            outcome.set_result(self._send(request, deadline))
        except UserCentreDown as error:
            outcome.set_exception(error)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # The text of these errors may carry the URL with its query; the type is enough.
            outcome.set_exception(UserCentreDown(type(error).__name__))
        finally:
            self._slots.release()
            if not outcome.done():
                outcome.set_exception(UserCentreDown("a fault on this side"))

    def _send(self, request: requests.Request, deadline: float) -> dict[str, object]:
        prepared = self._session.prepare_request(request)
        try:
            response = self._exchange(prepared, deadline)
        except requests.Timeout:
            raise UserCentreDown("timeout") from None
        except requests.ConnectionError:
            # A kept-alive connection may die just as it is used; every call here is repeatable.
            response = self._exchange(prepared, deadline)
        with response:
            if response.status_code in (401, 403):
                log.error("usercentre.secret_refused", status=response.status_code)
            if response.status_code != 200:
                raise UserCentreDown(f"status {response.status_code}")
            return _parse(_read(response, deadline))

    def _exchange(self, prepared: requests.PreparedRequest, deadline: float) -> requests.Response:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise UserCentreDown("timeout")
        return self._session.send(
            prepared,
            stream=True,
            allow_redirects=False,
            timeout=left_s,
            verify=self._session.verify,
        )


def _read(response: requests.Response, deadline: float) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise UserCentreDown("compressed answer")
    body = bytearray()
    while piece := response.raw.read1(_PIECE_BYTES):
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise UserCentreDown("answer too large")
        if time.monotonic() > deadline:
            raise UserCentreDown("timeout")
    return bytes(body)


def _parse(body: bytes) -> dict[str, object]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise UserCentreDown("not JSON") from None
    if not isinstance(answer, dict):
        raise UserCentreDown("not a JSON object")
    return answer


def _trust_store() -> bool | str:
    """The system's certificates, so that a company's own CA counts; certifi's without any."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return paths.cafile
    if paths.capath and os.listdir(paths.capath):
        return paths.capath
    return True
