"""The JavaScript SDK: its size, its parts, its tokens, mini-programs, and its quick start."""

import gzip
import re
import uuid
from collections.abc import Iterator

import pytest

from dev.environment import ROOT
from dev.services import MariaDB
from tests.support import jsnode
from tests.support.cluster import Cluster

BUNDLE_BYTES_MAX = 40 * 1024
DOCUMENT = ROOT / "docs" / "js-sdk.md"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDB) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("js"), mariadb) as started:
        yield started


def login(cluster: Cluster, user: str) -> dict[str, str]:
    return {"user": user, "token": cluster.token(user)}


def test_the_whole_bundle_is_small() -> None:
    # Given the package as it is published, protobuf and all
    jsnode.build()

    # Then it fits, and needs nothing else
    bundle = (jsnode.PACKAGE / "dist" / "im-client.min.js").read_bytes()
    assert len(gzip.compress(bundle)) <= BUNDLE_BYTES_MAX
    assert not re.search(rb"""(?:from|import|require)\s*\(?["'][^"']+["']""", bundle)


def test_its_parts() -> None:
    jsnode.run("npm", "run", "--silent", "test")


def test_its_types(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Given the types as they are published, and a program that uses them
    folder = jsnode.PACKAGE / "dist" / f"types-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        jsnode.run(
            "npx", "--no-install", "tsc", "-p", "tsconfig.build.json", "--outDir", str(folder)
        )
        program = folder / "program.mts"
        program.write_text(
            'import { IMClient, person, webAdapter } from "./index.js";\n'
            'const client = new IMClient({ user: "a", token: () => "t", adapter: webAdapter() });\n'
            'client.on("message", ({ message }) => { const id: string = message.id; void id; });\n'
            'const sent: string = client.send(person("b"), "hello");\n'
            'const left: Promise<number> = client.read(person("b"), sent);\n'
            'const at: Promise<bigint> = client.call("versions", {}).then((a) => a.version);\n'
            "void left; void at;\n"
        )
        options = ("--noEmit", "--strict", "--target", "es2021", "--module", "nodenext")
        jsnode.run("npx", "--no-install", "tsc", *options, "--ignoreConfig", str(program))

        # Then it is accepted, and wrong use is not
        program.write_text(program.read_text() + 'client.call("history", { peer: 5 });\n')
        with pytest.raises(AssertionError, match="not assignable to type 'string"):
            jsnode.run("npx", "--no-install", "tsc", *options, "--ignoreConfig", str(program))
    finally:
        jsnode.run("rm", "-r", str(folder))


def test_mini_programs(cluster: Cluster) -> None:
    alice, bob = cluster.pair()
    played = jsnode.play(
        "wx.mjs",
        url=cluster.platform.url(),
        alice=login(cluster, alice),
        bob=login(cluster, bob),
    )
    assert played == "done\n"


@pytest.mark.parametrize("transport", ["websocket", "events", "comet"])
def test_tokens(cluster: Cluster, transport: str) -> None:
    user = cluster.person()
    played = jsnode.play(
        "tokens.mjs",
        url=cluster.platform.url(),
        user=user,
        transport=transport,
        nonsense="not.a.token",
        short=cluster.token(user, ttl_s=4),
        long=cluster.token(user),
    )
    assert played == "done\n"


def test_the_quick_start_does_what_it_says(cluster: Cluster) -> None:
    # Given the program of the quick start, with this platform's addresses
    found = re.search(r"```js\n// hello\.mjs\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    program = (
        found[1]
        .replace("http://127.0.0.1:8000", cluster.platform.url())
        .replace("http://127.0.0.1:8100", cluster.platform.url("usercenter"))
    )
    jsnode.build()
    path = jsnode.PACKAGE / "dist" / f"hello-{uuid.uuid4().hex}.mjs"
    path.write_text(program)
    try:
        # When it is run, then it prints what the document shows
        shown = re.search(r"prints\n\n```text\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
        assert shown
        assert jsnode.run("node", str(path)) == shown[1]
    finally:
        path.unlink()
