"""The JavaScript SDK: its size, its parts, its tokens, mini-programs, and its quick start."""

import gzip
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as npm publishes it among its modules."""
    folder = tmp_path_factory.mktemp("installed")
    jsnode.run("npm", "pack", "--silent", "--pack-destination", str(folder))
    (tarball,) = folder.glob("*.tgz")
    with tarfile.open(tarball) as packed:
        packed.extractall(folder, filter="data")
    modules = folder / "node_modules"
    modules.mkdir()
    (folder / "package").rename(modules / "im-client")
    for name in ("ws", "@bufbuild"):
        (modules / name).symlink_to(jsnode.PACKAGE / "node_modules" / name)
    return folder


def test_what_is_published(installed: Path) -> None:
    # Given the package as it is published
    package = installed / "node_modules" / "im-client"
    files = [path.relative_to(package) for path in package.rglob("*") if path.is_file()]

    # Then it holds the module, the same minified, their types, and what it is, and nothing else
    types = {path for path in files if path.parts[:2] == ("dist", "types")}
    assert {str(path) for path in files if path not in types} == {
        "README.md",
        "package.json",
        "dist/im-client.js",
        "dist/im-client.min.js",
    }
    assert all(path.name.endswith(".d.ts") for path in types)
    assert Path("dist/types/index.d.ts") in types
    assert "private" not in json.loads((package / "package.json").read_text())

    # And all of it, protobuf included, is small and needs nothing else
    bundle = (package / "dist" / "im-client.min.js").read_bytes()
    assert len(gzip.compress(bundle)) <= BUNDLE_BYTES_MAX
    assert not re.search(rb"""(?:from|import|require)\s*\(?["'][^"']+["']""", bundle)


def test_its_parts() -> None:
    jsnode.run("npm", "run", "--silent", "test")


def test_its_types(installed: Path) -> None:
    # Given the program of its README, and one more that uses it
    options = ("--noEmit", "--strict", "--target", "es2021", "--module", "nodenext")

    def check(text: str) -> None:
        program = installed / "program.mts"
        program.write_text(text)
        jsnode.run("npx", "--no-install", "tsc", *options, "--ignoreConfig", str(program))

    shown = re.search(r"```js\n(.*?)```", (jsnode.PACKAGE / "README.md").read_text(), re.DOTALL)
    assert shown
    check(f"declare function askUserCentre(): Promise<string>;\n{shown[1]}")
    good = (
        'import { IMClient, person, webAdapter } from "im-client/min";\n'
        'const client = new IMClient({ user: "a", token: () => "t", adapter: webAdapter() });\n'
        'client.on("message", ({ message }) => { const id: string = message.id; void id; });\n'
        'const sent: string = client.send(person("b"), "hello");\n'
        'const left: Promise<number> = client.read(person("b"), sent);\n'
        'const at: Promise<bigint> = client.call("versions", {}).then((a) => a.version);\n'
        "void left; void at;\n"
    )
    check(good)

    # Then they are accepted, and wrong use is not
    with pytest.raises(AssertionError, match="not assignable to type 'string"):
        check(good + 'client.call("history", { peer: 5 });\n')


@pytest.mark.parametrize("script", ["wx", "upgrade", "redial", "presence"])
def test_script(cluster: Cluster, script: str) -> None:
    """What each of them holds is written in client/js/test."""
    alice, bob = cluster.pair()
    played = jsnode.play(
        f"{script}.mjs",
        url=cluster.platform.url(),
        alice=login(cluster, alice),
        bob=login(cluster, bob),
    )
    assert played == "done\n"


@pytest.mark.parametrize("transport", ["websocket", "events", "comet"])
def test_conversations_deleted_while_away(cluster: Cluster, transport: str) -> None:
    alice, bob = cluster.pair()
    played = jsnode.play(
        "deleted.mjs",
        url=cluster.platform.url(),
        alice=login(cluster, alice),
        bob=login(cluster, bob),
        transport=transport,
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


def test_the_quick_start_does_what_it_says(cluster: Cluster, installed: Path) -> None:
    # Given the program of the quick start, with this platform's addresses
    found = re.search(r"```js\n// hello\.mjs\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    program = (
        found[1]
        .replace("http://127.0.0.1:8000", cluster.platform.url())
        .replace("http://127.0.0.1:8100", cluster.platform.url("usercenter"))
    )
    path = installed / "hello.mjs"
    path.write_text(program)

    # When it is run beside the package, then it prints what the document shows
    shown = re.search(r"prints\n\n```text\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert shown
    assert jsnode.run("node", str(path)) == shown[1]
