"""What the README and the banner of `make run` tell a new user to type works as it stands."""

import json
import re
import subprocess

import pytest

from dev.banner import banner
from dev.environment import ROOT
from tests.support.cluster import Cluster
from tests.support.readme import README


def from_banner(cluster: Cluster) -> str:
    text = banner({}, usercenter=cluster.platform.url("usercenter"), web=cluster.platform.url())
    return "\n".join(line for line in text.splitlines() if line.startswith("  "))


def from_readme(cluster: Cluster) -> str:
    """The blocks up to Bob's first message, with the addresses of this platform."""
    signed_up, read = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)[:2]
    here = f"UC={cluster.platform.url('usercenter')} WEB={cluster.platform.url()}\n"
    addresses, rest = signed_up.split("\n", 1)
    assert addresses == "UC=http://127.0.0.1:8100 WEB=http://127.0.0.1:8000"
    return here + rest + read


@pytest.mark.parametrize("script", [from_banner, from_readme])
def test_the_first_message_arrives(cluster: Cluster, script: object) -> None:
    # Given: nobody has used these names and this sequence before
    text = script(cluster)  # type: ignore[operator]
    alice, bob = cluster.person("alice"), cluster.person("bob")
    text = text.replace('"alice"', f'"{alice}"').replace('"bob"', f'"{bob}"')

    # When
    done = subprocess.run(
        ["bash", "-eu", "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    # Then
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.replace("}{", "}\n{").split("\n") if line]
    (message,) = answers[-1]["messages"]
    assert message["content"] == {"text": {"text": "hello"}}
    assert (message["sender"], message["receiver"]) == (alice, bob)
