"""The user-centre clients under gevent's monkey-patching, as `web` runs them."""

import subprocess
import sys

from dev.environment import ROOT

# A server in a process of its own would add nothing: the patched server proves that the clients
# yield, because with one blocking call in them nobody would be left to answer.
SCRIPT = """
from gevent import monkey
monkey.patch_all()
import json
import gevent
import gevent.pywsgi
from models.usercentre.client import UserCentreClient, UserCentreDown
from models.usercentre.revocations import Revalidator
from models.usercentre.tokens import TokenVerifier
from tests.usercentre_kit import good_claims, make_settings

calls = []
hold = gevent.event.Event()

def app(environ, start_response):
    token = environ["wsgi.input"].read().decode()
    calls.append(token)
    hold.wait()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"active": "gone" not in token or calls.count(token) < 2,
                        **good_claims(), "jti": token}).encode()]

server = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), app, log=None)
server.start()
url = f"http://127.0.0.1:{server.server_port}/"
settings = make_settings(token_mode="introspection", introspection_url=url)
verifier = TokenVerifier(settings)

same = [gevent.spawn(verifier.verify, "same") for _ in range(50)]
while not calls:
    gevent.sleep(0.001)
hold.set()
assert {greenlet.get(timeout=30).user for greenlet in same} == {"alice"}
assert calls == ["token=same"], calls

hold.clear()
impatient = gevent.spawn(verifier.verify, "left")
while len(calls) < 2:
    gevent.sleep(0.001)
follower = gevent.spawn(verifier.verify, "left")
gevent.sleep(0)
impatient.kill()
follower.join(30)
assert follower.exception.code.name == "UNAVAILABLE", follower.exception
hold.set()
assert verifier.verify("left").user == "alice"

tokens = [f"t{n}" for n in range(40)] + ["gone"]
live = {token: verifier.verify(token) for token in tokens}
ended = Revalidator(settings, verifier).check(live)
assert [entry.token_id for entry in ended] == ["token=gone"], ended

hold.clear()
try:
    UserCentreClient(make_settings(usercenter_timeout_s=0.1)).get(url)
except UserCentreDown as error:
    assert error.reason == "timeout", error.reason
hold.set()
print("done")
"""


def test_clients_yield_share_calls_and_time_out_under_gevent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=90
    )
    assert done.stdout.endswith("done\n"), done.stdout + done.stderr
